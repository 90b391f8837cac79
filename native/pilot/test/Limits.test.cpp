//! \file pilot/test/Limits.test.cpp
#include "pilot/Limits.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include "Test.hpp"

namespace jumbo
{
namespace test
{
using namespace pilot;

//---------------------------------------------------------------------------//
TEST(Limits, name_what_a_payload_may_take)
{
    std::vector<Limit> limits;
    EXPECT_TRUE(parse_limit("memory=4g", limits));
    EXPECT_TRUE(parse_limit("file=100m", limits));
    EXPECT_TRUE(parse_limit("files=1024", limits));
    ASSERT_TRUE(limits.size() == 3);
    EXPECT_EQ(limits[0].value, rlim_t{4} << 30);
    EXPECT_EQ(limits[1].value, rlim_t{100} << 20);
    EXPECT_EQ(limits[2].value, rlim_t{1024});
}

//---------------------------------------------------------------------------//
TEST(Limits, refuse_what_is_none)
{
    std::vector<Limit> limits;
    for (char const* each : {"", "memory", "memory=", "memory=g", "memory=-1", "files=1k", "stack=1"})
    {
        EXPECT_FALSE(parse_limit(each, limits));
    }
    EXPECT_TRUE(limits.empty());
}

//---------------------------------------------------------------------------//
TEST(Limits, hold_in_the_process_that_takes_them)
{
    std::vector<Limit> limits;
    ASSERT_TRUE(parse_limit("files=37", limits));
    pid_t const pid = fork();
    if (pid == 0)
    {
        apply_limits(limits.data(), limits.size());
        rlimit files{};
        rlimit core{};
        getrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_CORE, &core);
        _exit(files.rlim_cur == 37 && files.rlim_max == 37 && core.rlim_cur == 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_TRUE(waitpid(pid, &status, 0) == pid);
    EXPECT_EQ(status, 0);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
