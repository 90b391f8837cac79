//! \file wire/test/Frame.test.cpp
#include "wire/Frame.hpp"

#include <algorithm>

#include "wire/test/Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace wire;
using Bytes = std::vector<std::uint8_t>;

void append(Bytes& stream, Bytes const& payload)
{
    auto const size = payload.size();
    for (int shift = 24; shift >= 0; shift -= 8)
    {
        stream.push_back(static_cast<std::uint8_t>(size >> shift));
    }
    stream.insert(stream.end(), payload.begin(), payload.end());
}

std::vector<Bytes> split(FrameSplitter& splitter, Bytes const& stream, std::size_t step)
{
    std::vector<Bytes> result;
    for (std::size_t at = 0; at < stream.size(); at += step)
    {
        // A chunk of its own, so that a read beyond it is seen by the sanitizer.
        Bytes const chunk(stream.begin() + static_cast<std::ptrdiff_t>(at),
                          stream.begin()
                              + static_cast<std::ptrdiff_t>(std::min(at + step, stream.size())));
        splitter.feed({chunk.data(), chunk.size()});
        for (BytesView payload; splitter.next(payload);)
        {
            result.emplace_back(payload.data, payload.data + payload.size);
        }
    }
    return result;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(FrameSplitter, gives_the_same_payloads_however_the_stream_is_cut)
{
    std::vector<Bytes> const payloads{{1}, Bytes(1000, 2), {3, 4, 5}, Bytes(70, 6)};
    Bytes stream;
    for (auto const& payload : payloads)
    {
        append(stream, payload);
    }
    for (std::size_t step : {1, 2, 3, 4, 5, 7, 64, 1003, 5000})
    {
        FrameSplitter splitter{1000};
        EXPECT_TRUE(split(splitter, stream, step) == payloads) << "step " << step;
        EXPECT_FALSE(splitter.broken());
    }
}

TEST(FrameSplitter, refuses_a_length_above_the_limit_for_good)
{
    for (std::size_t step : {1, 3, 100})
    {
        FrameSplitter splitter{16};
        Bytes stream;
        append(stream, Bytes(16, 1));
        append(stream, Bytes(17, 1));
        append(stream, {1});
        EXPECT_EQ(split(splitter, stream, step).size(), 1u);
        ASSERT_TRUE(splitter.broken());
        EXPECT_TRUE(splitter.error().message.find("17") != std::string::npos);
    }
}

TEST(FrameSplitter, refuses_an_empty_frame)
{
    FrameSplitter splitter{16};
    EXPECT_TRUE(split(splitter, Bytes(8, 0), 8).empty());
    EXPECT_TRUE(splitter.broken());
}

TEST(FrameSplitter, applies_a_new_limit_to_the_next_frame)
{
    FrameSplitter splitter{2};
    Bytes stream;
    append(stream, {1, 2, 3});
    splitter.limit(3);
    EXPECT_EQ(split(splitter, stream, 100).size(), 1u);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
