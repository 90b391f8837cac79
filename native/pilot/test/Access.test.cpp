//! \file pilot/test/Access.test.cpp
#include "pilot/Access.hpp"

#include <cstdio>
#include <fstream>

#include <unistd.h>

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;

bool read_text(std::string const& text, Access& access, Ending& problem)
{
    auto const path = "/tmp/jumbo-access-" + std::to_string(getpid());
    std::ofstream{path} << text;
    bool const good = read_access(path, access, problem);
    std::remove(path.c_str());
    return good;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Access, the_key_of_the_store_is_shown_alone_and_an_allocations_behind_its_identity)
{
    Access access;
    Ending problem;
    std::string const head = R"({"schema":"access/1","pilots":["tcp://h:1"],"pilotKey":"ab")";
    ASSERT_TRUE(read_text(head + "}", access, problem));
    EXPECT_EQ(access.pilot_identity, "jumbo");
    EXPECT_EQ(access.credential(), "ab");
    EXPECT_EQ(access.proxy, "");
    auto const more = R"(,"pilotIdentity":"jumbo1/a/q/o/4/5/6","proxy":"p:3128"})";
    ASSERT_TRUE(read_text(head + more, access, problem));
    EXPECT_EQ(access.credential(), "jumbo1/a/q/o/4/5/6/ab");
    EXPECT_EQ(access.proxy, "p:3128");
}

//---------------------------------------------------------------------------//
TEST(Access, what_is_no_access_file_is_told_in_one_line)
{
    Access access;
    Ending problem;
    EXPECT_FALSE(read_access("/no/such/file", access, problem));
    EXPECT_EQ(problem.code, Exit::not_found);
    for (auto const* text : {"", "{", "[]", R"({"schema":"access/2","pilots":[],"pilotKey":""})",
                             R"({"schema":"access/1","pilots":[1],"pilotKey":""})"})
    {
        EXPECT_FALSE(read_text(text, access, problem));
        EXPECT_EQ(problem.code, Exit::usage);
        EXPECT_EQ(problem.reason.find('\n'), std::string::npos);
    }
}

//---------------------------------------------------------------------------//
TEST(Access, addresses_have_four_forms)
{
    Address address;
    ASSERT_TRUE(parse_address("unix:/a b", address));
    EXPECT_EQ(address.path, "/a b");
    ASSERT_TRUE(parse_address("tls://[::1]:7", address));
    EXPECT_TRUE(address.kind == Address::Kind::tls);
    EXPECT_EQ(address.host, "::1");
    ASSERT_TRUE(parse_address("spool:///shared/s", address));
    EXPECT_TRUE(address.kind == Address::Kind::folder);
    EXPECT_EQ(address.path, "/shared/s");
    for (auto const* text : {"unix:", "tcp://h", "tcp://:1", "tcp://h:0", "tcp://h:65536",
                             "tcp://a:b:1", "spool://relative", "spool:///", "http://h:1", ""})
    {
        EXPECT_FALSE(parse_address(text, address));
    }
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
