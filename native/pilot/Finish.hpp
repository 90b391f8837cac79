/*!
 * \file pilot/Finish.hpp
 * \brief From a payload's end to a report.
 *
 * Exit 0 is not proof: done = output there, a plain file, not empty (unless allowed), with as many
 * records as its events ask for, from an input that is still what was scanned, and durable in a
 * bundle.
 */
#pragma once

#include <functional>
#include <string>

#include "pilot/Bundles.hpp"
#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct Settled
{
    ReportItem item;
    std::string broken;  //!< Set if this node can't keep outputs any more.
};

/*!
 * Look at what an attempt left, keep it if it is good, and remove the attempt's folder.
 *
 * \c then is called at once, or when the bundle is durable.
 */
void settle(RangeWork const& work,
            AttemptEnd const& end,
            std::string const& node,
            Bundles& bundles,
            std::function<void(Settled)> then);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
