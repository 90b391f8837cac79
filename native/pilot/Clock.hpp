/*!
 * \file pilot/Clock.hpp
 * \brief The two clocks: monotonic for every wait and deadline, wall for people and batch systems.
 */
#pragma once

#include <chrono>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! Seconds on the monotonic clock; differences only.
inline double monotonic_seconds()
{
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

//! Seconds since 1970.
inline double wall_seconds()
{
    using namespace std::chrono;
    return duration<double>(system_clock::now().time_since_epoch()).count();
}

//! A deadline that never comes.
constexpr double never = 1e300;
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
