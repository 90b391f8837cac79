//! \file wire/test/Codec.test.cpp
#include "wire/Codec.hpp"

#include "wire/test/Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace wire;

SpanBlock block_of(std::size_t spans)
{
    SpanBlock block{TaskId{7}, Epoch{40}, {}};
    for (std::size_t i = 0; i < spans; ++i)
    {
        Span span;
        span.first = 1000000 + 3 * i;
        span.count = 1;
        span.attempt = 1;
        span.grant = 1;
        span.lease = static_cast<LeaseNumber>(7000000 + i);
        block.spans.push_back(span);
    }
    return block;
}

std::size_t frame_bytes(Message const& message)
{
    Blob frame;
    EXPECT_TRUE(append_frame(frame, message));
    return frame.size();
}

bool refused(Message const& message, char const* why)
{
    Blob out{1, 2, 3};
    auto const done = append_frame(out, message);
    EXPECT_TRUE(out == (Blob{1, 2, 3})) << "a refused message left bytes behind";
    return !done && done.error().message.find(why) != std::string::npos;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Codec, spans_are_small)
{
    auto const empty = frame_bytes(Started{});
    EXPECT_TRUE(frame_bytes(Started{{block_of(1)}}) - empty <= 20);
    Exchange exchange;
    exchange.reports.resize(1);
    exchange.reports[0].spans = block_of(256);
    EXPECT_TRUE(static_cast<double>(frame_bytes(exchange)) / 256 <= 17.5);
}

TEST(Codec, appends_frames_one_after_the_other)
{
    Blob out;
    EXPECT_TRUE(append_frame(out, Pulse{}));
    EXPECT_TRUE(append_frame(out, Bye{"x"}));
    EXPECT_TRUE(out == (Blob{0, 0, 0, 2, 0x91, 8, 0, 0, 0, 4, 0x92, 12, 0xa1, 'x'}));
}

TEST(Codec, refuses_to_send_what_no_peer_accepts)
{
    EXPECT_TRUE(refused(Bye{std::string(65537, 'x')}, "limit"));
    EXPECT_TRUE(refused(Bye{"\xff"}, "UTF-8"));
    Exchange exchange;
    exchange.reports.resize(1);
    exchange.reports[0].spans = block_of(1);
    exchange.reports[0].reason = std::string(1501, 'x');
    EXPECT_TRUE(refused(exchange, "reason"));
    Resources resources;
    resources.nodes.resize(100);
    for (auto& node : resources.nodes)
    {
        node.name = std::string(60000, 'x');
    }
    EXPECT_TRUE(refused(resources, "frame"));
}

TEST(Codec, names_field_place_and_right_form)
{
    Blob const payload{0x93, 7, 0xc0, 1};
    auto const message = decode({payload.data(), payload.size()}, Side::pilot);
    ASSERT_TRUE(!message);
    EXPECT_TRUE(message.error().message.find("freeSlots") != std::string::npos);
    EXPECT_TRUE(message.error().message.find("protocol.md") != std::string::npos);
}

TEST(Codec, counts_spans_over_all_blocks_of_a_message)
{
    for (bool over : {false, true})
    {
        Blob frame;
        Started started{{block_of(65536)}};
        if (over)
        {
            started.spans.push_back(block_of(1));
        }
        EXPECT_TRUE(append_frame(frame, started));
        auto const message = decode({frame.data() + 4, frame.size() - 4}, Side::pilot);
        EXPECT_EQ(static_cast<bool>(message), !over);
    }
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
