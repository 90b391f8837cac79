//! \file pilot/test/WallTime.test.cpp
#include "pilot/WallTime.hpp"

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "Test.hpp"
#include "pilot/Clock.hpp"
#include "pilot/Files.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;

//! A job whose end a squeue in a folder of its own tells.
struct Site
{
    std::string path;
    std::string const outside{std::getenv("PATH") ? std::getenv("PATH") : ""};
    Site()
    {
        char name[] = "/tmp/jumbo-wall-XXXXXX";
        path = mkdtemp(name);
        auto const squeue = path + "/squeue";
        std::ofstream{squeue} << "#!/bin/sh\nexec cat " << path << "/end.txt\n";
        chmod(squeue.c_str(), 0700);
        setenv("PATH", (path + ":" + outside).c_str(), 1);
        setenv("SLURM_JOB_ID", "7", 1);
    }
    ~Site()
    {
        setenv("PATH", outside.c_str(), 1);
        unsetenv("SLURM_JOB_ID");
        remove_tree(path);
    }
    void ends_in(double seconds) const
    {
        auto const at = static_cast<std::time_t>(wall_seconds() + seconds);
        char text[32];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", std::localtime(&at));
        std::ofstream{path + "/end.txt"} << text << "\n";
    }
};

//! Polls, with the clock `ahead` by so much, until the end has changed; seconds from now to it.
double next_end(WallTime& wall, double ahead)
{
    auto const patience = monotonic_seconds() + 30;
    while (!wall.poll(monotonic_seconds() + ahead) && monotonic_seconds() < patience)
    {
        usleep(2000);
    }
    return wall.end() - monotonic_seconds() - ahead;
}
//---------------------------------------------------------------------------//
TEST(WallTime, a_limit_that_is_changed_counts)
{
    Site const site;
    site.ends_in(600);
    WallTime wall{-1, site.path};
    EXPECT_TRUE(std::fabs(next_end(wall, 0) - 600) < 10);
    site.ends_in(3000);
    EXPECT_TRUE(std::fabs(next_end(wall, 31) - 3000) < 10);
    site.ends_in(100);
    EXPECT_TRUE(std::fabs(next_end(wall, 62) - 100) < 10);
}

TEST(WallTime, what_was_told_is_not_asked)
{
    Site const site;
    site.ends_in(600);
    WallTime wall{50, site.path};
    EXPECT_FALSE(wall.poll(monotonic_seconds()));
    EXPECT_TRUE(std::fabs(wall.end() - monotonic_seconds() - 50) < 5);
}
//---------------------------------------------------------------------------//
}  // namespace
}  // namespace test
}  // namespace jumbo
