//! \file pilot/test/FolderChannel.test.cpp
//! The relay's side is played by the test, file by file, as docs/reference/spool.md says.
#include "pilot/FolderChannel.hpp"

#include <fstream>
#include <iterator>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "Test.hpp"
#include "pilot/Files.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;
using Step = Channel::Step;

bool exists(std::string const& path)
{
    struct stat found;
    return stat(path.c_str(), &found) == 0;
}

std::string with_length(std::string const& text)
{
    std::string const prefix{'\0', '\0', '\0', static_cast<char>(text.size())};
    return prefix + text;
}

struct Relay
{
    std::string folder;
    double now{0};

    Relay()
    {
        char name[] = "/tmp/jumbo-folder-XXXXXX";
        folder = mkdtemp(name);
    }
    ~Relay() { remove_tree(folder); }

    //! The one connection; "" if there is none.
    std::string connection() const
    {
        std::string found;
        auto* entries = opendir(folder.c_str());
        while (auto const* entry = readdir(entries))
        {
            found = entry->d_name[0] == 'c' ? folder + "/" + entry->d_name : found;
        }
        closedir(entries);
        return found;
    }
    void put(std::string const& name, std::string const& text) const
    {
        auto const path = this->connection() + "/" + name;
        std::ofstream{path + ".part"} << text;
        rename((path + ".part").c_str(), path.c_str());
    }
    std::string take(std::string const& name) const
    {
        auto const path = this->connection() + "/" + name;
        std::ifstream in{path, std::ios::binary};
        std::string const text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
        unlink(path.c_str());
        return text;
    }
    std::unique_ptr<Channel> opened()
    {
        std::string problem;
        auto channel = FolderChannel::make(folder, problem);
        EXPECT_TRUE(channel->open(this->later()) == Step::pending);
        this->put("open", with_length(""));
        EXPECT_TRUE(channel->open(this->later()) == Step::open);
        return channel;
    }
    double later() { return ++now; }
};

std::ptrdiff_t write(Channel& channel, std::string const& text, double now)
{
    return channel.write(reinterpret_cast<std::uint8_t const*>(text.data()), text.size(), now);
}

std::string read(Channel& channel, double now)
{
    std::uint8_t bytes[64];
    auto const got = channel.read(bytes, sizeof bytes, now);
    return got < 0 ? "over" : std::string{bytes, bytes + got};
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(FolderChannel, carries_bytes_both_ways_in_order_and_leaves_no_file)
{
    Relay relay;
    auto channel = relay.opened();
    EXPECT_EQ(write(*channel, "one", relay.later()), 3);
    EXPECT_EQ(write(*channel, "two", relay.later()), 3);
    EXPECT_EQ(relay.take("up-00000001"), with_length("one"));
    EXPECT_EQ(relay.take("up-00000002"), with_length("two"));
    EXPECT_EQ(read(*channel, relay.later()), "");
    relay.put("down-00000002", with_length("b"));
    EXPECT_EQ(read(*channel, relay.later()), "");
    relay.put("down-00000001", with_length("a"));
    EXPECT_EQ(read(*channel, relay.later()), "a");
    EXPECT_EQ(read(*channel, relay.later()), "b");
    EXPECT_FALSE(exists(relay.connection() + "/down-00000001"));
    EXPECT_FALSE(exists(relay.connection() + "/down-00000002"));
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, waits_for_all_of_a_file)
{
    Relay relay;
    auto channel = relay.opened();
    relay.put("down-00000001", with_length("whole").substr(0, 7));
    EXPECT_EQ(read(*channel, relay.later()), "");
    relay.put("down-00000001", with_length("whole"));
    EXPECT_EQ(read(*channel, relay.later()), "whole");
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, hears_the_last_words_before_the_end)
{
    Relay relay;
    auto channel = relay.opened();
    relay.put("down-00000001", with_length("bye"));
    relay.put("down-end", with_length("the engine is gone"));
    EXPECT_EQ(read(*channel, relay.later()), "bye");
    EXPECT_EQ(read(*channel, relay.later()), "over");
    EXPECT_EQ(channel->problem(), "the engine is gone");
    channel.reset();
    EXPECT_EQ(relay.connection(), "");
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, is_over_when_a_new_relay_has_removed_it)
{
    Relay relay;
    auto channel = relay.opened();
    remove_tree(relay.connection());
    EXPECT_EQ(read(*channel, relay.later()), "over");
    EXPECT_EQ(write(*channel, "x", relay.later()), -1);
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, writes_no_more_than_64_files_ahead_of_the_relay)
{
    Relay relay;
    auto channel = relay.opened();
    for (int i = 0; i < 64; ++i)
    {
        EXPECT_EQ(write(*channel, "x", relay.later()), 1);
    }
    EXPECT_EQ(write(*channel, "x", relay.later()), 0);
    relay.take("up-00000001");
    EXPECT_EQ(write(*channel, "x", relay.later()), 1);
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, leaves_what_it_wrote_to_the_relay_and_nothing_where_none_came)
{
    Relay relay;
    auto channel = relay.opened();
    EXPECT_EQ(write(*channel, "last", relay.later()), 4);
    channel.reset();
    EXPECT_TRUE(exists(relay.connection() + "/up-end"));
    EXPECT_EQ(relay.take("up-00000001"), with_length("last"));
    remove_tree(relay.connection());
    std::string problem;
    auto alone = FolderChannel::make(relay.folder, problem);
    EXPECT_TRUE(alone->open(relay.later()) == Step::pending);
    alone.reset();
    EXPECT_EQ(relay.connection(), "");
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, looks_again_soon_after_traffic_and_at_most_0_2_s_later_in_silence)
{
    Relay relay;
    auto channel = relay.opened();
    double const begin = relay.later();
    write(*channel, "x", begin);
    EXPECT_TRUE(channel->next_deadline() <= begin + 0.0051);
    double now = begin;
    for (int i = 0; i < 50; ++i)
    {
        EXPECT_TRUE(channel->next_deadline() <= now + 0.2001);
        now = channel->next_deadline();
        EXPECT_EQ(read(*channel, now), "");
    }
}

//---------------------------------------------------------------------------//
TEST(FolderChannel, takes_no_folder_that_is_open_to_others)
{
    Relay relay;
    std::string problem;
    chmod(relay.folder.c_str(), 0750);
    EXPECT_TRUE(FolderChannel::make(relay.folder, problem) == nullptr);
    EXPECT_TRUE(problem.find("open to others") != std::string::npos);
    EXPECT_TRUE(FolderChannel::make("/no/such/folder", problem) == nullptr);
    EXPECT_TRUE(problem.find("no spool folder") != std::string::npos);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
