/*!
 * \file pilot/Doorbell.hpp
 * \brief Wakes a rank that sleeps between looks at MPI, since MPI has no descriptor to wait for.
 *
 * Each rank has a UDP socket at a port of the system's choice and tells its card (addresses, port, a
 * token) to others by MPI. Who sends mail by MPI also rings: one datagram, at most one in 2 ms, since a
 * rank that was rung just now is awake. A ring is a hint and nothing else: it carries nothing, none
 * is awaited or repeated, and all goes on without it as it would without a doorbell.
 *
 * Who sleeps judges whether it may rely on its bell: only if every rank whose mail came lately has
 * rung for its last mail too. So a network that drops datagrams, a site that filters them and a rank
 * that can't ring all end in the shorter sleeps of a rank without a bell, by themselves.
 *
 * Rings without mail (a flood, a scan of ports) mute the bell for a second: its socket is not waited
 * for and not read, and the system drops what comes.
 */
#pragma once

#include <cstdint>
#include <vector>

#include <poll.h>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Doorbell
{
  public:
    //! How to ring at a rank; told as it is, like HubState.
    struct Card
    {
        static constexpr std::uint32_t addresses_max = 4;
        std::uint64_t token{0};  //!< Who can't know it is not heard.
        std::uint32_t port{0};  //!< Network order, as the addresses; 0: no bell.
        std::uint32_t count{0};
        std::uint32_t addresses[addresses_max]{};
        std::int32_t heard{-1};  //!< At which of these the addressee was heard; -1: none.
    };

    //! Without a socket, or with JUMBO_DOORBELL=off, it is a bell that nobody rings.
    Doorbell(int rank, int size);
    ~Doorbell();
    Doorbell(Doorbell const&) = delete;
    Doorbell& operator=(Doorbell const&) = delete;

    //! Whether \c peer should be told the card (again).
    bool must_tell(int peer) const { return peers_[index(peer)].must_tell; }
    Card tell(int peer);
    void learn(int peer, Card const& card);

    //! Mail goes to \c peer now.
    void ring(int peer, double now);

    //! Mail of \c peer is here: it should have rung.
    void mail(int peer, double now);

    //! Take rings; true if there were any.
    bool hear(double now);

    //! Whether mail that comes will ring.
    bool trusted(double now) const;
    bool muted(double now) const { return now < muted_until_; }
    void add_descriptors(std::vector<pollfd>& out, double now) const;

  private:
    struct Peer
    {
        Card card;
        bool must_tell{true};
        std::int32_t heard{-1};  //!< Address of ours that it has rung at.
        std::int32_t works{-1};  //!< Address of its that it has heard us at.
        std::uint32_t tries{0};
        double rang_at{-1e9};
        double ring_at{-1e9};
        double mail_at{-1e9};
    };
    struct Ring
    {
        std::uint64_t token;
        std::uint32_t from;
        std::uint32_t address;
    };

    int rank_;
    int socket_{-1};
    Card card_;
    std::vector<Peer> peers_;
    long surplus_{0};  //!< Rings beyond mail, since window_at_.
    double window_at_{0};
    double muted_until_{-1e9};

    static std::size_t index(int peer) { return static_cast<std::size_t>(peer); }
    void find_addresses();
    void take(Ring const& ring, double now);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
