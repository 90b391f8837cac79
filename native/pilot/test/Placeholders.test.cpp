//! \file pilot/test/Placeholders.test.cpp
#include "pilot/Placeholders.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;
using Words = std::vector<std::string>;
}  // namespace

//---------------------------------------------------------------------------//
TEST(Placeholders, values_go_in_byte_for_byte_and_other_braces_stay)
{
    Words argv;
    std::string missing;
    PlaceholderValues const values{{"file", "/a b/$c'\"{skip}"}, {"skip", "3"}};
    Words const command{
        "x={file}", "{skip}{skip}", "{{skip}}", "{Skip} {} { skip}", "{", "{{skip}"};
    EXPECT_TRUE(fill_command(command, values, argv, missing));
    EXPECT_TRUE((argv
                 == Words{"x=/a b/$c'\"{skip}", "33", "{skip}", "{Skip} {} { skip}", "{", "{3"}));
}

//---------------------------------------------------------------------------//
TEST(Placeholders, one_without_a_value_is_named)
{
    Words argv;
    std::string missing;
    EXPECT_FALSE(fill_command({"{skip}", "{offset}", "{tree}"}, {{"skip", "1"}}, argv, missing));
    EXPECT_EQ(missing, "offset");
}

//---------------------------------------------------------------------------//
TEST(Placeholders, all_forms_of_a_range_come_from_one_start_and_count)
{
    wire::TaskInfo task;
    task.events_per_range = 10;
    task.output_name = "out";
    wire::FileInfo file;
    file.first_range = 5;
    file.ranges = 3;
    file.events = 25;
    HeldSpan const span{wire::TaskId{1}, wire::Epoch{2}, 9, 7, 1, 1, 4};
    auto const work = make_work(span, task, file, nullptr, "/w");
    auto const values = range_values(work, "");
    EXPECT_EQ(values.at("skip"), "20");
    EXPECT_EQ(values.at("count"), "5");
    EXPECT_EQ(values.at("first"), "21");
    EXPECT_EQ(values.at("last"), "25");
    EXPECT_EQ(values.at("stop"), "25");
    EXPECT_EQ(values.at("workdir"), "/w/e2-l9-r7-a4");
    EXPECT_EQ(values.count("offset"), 0u);
    EXPECT_EQ(values.count("file"), 0u);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
