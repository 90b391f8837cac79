/*!
 * \file pilot/RoundTrips.hpp
 * \brief How long an answer usually takes: the third longest of the last 16 round trips.
 *
 * What a node holds ahead of its slots follows it. A mean would not do: when the engine stands still or
 * a cable is cut for some seconds, the exchanges that are under way (two at most) take all that
 * time, and with short ranges the node would then hold thousands, which it would all do in vain if it
 * were cut off next.
 */
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class RoundTrips
{
  public:
    //! \c seconds are what it counts as long as it knows nothing better.
    explicit RoundTrips(double seconds) { last_.fill(seconds); }

    void add(double seconds) { last_[next_++ % last_.size()] = seconds; }

    double usual() const
    {
        auto sorted = last_;
        auto const third = sorted.begin() + longer;
        std::nth_element(sorted.begin(), third, sorted.end(), std::greater<>{});
        return *third;
    }

    //! One exchange at a time is enough: more would only make the queue before the engine longer.
    bool are_long() const { return this->usual() > long_seconds; }

    //! From a range's end to its replacement: a trip, and where one exchange at a time goes, the wait
    //! for the one that is under way.
    double refill() const
    {
        double const trip = std::max(this->usual(), seconds_min);
        return trip > long_seconds ? 2 * trip : trip;
    }

  private:
    //! Ticks and commits are not in every sample.
    static constexpr double seconds_min = 0.002;
    static constexpr double long_seconds = 0.1;
    static constexpr std::size_t longer = 2;
    std::array<double, 16> last_{};
    std::size_t next_{0};
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
