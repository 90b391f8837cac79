/*!
 * \file pilot/Doorbell.cpp
 */
#include "pilot/Doorbell.hpp"

#include <cstdlib>
#include <cstring>
#include <random>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/Assert.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! A rank that was rung so lately sleeps less than a millisecond (Pace).
constexpr double ring_gap_seconds = 2e-3;
//! So often a peer is rung without a word that it heard, then now and then only.
constexpr std::uint32_t tries_max = 32;
constexpr double try_gap_seconds = 10;
//! Mail of the last ring may be so late, by MPI's own slowness or the ring's gap.
constexpr double late_seconds = 0.1;
//! Every rank says something within a few seconds; who was silent for so long is gone.
constexpr double lately_seconds = 30;
constexpr int rings_a_look = 64;
constexpr double window_seconds = 1;
constexpr long surplus_min = 20;
constexpr int buffer_bytes = 16384;
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Doorbell::Doorbell(int rank, int size)
    : rank_{rank}, peers_(static_cast<std::size_t>(size))
{
    char const* wish = std::getenv("JUMBO_DOORBELL");
    if (size == 1 || (wish && std::strcmp(wish, "off") == 0))
    {
        return;
    }
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    socklen_t length = sizeof own;
    auto* const address = reinterpret_cast<sockaddr*>(&own);
    if (socket_ < 0 || bind(socket_, address, length) != 0
        || getsockname(socket_, address, &length) != 0)
    {
        return;
    }
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    card_.port = own.sin_port;
    std::random_device random;
    card_.token = (std::uint64_t{random()} << 32) | random();
    this->find_addresses();
}

Doorbell::~Doorbell()
{
    if (socket_ >= 0)
    {
        close(socket_);
    }
}

//---------------------------------------------------------------------------//
//! Those of real networks; a machine without any has its ranks all to itself.
void Doorbell::find_addresses()
{
    ifaddrs* all = nullptr;
    if (getifaddrs(&all) != 0)
    {
        return;
    }
    for (auto const* each = all; each && card_.count < Card::addresses_max; each = each->ifa_next)
    {
        bool const up = (each->ifa_flags & IFF_UP) && (each->ifa_flags & IFF_RUNNING);
        if (up && !(each->ifa_flags & IFF_LOOPBACK) && each->ifa_addr
            && each->ifa_addr->sa_family == AF_INET)
        {
            sockaddr_in found;
            std::memcpy(&found, each->ifa_addr, sizeof found);
            card_.addresses[card_.count++] = found.sin_addr.s_addr;
        }
    }
    freeifaddrs(all);
    if (card_.count == 0)
    {
        card_.addresses[card_.count++] = htonl(INADDR_LOOPBACK);
    }
}

//---------------------------------------------------------------------------//
Doorbell::Card Doorbell::tell(int peer)
{
    auto& known = peers_[index(peer)];
    known.must_tell = false;
    auto card = card_;
    card.heard = known.heard;
    return card;
}

//---------------------------------------------------------------------------//
void Doorbell::learn(int peer, Card const& card)
{
    JUMBO_EXPECT(card.count <= Card::addresses_max);
    auto& known = peers_[index(peer)];
    known.card = card;
    bool const fits = card.heard >= 0 && static_cast<std::uint32_t>(card.heard) < card.count;
    known.works = fits ? card.heard : -1;
}

//---------------------------------------------------------------------------//
void Doorbell::ring(int peer, double now)
{
    auto& known = peers_[index(peer)];
    bool const tries = known.works < 0 && known.tries >= tries_max;
    if (known.card.port == 0 || socket_ < 0
        || now - known.rang_at < (tries ? try_gap_seconds : ring_gap_seconds))
    {
        return;
    }
    known.rang_at = now;
    known.tries += known.works < 0 ? 1 : 0;
    for (std::uint32_t k = 0; k < known.card.count; ++k)
    {
        if (known.works >= 0 && static_cast<std::uint32_t>(known.works) != k)
        {
            continue;
        }
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = static_cast<in_port_t>(known.card.port);
        to.sin_addr.s_addr = known.card.addresses[k];
        Ring const word{known.card.token, static_cast<std::uint32_t>(rank_), k};
        // What the system does not take is a ring that is lost: nobody relies on it.
        (void)sendto(socket_,
                     &word,
                     sizeof word,
                     MSG_DONTWAIT | MSG_NOSIGNAL,
                     reinterpret_cast<sockaddr const*>(&to),
                     sizeof to);
    }
}

//---------------------------------------------------------------------------//
void Doorbell::mail(int peer, double now)
{
    peers_[index(peer)].mail_at = now;
    --surplus_;
}

//---------------------------------------------------------------------------//
void Doorbell::take(Ring const& ring, double now)
{
    if (ring.token != card_.token || ring.from >= peers_.size() || ring.address >= card_.count)
    {
        return;
    }
    auto& peer = peers_[ring.from];
    peer.ring_at = now;
    if (peer.heard < 0)
    {
        peer.heard = static_cast<std::int32_t>(ring.address);
        peer.must_tell = true;
    }
}

//---------------------------------------------------------------------------//
bool Doorbell::hear(double now)
{
    if (socket_ < 0 || this->muted(now))
    {
        return false;
    }
    if (now - window_at_ > window_seconds)
    {
        window_at_ = now;
        surplus_ = 0;
    }
    int rings = 0;
    for (; rings < rings_a_look; ++rings)
    {
        Ring ring;
        auto const got = recv(socket_, &ring, sizeof ring, MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0)
        {
            break;
        }
        if (got == static_cast<ssize_t>(sizeof ring))
        {
            this->take(ring, now);
        }
    }
    surplus_ += rings;
    if (surplus_ > surplus_min + 2 * static_cast<long>(peers_.size()))
    {
        muted_until_ = now + window_seconds;
    }
    return rings > 0;
}

//---------------------------------------------------------------------------//
bool Doorbell::trusted(double now) const
{
    if (socket_ < 0 || this->muted(now))
    {
        return false;
    }
    bool any = false;
    for (auto const& peer : peers_)
    {
        if (now - peer.mail_at < lately_seconds)
        {
            any = true;
            if (peer.mail_at > peer.ring_at + late_seconds)
            {
                return false;
            }
        }
    }
    return any;
}

//---------------------------------------------------------------------------//
void Doorbell::add_descriptors(std::vector<pollfd>& out, double now) const
{
    if (socket_ >= 0 && !this->muted(now))
    {
        out.push_back({socket_, POLLIN, 0});
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
