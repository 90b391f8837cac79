//! \file wire/test/Utf8.test.cpp
#include "wire/Utf8.hpp"

#include "wire/test/Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
bool valid(std::string const& text)
{
    return wire::is_utf8(text.data(), text.size());
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Utf8, accepts_the_borders_of_every_length)
{
    for (char const* text : {"",
                             "\x01\x7f",
                             "\xc2\x80",
                             "\xdf\xbf",
                             "\xe0\xa0\x80",
                             "\xed\x9f\xbf",
                             "\xee\x80\x80",
                             "\xef\xbf\xbf",
                             "\xf0\x90\x80\x80",
                             "\xf4\x8f\xbf\xbf"})
    {
        EXPECT_TRUE(valid(text)) << text;
    }
    EXPECT_TRUE(valid(std::string(3, '\0')));
}

TEST(Utf8, refuses_overlong_forms_surrogates_and_pieces)
{
    for (char const* text : {"\x80",
                             "\xbf",
                             "\xc0\xaf",
                             "\xc1\xbf",
                             "\xc2",
                             "\xc2\x41",
                             "\xe0\x9f\xbf",
                             "\xe2\x82",
                             "\xe2\x82\x41",
                             "\xed\xa0\x80",
                             "\xf0\x8f\xbf\xbf",
                             "\xf4\x90\x80\x80",
                             "\xf5\x80\x80\x80",
                             "\xff"})
    {
        EXPECT_FALSE(valid(text)) << text;
    }
}

TEST(Utf8, clips_without_breaking_a_character)
{
    EXPECT_EQ(wire::clip_utf8("abc", 3), "abc");
    EXPECT_EQ(wire::clip_utf8("abcd", 3), "abc");
    EXPECT_EQ(wire::clip_utf8("a\xe2\x82\xac", 3), "a");
    EXPECT_EQ(wire::clip_utf8("a\xe2\x82\xac", 4), "a\xe2\x82\xac");
    EXPECT_EQ(wire::clip_utf8("a\xff\xfe", 100), "a\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(wire::clip_utf8("a\xff", 3), "a");
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
