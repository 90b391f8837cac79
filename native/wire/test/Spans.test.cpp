//! \file wire/test/Spans.test.cpp
#include "wire/Spans.hpp"

#include "wire/test/Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace wire;

Span span_at(RangeIndex first)
{
    Span span;
    span.first = first;
    span.count = 1;
    span.lease = 1;
    return span;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(SpanBlockBuilder, splits_at_tasks_epochs_and_wide_gaps_and_keeps_the_order)
{
    SpanBlockBuilder builder;
    auto const wide = RangeIndex{1} << 32;
    builder.add(TaskId{1}, Epoch{1}, span_at(5));
    builder.add(TaskId{1}, Epoch{1}, span_at(3));
    builder.add(TaskId{1}, Epoch{2}, span_at(4));
    builder.add(TaskId{2}, Epoch{2}, span_at(4));
    builder.add(TaskId{2}, Epoch{2}, span_at(4 + wide - 1));
    builder.add(TaskId{2}, Epoch{2}, span_at(4 + wide));
    auto const blocks = builder.build();
    ASSERT_TRUE(blocks.size() == 4);
    EXPECT_EQ(blocks[0].spans.size(), 2u);
    EXPECT_EQ(blocks[0].spans[1].first, 3u);
    EXPECT_EQ(blocks[1].spans.size(), 1u);
    EXPECT_EQ(blocks[2].spans.size(), 2u);
    EXPECT_EQ(blocks[3].spans.size(), 1u);
    EXPECT_TRUE(builder.build().empty());
}

TEST(SpanBlock, counts_ranges_and_joins_lease_identities)
{
    SpanBlock block{TaskId{1}, Epoch{3}, {span_at(1), span_at(7)}};
    block.spans[0].count = 65535;
    EXPECT_EQ(count_ranges(block), 65536u);
    EXPECT_EQ(static_cast<std::uint64_t>(lease_id(block.epoch, 7)), 0x300000007u);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
