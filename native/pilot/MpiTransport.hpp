/*!
 * \file pilot/MpiTransport.hpp
 * \brief Mail between ranks by MPI, without one blocking call.
 *
 * Sends are Isends out of buffers that live until MPI has taken them; receives are matched probes
 * (Improbe, Imrecv) that are tested until they are there. A peer that takes nothing only has its
 * own queue grow, up to a limit behind which it gets nothing more: it is as good as dead, and must
 * say hello again. Errors are returned and count as nothing moved. What is sent also rings at the
 * other's Doorbell, whose card goes before the first mail.
 */
#pragma once

#include <deque>
#include <map>
#include <memory>

#include <mpi.h>

#include "pilot/Doorbell.hpp"
#include "pilot/Transport.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class MpiTransport final : public Transport
{
  public:
    //! MPI_Init_thread (FUNNELED).
    MpiTransport(int& argc, char**& argv);

    int rank() const override { return rank_; }
    int size() const override { return size_; }
    void send(int to, Lane lane, wire::Message message) override;
    void send(int to, HubState const& state) override;
    bool poll(std::vector<Mail>& out) override;
    bool flush() override;
    void add_descriptors(std::vector<pollfd>& out, double now) const override;
    double longest_wait(double now) const override;

    //! MPI_Finalize, at most for a few seconds: then the process ends with \c exit_code anyway.
    void finalize(int exit_code);

  private:
    using Buffer = std::vector<std::uint8_t>;
    struct Sending
    {
        Lane lane;
        Buffer bytes;
        MPI_Request request{MPI_REQUEST_NULL};
    };
    struct Receiving
    {
        Lane lane;
        Buffer bytes;
        MPI_Request request{MPI_REQUEST_NULL};
    };
    struct Peer
    {
        std::deque<Sending> sending;  //!< The first \c started of them are with MPI.
        std::size_t started{0};
        std::size_t bytes{0};
        bool choked{false};
        std::deque<Receiving> receiving;
    };

    int rank_{0};
    int size_{1};
    std::map<int, Peer> peers_;
    std::unique_ptr<Doorbell> bell_;

    void post(int to, Lane lane, Buffer bytes);
    bool push(int to, Peer& peer);
    bool match();
    bool pull(int from, Peer& peer, std::vector<Mail>& out);
    void show_card(int to);
    void decode(int from, Receiving& received, std::vector<Mail>& out);
};

//! Name and version of the MPI library.
char const* jumbo_mpi_name();
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
