//! \file pilot/test/Hearing.test.cpp
#include "pilot/Hearing.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using pilot::Hearing;

constexpr double silence = 4;

//! The hub of ranks 0 .. 3, at time 100: all have just been heard.
struct Hub
{
    Hearing hearing{0, silence, 90};
    Hub() { this->hear({0, 1, 2, 3}, 100); }
    void hear(std::vector<int> const& ranks, double now)
    {
        for (int const rank : ranks)
        {
            hearing.rank(rank, now);
        }
    }
};

using Ranks = std::vector<int>;

//---------------------------------------------------------------------------//
TEST(Hearing, one_that_is_silent_while_others_are_heard_is_gone)
{
    Hub hub;
    for (double now = 101; now < 104; ++now)
    {
        hub.hear({0, 1, 3}, now);
        EXPECT_TRUE(hub.hearing.gone(now).empty());
    }
    hub.hear({0, 1, 3}, 104.5);
    EXPECT_TRUE(hub.hearing.gone(104.5) == Ranks{2});
    hub.hearing.forget(2);
    EXPECT_TRUE(hub.hearing.gone(104.5).empty());
}

//---------------------------------------------------------------------------//
TEST(Hearing, a_hub_that_is_cut_off_judges_nobody_and_gives_all_a_new_term)
{
    Hub hub;
    hub.hearing.engine(100.5);
    for (double now = 101; now < 120; now += 0.5)
    {
        hub.hear({0}, now);
        EXPECT_TRUE(hub.hearing.gone(now).empty());
        EXPECT_EQ(hub.hearing.cut_off(now), now > 104.5);
    }
    // The engine comes back first; the others have a term from then on.
    hub.hearing.engine(120);
    EXPECT_FALSE(hub.hearing.cut_off(120));
    EXPECT_TRUE(hub.hearing.gone(120).empty());
    hub.hearing.engine(121.5);
    hub.hear({0, 1}, 121.9);
    hub.hear({0, 1}, 123.5);
    EXPECT_TRUE(hub.hearing.gone(123.9).empty());
    EXPECT_TRUE((hub.hearing.gone(124.5) == Ranks{2, 3}));
}

//---------------------------------------------------------------------------//
TEST(Hearing, any_other_rank_ends_the_deafness_too)
{
    Hub hub;
    EXPECT_TRUE(hub.hearing.gone(104.1).empty());
    hub.hear({3}, 104.2);
    EXPECT_TRUE(hub.hearing.gone(104.2).empty());
    hub.hear({0, 3}, 106);
    hub.hear({0, 3}, 108);
    EXPECT_TRUE(hub.hearing.gone(108.1).empty());
    EXPECT_TRUE((hub.hearing.gone(108.3) == Ranks{1, 2}));
}

//---------------------------------------------------------------------------//
TEST(Hearing, when_all_others_are_silent_they_have_a_second_term_to_take_over)
{
    Hub hub;
    for (double now = 101; now < 108; now += 0.5)
    {
        hub.hear({0}, now);
        hub.hearing.engine(now);
        EXPECT_TRUE(hub.hearing.gone(now).empty());
        EXPECT_FALSE(hub.hearing.cut_off(now));
    }
    hub.hear({0}, 108.1);
    EXPECT_TRUE((hub.hearing.gone(108.1) == Ranks{1, 2, 3}));
}

//---------------------------------------------------------------------------//
TEST(Hearing, of_two_ranks_a_dead_one_is_noticed_since_the_engine_answers)
{
    Hearing hearing{0, silence, 100};
    hearing.rank(0, 100);
    hearing.rank(1, 100);
    EXPECT_FALSE(hearing.doubts(100.5));
    Ranks gone;
    int asked = 0;
    double now = 100;
    for (; gone.empty() && now < 110; now += 0.25)
    {
        hearing.rank(0, now);
        if (hearing.doubts(now))
        {
            ++asked;
            hearing.engine(now + 0.01);
        }
        gone = hearing.gone(now);
    }
    EXPECT_TRUE(gone == Ranks{1});
    EXPECT_TRUE(now > 108 && now < 109);
    EXPECT_TRUE(asked >= 5 && asked <= 9);
}

//---------------------------------------------------------------------------//
TEST(Hearing, a_pilot_of_one_rank_asks_nobody)
{
    Hearing hearing{0, silence, 100};
    hearing.rank(0, 100);
    EXPECT_FALSE(hearing.doubts(150));
    hearing.rank(0, 150);
    EXPECT_TRUE(hearing.gone(150).empty());
}

//---------------------------------------------------------------------------//
TEST(Hearing, a_hub_that_was_stopped_gives_all_a_new_term)
{
    Hub hub;
    hub.hearing.slept(130);
    hub.hear({0, 1}, 131.5);
    hub.hear({0, 1}, 133);
    EXPECT_TRUE(hub.hearing.gone(133.9).empty());
    EXPECT_TRUE((hub.hearing.gone(134.5) == Ranks{2, 3}));
}
//---------------------------------------------------------------------------//
}  // namespace
}  // namespace test
}  // namespace jumbo
