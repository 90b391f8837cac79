//! \file pilot/test/Doorbell.test.cpp
#include "pilot/Doorbell.hpp"

#include <cstdlib>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;

//! Wait until a bell has something to hear, on the real clock; false after 5 s.
bool rings(Doorbell const& bell, double now)
{
    std::vector<pollfd> waits;
    bell.add_descriptors(waits, now);
    return !waits.empty() && ::poll(waits.data(), waits.size(), 5000) > 0;
}

//! Two ranks that have told each other their cards.
struct Two
{
    Doorbell first{0, 2};
    Doorbell second{1, 2};
    Two()
    {
        first.learn(1, second.tell(0));
        second.learn(0, first.tell(1));
    }
};

void send_to(Doorbell::Card const& card, void const* bytes, std::size_t size, int times)
{
    int const socket = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = static_cast<in_port_t>(card.port);
    to.sin_addr.s_addr = card.addresses[0];
    for (int i = 0; i < times; ++i)
    {
        sendto(socket, bytes, size, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
    close(socket);
}

//---------------------------------------------------------------------------//
TEST(Doorbell, wakes_who_sleeps_and_is_told_that_it_was_heard)
{
    Two two;
    two.first.ring(1, 100);
    EXPECT_TRUE(rings(two.second, 100));
    EXPECT_TRUE(two.second.hear(100));
    EXPECT_FALSE(two.second.hear(100));
    EXPECT_TRUE(two.second.must_tell(0));
    auto const card = two.second.tell(0);
    EXPECT_TRUE(card.heard >= 0);
    EXPECT_FALSE(two.second.must_tell(0));
}

//---------------------------------------------------------------------------//
TEST(Doorbell, is_trusted_only_while_each_mail_has_a_ring)
{
    Two two;
    EXPECT_FALSE(two.second.trusted(100));
    two.first.ring(1, 100);
    EXPECT_TRUE(rings(two.second, 100));
    two.second.hear(100);
    EXPECT_FALSE(two.second.trusted(100));
    two.second.mail(0, 100.01);
    EXPECT_TRUE(two.second.trusted(101));
    two.second.mail(0, 101);
    EXPECT_FALSE(two.second.trusted(101));
    two.first.ring(1, 102);
    EXPECT_TRUE(rings(two.second, 102));
    two.second.hear(102);
    two.second.mail(0, 102);
    EXPECT_TRUE(two.second.trusted(103));
    // Who said nothing for so long wakes nobody any more.
    EXPECT_FALSE(two.second.trusted(140));
}

//---------------------------------------------------------------------------//
TEST(Doorbell, rings_once_for_mail_that_follows_at_once)
{
    Two two;
    two.first.ring(1, 100);
    two.first.ring(1, 100.001);
    EXPECT_TRUE(rings(two.second, 100));
    two.second.hear(100);
    EXPECT_FALSE(two.second.hear(100));
    two.first.ring(1, 100.01);
    EXPECT_TRUE(rings(two.second, 100));
}

//---------------------------------------------------------------------------//
TEST(Doorbell, does_not_hear_strangers)
{
    Two two;
    auto const card = two.second.tell(0);
    struct
    {
        std::uint64_t token;
        std::uint32_t from;
        std::uint32_t address;
    } ring{card.token + 1, 0, 0};
    send_to(card, &ring, sizeof ring, 1);
    send_to(card, "knock", 5, 1);
    EXPECT_TRUE(rings(two.second, 100));
    two.second.hear(100);
    two.second.mail(0, 100);
    EXPECT_FALSE(two.second.must_tell(0));
    EXPECT_FALSE(two.second.trusted(100));
    // Whom it knows, but no such rank and no such address.
    ring.token = card.token;
    ring.from = 7;
    send_to(card, &ring, sizeof ring, 1);
    ring.from = 0;
    ring.address = 9;
    send_to(card, &ring, sizeof ring, 1);
    EXPECT_TRUE(rings(two.second, 100));
    two.second.hear(100);
    EXPECT_FALSE(two.second.must_tell(0));
    EXPECT_FALSE(two.second.trusted(100));
}

//---------------------------------------------------------------------------//
TEST(Doorbell, is_muted_by_a_flood_and_comes_back)
{
    Two two;
    auto const card = two.second.tell(0);
    for (int i = 0; i < 10 && !two.second.muted(100); ++i)
    {
        send_to(card, "knock", 5, 10);
        EXPECT_TRUE(rings(two.second, 100));
        two.second.hear(100);
    }
    EXPECT_TRUE(two.second.muted(100));
    EXPECT_FALSE(two.second.trusted(100));
    std::vector<pollfd> waits;
    two.second.add_descriptors(waits, 100.5);
    EXPECT_TRUE(waits.empty());
    EXPECT_FALSE(two.second.hear(100.5));
    // A second later it rings again; what was left in the socket is nothing.
    two.second.hear(102);
    two.first.ring(1, 102);
    EXPECT_TRUE(rings(two.second, 102));
    two.second.hear(102);
    two.second.mail(0, 102);
    EXPECT_TRUE(two.second.trusted(102));
}

//---------------------------------------------------------------------------//
TEST(Doorbell, mail_pays_for_its_rings)
{
    Two two;
    for (int i = 0; i < 200; ++i)
    {
        double const now = 100 + 0.004 * i;
        two.first.ring(1, now);
        EXPECT_TRUE(rings(two.second, now));
        two.second.hear(now);
        two.second.mail(0, now);
        EXPECT_FALSE(two.second.muted(now));
        if (two.second.must_tell(0))
        {
            two.first.learn(1, two.second.tell(0));
        }
    }
}

//---------------------------------------------------------------------------//
TEST(Doorbell, may_be_left_out)
{
    setenv("JUMBO_DOORBELL", "off", 1);
    Doorbell silent{0, 2};
    unsetenv("JUMBO_DOORBELL");
    Doorbell other{1, 2};
    EXPECT_EQ(0u, silent.tell(1).port);
    other.learn(0, silent.tell(1));
    other.ring(0, 100);
    silent.learn(1, other.tell(0));
    silent.ring(1, 100);
    silent.mail(1, 100);
    EXPECT_FALSE(silent.hear(100));
    EXPECT_FALSE(silent.trusted(100));
    std::vector<pollfd> waits;
    silent.add_descriptors(waits, 100);
    EXPECT_TRUE(waits.empty());
}
//---------------------------------------------------------------------------//
}  // namespace
}  // namespace test
}  // namespace jumbo
