/*!
 * \file pilot/ExchangeRoom.cpp
 */
#include "pilot/ExchangeRoom.hpp"

#include "wire/Spans.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr std::size_t reports_max = 4096;
constexpr std::size_t spans_max = 32768;
constexpr std::size_t reason_bytes_max = wire::frame_bytes_max / 4;
}  // namespace

//---------------------------------------------------------------------------//
bool ExchangeRoom::take(wire::Report const* reports, std::size_t count)
{
    ExchangeRoom next = *this;
    next.reports_ += count;
    for (std::size_t i = 0; i < count; ++i)
    {
        next.spans_ += reports[i].spans.spans.size();
        next.ranges_ += wire::count_ranges(reports[i].spans);
        next.reason_bytes_ += reports[i].reason.size();
    }
    bool const fits = next.reports_ <= reports_max && next.spans_ <= spans_max
                      && next.ranges_ <= ranges_max && next.reason_bytes_ <= reason_bytes_max;
    if (!fits && reports_ > 0)
    {
        return false;
    }
    *this = next;
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
