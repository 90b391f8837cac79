//! \file pilot/test/HeldSpan.test.cpp
#include "pilot/HeldSpan.hpp"

#include "Test.hpp"
#include "wire/Codec.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;

HeldSpan span_of(wire::LeaseNumber lease, std::uint64_t first, std::uint32_t count)
{
    return {wire::TaskId{1}, wire::Epoch{1}, lease, first, count, 1, 1};
}

//! Every second range of leases of 1 000.
std::vector<HeldSpan> scattered(std::size_t spans)
{
    std::vector<HeldSpan> out;
    for (std::size_t i = 0; i < spans; ++i)
    {
        out.push_back(span_of(static_cast<wire::LeaseNumber>(1 + i / 500), 2 * i, 1));
    }
    return out;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(HeldSpan, coarser_spans_are_joined_over_the_shortest_gaps_of_their_lease)
{
    std::vector<HeldSpan> const spans{
        span_of(1, 0, 2), span_of(1, 3, 1), span_of(1, 20, 1), span_of(2, 21, 1), span_of(2, 30, 4)};
    auto const four = coarser(spans, 4);
    ASSERT_TRUE(four.size() == 4);
    EXPECT_EQ(four[0].first, 0u);
    EXPECT_EQ(four[0].count, 4u);
    EXPECT_EQ(four[1].first, 20u);
    auto const two = coarser(spans, 2);
    ASSERT_TRUE(two.size() == 2);
    EXPECT_EQ(two[0].count, 21u);
    EXPECT_EQ(two[1].first, 21u);
    EXPECT_EQ(two[1].count, 13u);
}

//---------------------------------------------------------------------------//
TEST(HeldSpan, few_spans_stay_as_they_are_and_the_newest_of_too_many_leases_are_left_out)
{
    std::vector<HeldSpan> const spans{span_of(3, 9, 1), span_of(1, 0, 2), span_of(2, 5, 1)};
    EXPECT_EQ(ranges_in(coarser(spans, 3)), 4u);
    auto const two = coarser(spans, 2);
    ASSERT_TRUE(two.size() == 2);
    EXPECT_EQ(two[1].lease, 2u);
}

//---------------------------------------------------------------------------//
TEST(HeldSpan, what_runs_on_a_hundred_thousand_slots_is_told_in_messages_that_are_read)
{
    std::size_t spans = 0;
    for (auto& blocks : messages_of(scattered(100000)))
    {
        std::vector<std::uint8_t> frame;
        for (auto const& block : blocks)
        {
            spans += block.spans.size();
        }
        ASSERT_TRUE(static_cast<bool>(wire::append_frame(frame, wire::Started{std::move(blocks)})));
        wire::BytesView const payload{frame.data() + wire::frame_prefix_bytes,
                                      frame.size() - wire::frame_prefix_bytes};
        EXPECT_TRUE(static_cast<bool>(wire::decode(payload, wire::Side::pilot)));
    }
    EXPECT_EQ(spans, 100000u);
    EXPECT_TRUE(messages_of({}).empty());
}

//---------------------------------------------------------------------------//
TEST(HeldSpan, a_hundred_thousand_scattered_ranges_fit_a_hello)
{
    auto const spans = scattered(100000);
    wire::Hello hello;
    std::vector<std::uint8_t> frame;
    hello.held = blocks_of(spans);
    bool const fits = static_cast<bool>(wire::append_frame(frame, hello))
                      && frame.size() <= wire::hello_frame_bytes_max;
    EXPECT_FALSE(fits);
    frame.clear();
    hello.held = blocks_of(coarser(spans, 12500));
    EXPECT_TRUE(static_cast<bool>(wire::append_frame(frame, hello)));
    EXPECT_TRUE(frame.size() < wire::hello_frame_bytes_max);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
