//! \file pilot/test/RoundTrips.test.cpp
#include "pilot/RoundTrips.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using pilot::RoundTrips;

RoundTrips of_three_milliseconds()
{
    RoundTrips trips{0.05};
    for (int i = 0; i < 16; ++i)
    {
        trips.add(0.003);
    }
    return trips;
}

//---------------------------------------------------------------------------//
TEST(RoundTrips, one_stall_changes_nothing)
{
    auto trips = of_three_milliseconds();
    EXPECT_EQ(trips.usual(), 0.003);
    trips.add(5);
    trips.add(4);
    EXPECT_EQ(trips.usual(), 0.003);
}

//---------------------------------------------------------------------------//
TEST(RoundTrips, what_lasts_is_followed_both_ways)
{
    auto trips = of_three_milliseconds();
    for (int i = 0; i < 3; ++i)
    {
        trips.add(0.2);
    }
    EXPECT_EQ(trips.usual(), 0.2);
    for (int i = 0; i < 16; ++i)
    {
        trips.add(0.001);
    }
    EXPECT_EQ(trips.usual(), 0.001);
}

//---------------------------------------------------------------------------//
TEST(RoundTrips, the_first_guess_holds_until_there_are_better_ones)
{
    RoundTrips trips{0.05};
    for (int i = 0; i < 13; ++i)
    {
        trips.add(0.001);
        EXPECT_EQ(trips.usual(), 0.05);
    }
    trips.add(0.001);
    EXPECT_EQ(trips.usual(), 0.001);
}

//---------------------------------------------------------------------------//
TEST(RoundTrips, a_refill_takes_a_trip_and_where_trips_are_long_two)
{
    auto trips = of_three_milliseconds();
    EXPECT_FALSE(trips.are_long());
    EXPECT_EQ(trips.refill(), 0.003);
    for (int i = 0; i < 3; ++i)
    {
        trips.add(0.2);
    }
    EXPECT_TRUE(trips.are_long());
    EXPECT_EQ(trips.refill(), 0.4);
    for (int i = 0; i < 16; ++i)
    {
        trips.add(0.0001);
    }
    EXPECT_FALSE(trips.are_long());
    EXPECT_EQ(trips.refill(), 0.002);
}
//---------------------------------------------------------------------------//
}  // namespace
}  // namespace test
}  // namespace jumbo
