//! \file wire/test/Vectors.test.cpp
#include "wire/test/Vectors.hpp"

#include "wire/Codec.hpp"
#include "wire/test/Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace wire;

BytesView payload_of(Blob const& frame)
{
    return {frame.data() + frame_prefix_bytes, frame.size() - frame_prefix_bytes};
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Vectors, encode_byte_for_byte)
{
    for (auto const& vector : message_vectors())
    {
        Blob frame;
        auto const done = append_frame(frame, vector.message);
        EXPECT_TRUE(done) << vector.name;
        EXPECT_TRUE(frame == vector.frame) << vector.name;
    }
}

// The byte form is canonical: a message that encodes to the same bytes is the same message.
TEST(Vectors, decode_to_the_same_message)
{
    for (auto const& vector : message_vectors())
    {
        auto const message = decode(payload_of(vector.frame), vector.from);
        EXPECT_TRUE(message) << vector.name << ": " << (message ? "" : message.error().message);
        if (message)
        {
            Blob frame;
            EXPECT_EQ(message.value().index(), vector.message.index()) << vector.name;
            EXPECT_TRUE(append_frame(frame, message.value())) << vector.name;
            EXPECT_TRUE(frame == vector.frame) << vector.name;
        }
    }
}

TEST(Vectors, refuse_what_is_malformed)
{
    for (auto const& vector : malformed_vectors())
    {
        // A copy of exactly this size, so that a read beyond it is seen by the sanitizer.
        Blob const exact(vector.payload);
        auto const message = decode({exact.data(), exact.size()}, vector.from);
        EXPECT_FALSE(message) << vector.name;
        if (!message)
        {
            EXPECT_EQ(std::string{to_cstring(message.error().code)}, vector.code) << vector.name;
        }
    }
}

TEST(Vectors, refuse_every_beginning_of_a_frame)
{
    for (auto const& vector : message_vectors())
    {
        auto const whole = payload_of(vector.frame);
        auto const step = whole.size / 100 + 1;
        for (std::size_t size = 0; size < whole.size; size += step)
        {
            Blob const cut(whole.data, whole.data + size);
            EXPECT_FALSE(decode({cut.data(), cut.size()}, vector.from)) << vector.name << size;
        }
    }
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
