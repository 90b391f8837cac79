/*!
 * \file pilot/Placeholders.hpp
 * \brief Fills `{lower-case}` placeholders of a payload's argv; there is no shell and no quoting.
 */
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
using PlaceholderValues = std::map<std::string, std::string>;

//! Whether any argument has the placeholder `{name}`.
bool uses_placeholder(std::vector<std::string> const& command, std::string const& name);

/*!
 * argv with values put in byte for byte; `{{x}}` is the text `{x}`, other braces are themselves.
 *
 * False, with the first name in \c missing, where a placeholder has no value.
 */
bool fill_command(std::vector<std::string> const& command,
                  PlaceholderValues const& values,
                  std::vector<std::string>& argv,
                  std::string& missing);

//! Every placeholder that has a value for this range; \c slice is "" where there is none.
PlaceholderValues range_values(RangeWork const& work, std::string const& slice);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
