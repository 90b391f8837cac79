//! \file pilot/test/StreamLines.test.cpp
#include "pilot/StreamLines.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;
using Kind = PayloadLine::Kind;

Kind kind_of(char const* line)
{
    return parse_payload_line(line, false).kind;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(StreamLines, what_is_no_word_of_the_protocol_is_log_text)
{
    for (char const* line : {"Loading ...", "", "[1]", "{broken", "{\"other\":1}", "{\"a\":1} x"})
    {
        EXPECT_TRUE(kind_of(line) == Kind::log) << line;
    }
}

//---------------------------------------------------------------------------//
TEST(StreamLines, a_word_of_the_protocol_with_a_wrong_value_is_a_breach)
{
    for (char const* line : {"{\"hello\":{\"protocol\":2}}",
                             "{\"ready\":0}",
                             "{\"ready\":1.5}",
                             "{\"ready\":2000}",
                             "{\"done\":{\"events\":1}}",
                             "{\"done\":{\"id\":\"a\"}}",
                             "{\"done\":{\"id\":\"a\",\"events\":1,\"outputs\":[{}]}}",
                             "{\"done\":{\"id\":\"a\",\"events\":1,\"outputs\":{}}}",
                             "{\"failed\":{}}"})
    {
        EXPECT_TRUE(kind_of(line) == Kind::breach) << line;
    }
    EXPECT_TRUE(parse_payload_line("{\"done\":", true).kind == Kind::breach);
}

//---------------------------------------------------------------------------//
TEST(StreamLines, done_and_failed_carry_what_they_say)
{
    auto const done = parse_payload_line(
        " {\"done\":{\"id\":\"t1-r\\u0041\",\"outputs\":[{\"path\":\"o\",\"bytes\":7}],"
        "\"events\":3,\"cpu\":0.5}}",
        false);
    EXPECT_TRUE(done.kind == Kind::done);
    EXPECT_EQ(done.id, "t1-rA");
    EXPECT_EQ(done.path, "o");
    EXPECT_EQ(done.bytes, 7.0);
    EXPECT_EQ(done.events, 3.0);
    EXPECT_EQ(done.cpu_seconds, 0.5);
    auto const failed = parse_payload_line(
        "{\"failed\":{\"id\":\"x\",\"code\":7,\"message\":\"no disk\",\"fatal\":true}}", false);
    EXPECT_EQ(failed.text, "payload reported failure 7: no disk");
    EXPECT_TRUE(failed.fatal);
}

//---------------------------------------------------------------------------//
TEST(StreamLines, lines_are_whole_however_they_arrive)
{
    LineSplitter lines;
    EXPECT_EQ(lines.push("ab", 2).size(), 0u);
    auto const two = lines.push("c\n\nd\ne", 6);
    ASSERT_TRUE(two.size() == 2);
    EXPECT_EQ(two[0].text, "abc");
    EXPECT_EQ(two[1].text, "d");
    EXPECT_EQ(lines.finish()[0].text, "e");
    std::string const longer(1024 * 1024 + 1, 'x');
    lines.push(longer.data(), longer.size());
    auto const cut = lines.finish();
    EXPECT_TRUE(cut[0].cut);
    EXPECT_EQ(cut[0].text.size(), std::size_t{1024 * 1024});
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
