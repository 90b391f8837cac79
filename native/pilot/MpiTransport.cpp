/*!
 * \file pilot/MpiTransport.cpp
 */
#include "pilot/MpiTransport.hpp"

#include <csignal>
#include <cstring>

#include <unistd.h>

#include "base/Assert.hpp"
#include "pilot/Clock.hpp"
#include "pilot/Log.hpp"
#include "wire/Codec.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
#ifdef OPEN_MPI
// Its TCP breaks the list of its own events when two sends to a peer that has just died follow each
// other: the first fails and leaves an event of a closed socket behind, the second dials anew and
// initialises that event where it is linked (opal/mca/btl/tcp, all of 4.1). The list becomes a ring,
// and the next call that looks at it never returns. A send to a dead peer never completes, so there
// is no second one if each waits for the one before.
constexpr std::size_t started_max = 1;
#else
constexpr std::size_t started_max = 16;
#endif
constexpr std::size_t queued_bytes_max = 64 * 1024 * 1024;
constexpr unsigned finalize_seconds = 3;
int final_exit_code = 0;

void on_alarm(int)
{
    _exit(final_exit_code);
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
char const* jumbo_mpi_name()
{
    static char name[MPI_MAX_LIBRARY_VERSION_STRING];
    int size = 0;
    MPI_Get_library_version(name, &size);
    for (char* at = name; *at; ++at)
    {
        if (*at == '\n' || *at == ',')
        {
            *at = '\0';
            break;
        }
    }
    return name;
}

//---------------------------------------------------------------------------//
MpiTransport::MpiTransport(int& argc, char**& argv)
{
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    bell_ = std::make_unique<Doorbell>(rank_, size_);
}

//---------------------------------------------------------------------------//
void MpiTransport::send(int to, Lane lane, wire::Message message)
{
    if (to == rank_)
    {
        Transport::send(to, lane, std::move(message));
        return;
    }
    Buffer bytes;
    auto const framed = wire::append_frame(bytes, message);
    if (!framed)
    {
        log_line("a message to rank " + std::to_string(to)
                 + " could not be sent: " + framed.error().message);
        return;
    }
    this->post(to, lane, std::move(bytes));
}

//---------------------------------------------------------------------------//
void MpiTransport::send(int to, HubState const& state)
{
    if (to == rank_)
    {
        Transport::send(to, state);
        return;
    }
    // The next one says it better: no queue of these.
    auto const& peer = peers_[to];
    if (state.kind != HubState::leave && !peer.sending.empty()
        && peer.sending.back().lane == Lane::state)
    {
        return;
    }
    Buffer bytes(sizeof state);
    std::memcpy(bytes.data(), &state, sizeof state);
    this->post(to, Lane::state, std::move(bytes));
}

//---------------------------------------------------------------------------//
//! Say how to ring at this rank, if that is news.
void MpiTransport::show_card(int to)
{
    if (!bell_->must_tell(to))
    {
        return;
    }
    auto const card = bell_->tell(to);
    Buffer bytes(sizeof card);
    std::memcpy(bytes.data(), &card, sizeof card);
    this->post(to, Lane::bell, std::move(bytes));
}

//---------------------------------------------------------------------------//
void MpiTransport::post(int to, Lane lane, Buffer bytes)
{
    this->show_card(to);
    auto& peer = peers_[to];
    if (peer.bytes + bytes.size() > queued_bytes_max)
    {
        if (!peer.choked)
        {
            log_line("rank " + std::to_string(to) + " takes nothing: nothing more is sent to it");
        }
        peer.choked = true;
        return;
    }
    peer.bytes += bytes.size();
    peer.sending.push_back({lane, std::move(bytes)});
    this->push(to, peer);
    bell_->ring(to, monotonic_seconds());
}

//---------------------------------------------------------------------------//
//! Hand queued mail to MPI and forget what it has taken.
bool MpiTransport::push(int to, Peer& peer)
{
    bool moved = false;
    while (peer.started > 0)
    {
        int done = 0;
        auto& first = peer.sending.front();
        if (MPI_Test(&first.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done)
        {
            break;
        }
        peer.bytes -= first.bytes.size();
        peer.sending.pop_front();
        --peer.started;
        moved = true;
    }
    while (peer.started < peer.sending.size() && peer.started < started_max)
    {
        auto& next = peer.sending[peer.started];
        if (MPI_Isend(next.bytes.data(),
                      static_cast<int>(next.bytes.size()),
                      MPI_BYTE,
                      to,
                      static_cast<int>(next.lane),
                      MPI_COMM_WORLD,
                      &next.request)
            != MPI_SUCCESS)
        {
            break;
        }
        ++peer.started;
        moved = true;
    }
    return moved;
}

//---------------------------------------------------------------------------//
//! Start receiving everything that is announced.
bool MpiTransport::match()
{
    bool moved = false;
    for (;;)
    {
        int there = 0;
        MPI_Message message;
        MPI_Status status;
        if (MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &there, &message, &status)
                != MPI_SUCCESS
            || !there)
        {
            return moved;
        }
        int size = 0;
        MPI_Get_count(&status, MPI_BYTE, &size);
        auto& receiving = peers_[status.MPI_SOURCE].receiving;
        Buffer room(static_cast<std::size_t>(size));
        receiving.push_back({static_cast<Lane>(status.MPI_TAG), std::move(room)});
        auto& last = receiving.back();
        MPI_Imrecv(last.bytes.data(), size, MPI_BYTE, &message, &last.request);
        moved = true;
    }
}

//---------------------------------------------------------------------------//
//! Hand over what has arrived, in the order in which it was sent.
bool MpiTransport::pull(int from, Peer& peer, std::vector<Mail>& out)
{
    bool moved = false;
    while (!peer.receiving.empty())
    {
        int done = 0;
        auto& first = peer.receiving.front();
        if (MPI_Test(&first.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done)
        {
            return moved;
        }
        decode(from, first, out);
        peer.receiving.pop_front();
        peer.choked = false;
        moved = true;
    }
    return moved;
}

//---------------------------------------------------------------------------//
void MpiTransport::decode(int from, Receiving& received, std::vector<Mail>& out)
{
    Mail mail;
    mail.from = from;
    mail.lane = received.lane;
    auto const& bytes = received.bytes;
    bell_->mail(from, monotonic_seconds());
    if (received.lane == Lane::bell)
    {
        Doorbell::Card card;
        JUMBO_ASSERT(bytes.size() == sizeof card);
        std::memcpy(&card, bytes.data(), sizeof card);
        bell_->learn(from, card);
        this->show_card(from);
        return;
    }
    if (received.lane == Lane::state)
    {
        JUMBO_ASSERT(bytes.size() == sizeof mail.state);
        std::memcpy(&mail.state, bytes.data(), sizeof mail.state);
        out.push_back(std::move(mail));
        return;
    }
    JUMBO_ASSERT(bytes.size() > wire::frame_prefix_bytes);
    auto decoded = wire::decode({bytes.data() + wire::frame_prefix_bytes,
                                 bytes.size() - wire::frame_prefix_bytes},
                                received.lane == Lane::to_hub ? wire::Side::pilot
                                                              : wire::Side::engine);
    if (!decoded)
    {
        log_line("mail from rank " + std::to_string(from)
                 + " is not understood: " + decoded.error().message);
        return;
    }
    mail.message = std::move(decoded.value());
    out.push_back(std::move(mail));
}

//---------------------------------------------------------------------------//
bool MpiTransport::poll(std::vector<Mail>& out)
{
    bool moved = Transport::poll(out);
    moved = bell_->hear(monotonic_seconds()) || moved;
    moved = this->match() || moved;
    for (auto& each : peers_)
    {
        moved = this->pull(each.first, each.second, out) || moved;
        moved = this->push(each.first, each.second) || moved;
    }
    return moved;
}

//---------------------------------------------------------------------------//
bool MpiTransport::flush()
{
    for (auto& each : peers_)
    {
        this->push(each.first, each.second);
        if (!each.second.sending.empty())
        {
            return false;
        }
    }
    return true;
}

//---------------------------------------------------------------------------//
void MpiTransport::add_descriptors(std::vector<pollfd>& out, double now) const
{
    bell_->add_descriptors(out, now);
}

//---------------------------------------------------------------------------//
//! What is under way moves by looks at MPI alone.
double MpiTransport::longest_wait(double now) const
{
    for (auto const& each : peers_)
    {
        if (!each.second.sending.empty() || !each.second.receiving.empty())
        {
            return Pace::seconds_max;
        }
    }
    return bell_->trusted(now) ? Pace::seconds_max_rung : Pace::seconds_max;
}

//---------------------------------------------------------------------------//
void MpiTransport::finalize(int exit_code)
{
    final_exit_code = exit_code;
    signal(SIGALRM, on_alarm);
    alarm(finalize_seconds);
    if (this->flush())
    {
        MPI_Finalize();
    }
    // A rank that took its last mail no more is dead: MPI_Finalize would wait for it, or abort.
    _exit(exit_code);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
