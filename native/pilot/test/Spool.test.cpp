//! \file pilot/test/Spool.test.cpp
#include "pilot/Spool.hpp"

#include <fstream>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "Test.hpp"
#include "pilot/Files.hpp"
#include "pilot/HeldSpan.hpp"
#include "wire/Spans.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;

//! A folder that goes with the test.
struct Folder
{
    std::string path;
    Folder()
    {
        char name[] = "/tmp/jumbo-spool-XXXXXX";
        path = mkdtemp(name);
    }
    ~Folder() { remove_tree(path); }
};

SpoolContent content_of(std::uint16_t ranges)
{
    SpoolContent content;
    content.hello.pilot_id = "pilot";
    content.hello.generation = 3;
    content.hello.nodes = {{"n1", 4, 0, 1024, 4}};
    wire::Report report;
    report.bundle = 7;
    report.spans = {wire::TaskId{1}, wire::Epoch{1}, {{5, 1, ranges, 1, 1}}};
    content.reports = {report};
    content.hello.held = {report.spans};
    content.bundles = {{7, 0, "file:///b/7.zip"}};
    return content;
}

//! Its mtime lies so far back.
void age(std::string const& path, long seconds)
{
    timespec const then{time(nullptr) - seconds, 0};
    timespec const times[2] = {then, then};
    utimensat(AT_FDCWD, path.c_str(), times, 0);
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Spool, what_is_written_is_read_again_and_the_last_write_holds)
{
    Folder folder;
    Spool spool{folder.path + "/p"};
    EXPECT_TRUE(spool.write(content_of(9)));
    EXPECT_TRUE(spool.write(content_of(4)));
    auto const content = read_spool(folder.path + "/p.spool");
    ASSERT_TRUE(content.has_value());
    EXPECT_EQ(content->hello.pilot_id, "pilot");
    EXPECT_EQ(content->hello.generation, 3u);
    ASSERT_TRUE(content->reports.size() == 1u);
    EXPECT_EQ(content->reports[0].spans.spans[0].count, 4u);
    ASSERT_TRUE(content->bundles.size() == 1u);
    EXPECT_EQ(content->bundles[0].uri, "file:///b/7.zip");
    spool.remove();
    EXPECT_TRUE(find_spools(folder.path, -1).empty());
}

//---------------------------------------------------------------------------//
TEST(Spool, more_ranges_than_an_exchange_may_have_are_read_again)
{
    // As a node reports them: all of one task and outcome.
    std::vector<ReportItem> items(20);
    std::uint64_t ranges = 0;
    for (auto& item : items)
    {
        item.span = {wire::TaskId{1}, wire::Epoch{1}, 1, ranges, wire::ranges_per_span_max, 1, 1};
        item.outcome = wire::Outcome::done;
        ranges += item.span.count;
    }
    EXPECT_TRUE(ranges > wire::ranges_per_exchange_max);
    auto content = content_of(1);
    content.reports = reports_of(items, 0);
    EXPECT_TRUE(content.reports.size() > 1u);
    Folder folder;
    Spool spool{folder.path + "/p"};
    ASSERT_TRUE(spool.write(content));
    auto const read = read_spool(folder.path + "/p.spool");
    ASSERT_TRUE(read.has_value());
    std::uint64_t found = 0;
    for (auto const& report : read->reports)
    {
        EXPECT_TRUE(wire::count_ranges(report.spans) <= wire::ranges_per_exchange_max);
        found += wire::count_ranges(report.spans);
    }
    EXPECT_EQ(found, ranges);
    spool.remove();
}

//---------------------------------------------------------------------------//
TEST(Spool, that_of_a_living_pilot_is_left_to_it)
{
    Folder folder;
    auto spool = std::make_unique<Spool>(folder.path + "/p");
    EXPECT_TRUE(spool->write(content_of(1)));
    EXPECT_TRUE(find_spools(folder.path, 30).empty());
    // It has not been renewed for long: its pilot was killed.
    age(folder.path + "/p.spool", 60);
    EXPECT_EQ(find_spools(folder.path, 30).size(), 1u);
}

//---------------------------------------------------------------------------//
TEST(Spool, that_of_a_pilot_that_has_ended_is_found_at_once)
{
    Folder folder;
    {
        Spool spool{""};
        spool = Spool{folder.path + "/p"};
        EXPECT_TRUE(spool.write(content_of(2)));
    }
    auto const found = find_spools(folder.path, 30);
    ASSERT_TRUE(found.size() == 1u);
    EXPECT_EQ(found[0], folder.path + "/p.left.spool");
    EXPECT_TRUE(read_spool(found[0]).has_value());
}

//---------------------------------------------------------------------------//
TEST(Spool, damage_is_seen)
{
    Folder folder;
    Spool spool{folder.path + "/p"};
    EXPECT_TRUE(spool.write(content_of(2)));
    auto const path = folder.path + "/p.spool";
    struct stat whole;
    ASSERT_TRUE(stat(path.c_str(), &whole) == 0);
    for (off_t size = 0; size < whole.st_size; ++size)
    {
        EXPECT_TRUE(spool.write(content_of(2)));
        ASSERT_TRUE(truncate(path.c_str(), size) == 0);
        EXPECT_FALSE(read_spool(path).has_value());
    }
    std::ofstream{path} << "no frame at all";
    EXPECT_FALSE(read_spool(path).has_value());
    EXPECT_FALSE(read_spool(folder.path + "/none.spool").has_value());
    spool.remove();
}

//---------------------------------------------------------------------------//
TEST(Spool, a_folder_that_takes_nothing_is_told)
{
    Spool spool{"/no/such/folder/p"};
    EXPECT_FALSE(spool.write(content_of(1)));
    EXPECT_FALSE(spool.exists());
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
