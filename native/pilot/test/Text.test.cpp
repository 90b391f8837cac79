//! \file pilot/test/Text.test.cpp
#include "pilot/Text.hpp"

#include "Test.hpp"
#include "pilot/Access.hpp"
#include "pilot/Crc32.hpp"
#include "pilot/Json.hpp"
#include "pilot/Options.hpp"
#include "pilot/WallTime.hpp"
#include "pilot/Zip.hpp"
#include "wire/Utf8.hpp"

namespace jumbo
{
namespace test
{
using namespace pilot;

//---------------------------------------------------------------------------//
TEST(Text, a_reason_is_well_formed_and_short)
{
    EXPECT_EQ(clip_reason("a\xff" "b"), "a?b");
    std::string wide;
    for (int i = 0; i < 600; ++i)
    {
        wide += "\xc3\xa4";
    }
    auto const cut = clip_reason(wide);
    EXPECT_EQ(cut.size(), std::size_t{499 * 2 + 3});
    EXPECT_TRUE(wire::is_utf8(cut.data(), cut.size()));
    EXPECT_EQ(clip_reason(wide.substr(0, 1000)).size(), 1000u);
}

//---------------------------------------------------------------------------//
TEST(Text, the_last_lines_that_say_something_are_the_reason)
{
    EXPECT_EQ(last_lines({"", "a\nb\n\n c \nd\n", "x"}), "b | c | d");
    EXPECT_EQ(last_lines({"\x1b[31mred\x1b[0m\tend\n"}), "red end");
    EXPECT_EQ(last_lines({"\n\n", ""}), "");
}

//---------------------------------------------------------------------------//
TEST(Text, durations_have_few_forms)
{
    EXPECT_EQ(parse_duration("90").value_or(-1), 90.0);
    EXPECT_EQ(parse_duration("1h30m").value_or(-1), 5400.0);
    EXPECT_EQ(parse_duration("01:00:05").value_or(-1), 3605.0);
    for (char const* text : {"", "1x", "m", "5m1h", "1:2:3:4", "-3", "1.5h"})
    {
        EXPECT_FALSE(parse_duration(text).has_value()) << text;
    }
}

//---------------------------------------------------------------------------//
TEST(Text, a_uri_has_only_plain_characters)
{
    EXPECT_EQ(file_uri("/a b/c%d#e.zip"), "file:///a%20b/c%25d%23e.zip");
}

//---------------------------------------------------------------------------//
TEST(Json, reads_what_it_writes_and_refuses_the_rest)
{
    std::string const text = "q\"\\\n\x01\xc3\xa4";
    auto const back = parse_json(json_quote(text));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->text, text);
    EXPECT_EQ(json_number(0.1), "0.1");
    EXPECT_EQ(parse_json("\"\\ud83d\\ude00\"")->text, "\xf0\x9f\x98\x80");
    for (char const* wrong : {"", "{", "[1,]", "{\"a\" 1}", "01x", "nul", "\"\n\"", "1 2", "--1"})
    {
        EXPECT_FALSE(parse_json(wrong).has_value()) << wrong;
    }
    EXPECT_FALSE(parse_json(std::string(100, '[') + std::string(100, ']')).has_value());
}

//---------------------------------------------------------------------------//
TEST(Access, addresses_have_three_forms)
{
    Address address;
    EXPECT_TRUE(parse_address("tcp://login:4711", address));
    EXPECT_EQ(address.host, "login");
    EXPECT_EQ(address.port, "4711");
    EXPECT_TRUE(parse_address("tls://[::1]:1", address));
    EXPECT_EQ(address.host, "::1");
    EXPECT_TRUE(parse_address("unix:/run/p", address));
    for (char const* wrong :
         {"tcp://a", "tcp://:1", "tcp://a:0", "tcp://a:70000", "http://a:1", "x"})
    {
        EXPECT_FALSE(parse_address(wrong, address)) << wrong;
    }
}

//---------------------------------------------------------------------------//
TEST(Options, a_wrong_flag_ends_with_usage_and_names_it)
{
    for (std::vector<char const*> const& flags :
         {std::vector<char const*>{"jumbo-pilot", "--no-such"},
          std::vector<char const*>{"jumbo-pilot", "--access"},
          std::vector<char const*>{"jumbo-pilot", "--access", "f", "--slots", "many"},
          std::vector<char const*>{"jumbo-pilot", "--access", "f", "--walltime=soon"}})
    {
        Options options;
        Ending problem;
        EXPECT_FALSE(
            parse_options(static_cast<int>(flags.size()), flags.data(), options, problem));
        EXPECT_TRUE(problem.code == Exit::usage);
        EXPECT_TRUE(problem.reason.find("--") != std::string::npos);
    }
}

//---------------------------------------------------------------------------//
TEST(Crc32, is_that_of_zip)
{
    EXPECT_EQ(crc32("123456789", 9), 0xcbf43926u);
    EXPECT_EQ(crc32("6789", 4, crc32("12345", 5)), 0xcbf43926u);
}

//---------------------------------------------------------------------------//
TEST(Zip, a_name_carries_the_fence)
{
    HeldSpan const span{wire::TaskId{3}, wire::Epoch{2}, 9, 7, 1, 1, 4};
    EXPECT_EQ(member_name(span, "jets.json"), "t3/r7.e2.l9/jets.json");
}

//---------------------------------------------------------------------------//
TEST(WallTime, slurm_speaks_local_time_or_nothing)
{
    EXPECT_TRUE(parse_slurm_time("2024-05-01T12:00:00\n") > 1.7e9);
    EXPECT_TRUE(parse_slurm_time("N/A\n") < 0);
    EXPECT_TRUE(parse_slurm_time("") < 0);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
