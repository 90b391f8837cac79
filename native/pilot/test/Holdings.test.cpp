//! \file pilot/test/Holdings.test.cpp
#include "pilot/Holdings.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;
using wire::Epoch;
using wire::TaskId;

HeldSpan span_of(std::uint32_t lease, std::uint64_t first, std::uint32_t count)
{
    return {TaskId{1}, Epoch{1}, lease, first, count, 1, 1};
}

Holdings with(std::vector<HeldSpan> spans)
{
    Holdings holdings;
    holdings.add(blocks_of(std::move(spans)));
    return holdings;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Holdings, a_range_is_held_from_its_grant_to_its_verdict)
{
    auto holdings = with({span_of(7, 10, 2)});
    auto const range = holdings.take(TaskId{1});
    EXPECT_EQ(range.first, 10u);
    EXPECT_EQ(holdings.unstarted_ranges(), 1u);
    EXPECT_EQ(holdings.running_ranges(), 1u);
    EXPECT_TRUE(holdings.finish(returned_item(range)));
    EXPECT_FALSE(holdings.finish(returned_item(range)));
    EXPECT_EQ(holdings.to_send(1, 10).size(), 1u);
    EXPECT_EQ(count_ranges(holdings.held()), 2u);
    EXPECT_TRUE(holdings.answered(1));
    EXPECT_FALSE(holdings.answered(1));
    EXPECT_EQ(count_ranges(holdings.held()), 1u);
}

//---------------------------------------------------------------------------//
TEST(Holdings, an_exchange_has_no_more_ranges_than_the_protocol_allows)
{
    Holdings holdings;
    for (std::uint32_t i = 0; i < 40; ++i)
    {
        holdings.report(returned_item(span_of(1 + i, 65535ull * i, 65535)));
    }
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence)
    {
        EXPECT_EQ(holdings.to_send(sequence, 100).size(), 8u);
    }
    EXPECT_TRUE(holdings.to_send(6, 100).empty());
}

//---------------------------------------------------------------------------//
TEST(Holdings, what_had_no_answer_is_sent_again_first)
{
    auto holdings = with({span_of(7, 0, 3)});
    for (std::uint64_t sequence = 1; sequence <= 2; ++sequence)
    {
        holdings.finish(returned_item(holdings.take(TaskId{1})));
        holdings.to_send(sequence, 10);
    }
    holdings.finish(returned_item(holdings.take(TaskId{1})));
    holdings.unsend();
    auto const again = holdings.to_send(1, 10);
    ASSERT_TRUE(again.size() == 3);
    EXPECT_EQ(again[0].span.first, 0u);
    EXPECT_EQ(again[2].span.first, 2u);
}

//---------------------------------------------------------------------------//
TEST(Holdings, a_recall_takes_the_unstarted_middle_of_a_span)
{
    auto holdings = with({span_of(7, 0, 10), span_of(8, 0, 10)});
    auto const released = holdings.release(span_of(7, 3, 4));
    ASSERT_TRUE(released.size() == 1);
    EXPECT_EQ(released[0].first, 3u);
    EXPECT_EQ(released[0].count, 4u);
    EXPECT_EQ(holdings.unstarted_ranges(), 16u);
}

//---------------------------------------------------------------------------//
TEST(Holdings, refused_ranges_are_dropped_wherever_they_are)
{
    auto holdings = with({span_of(7, 0, 4)});
    auto const running = holdings.take(TaskId{1});
    auto const ended = holdings.take(TaskId{1});
    holdings.finish(returned_item(ended));
    auto const stop = holdings.refuse(blocks_of({span_of(7, 0, 3)}));
    ASSERT_TRUE(stop.size() == 1);
    EXPECT_EQ(stop[0].first, running.first);
    EXPECT_EQ(count_ranges(holdings.held()), 1u);
    EXPECT_EQ(holdings.held()[0].spans[0].first, 3u);
}

//---------------------------------------------------------------------------//
TEST(Holdings, reports_of_a_kind_share_a_block_and_sum_their_costs)
{
    std::vector<ReportItem> items;
    for (std::uint64_t range : {5, 4, 9})
    {
        auto item = returned_item(span_of(7, range, 1));
        item.outcome = wire::Outcome::done;
        item.bundle = 2;
        item.wall_sum = 1.5;
        item.wall_max = 1.5;
        items.push_back(item);
    }
    items.push_back(returned_item(span_of(7, 20, 1)));
    auto const reports = reports_of(items, 3);
    ASSERT_TRUE(reports.size() == 2);
    auto const& done = reports[0].outcome == wire::Outcome::done ? reports[0] : reports[1];
    EXPECT_EQ(done.spans.spans.size(), 2u);
    EXPECT_EQ(done.spans.spans[0].count, 2u);
    EXPECT_EQ(done.cost.wall_sum, 4.5f);
    EXPECT_EQ(done.cost.wall_max, 1.5f);
    EXPECT_EQ(done.node, 3u);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
