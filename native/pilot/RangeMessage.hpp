/*!
 * \file pilot/RangeMessage.hpp
 * \brief What a stream payload is told about a range, and what its `done` amounts to.
 */
#pragma once

#include <string>

#include "pilot/StreamLines.hpp"
#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! The line `{"range":{..}}`, without its newline; \c timeout_seconds 0: no deadline.
std::string range_message(RangeWork const& work,
                          std::string const& id,
                          std::string const& slice,
                          double timeout_seconds);

//! The end that a payload's `done` amounts to: its events must fit, its output lie in its folder.
AttemptEnd done_end(RangeWork const& work, PayloadLine const& line, double wall_seconds);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
