/*!
 * \file pilot/Pace.hpp
 * \brief How long a process that waits for MPI sleeps between looks, since MPI has no descriptor.
 *
 * 50 us while things move, so that a busy rank answers within a fraction of a millisecond; growing
 * to 5 ms, so that an idle one takes about a hundredth of a core, and to 20 ms where mail rings
 * (Doorbell).
 */
#pragma once

#include <algorithm>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Pace
{
  public:
    static constexpr double seconds_min = 50e-6;
    static constexpr double seconds_max = 5e-3;
    static constexpr double seconds_max_rung = 20e-3;
    static constexpr double growth = 1.3;

    void moved() { seconds_ = seconds_min; }

    //! Whether it matters by now what the longest sleep is.
    bool slow() const { return seconds_ >= seconds_max; }

    //! The next sleep.
    double next(double longest = seconds_max)
    {
        double const now = std::min(seconds_, longest);
        seconds_ = std::min(growth * now, longest);
        return now;
    }

  private:
    double seconds_{seconds_min};
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
