/*!
 * \file pilot/Pace.hpp
 * \brief How long a process that waits for MPI sleeps between looks, since MPI has no descriptor.
 *
 * 50 us while things move, so that a busy rank answers within a fraction of a millisecond; growing
 * to 5 ms, so that an idle one takes less than a hundredth of a core and wakes within 10 ms.
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
    static constexpr double growth = 1.3;

    void moved() { seconds_ = seconds_min; }

    //! The next sleep.
    double next()
    {
        double const now = seconds_;
        seconds_ = std::min(growth * seconds_, seconds_max);
        return now;
    }

  private:
    double seconds_{seconds_min};
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
