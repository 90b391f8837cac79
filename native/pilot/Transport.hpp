/*!
 * \file pilot/Transport.hpp
 * \brief How the ranks of a pilot talk: every rank's node with the hub, which one of them holds.
 *
 * Inside the pilot the protocol of docs/reference/protocol.md is spoken again: to a node the hub is
 * the engine. So joining, reconnecting after a takeover and exactly-once delivery are the same code
 * and the same rules as outside. Beside it the hub sends each rank its state now and then.
 */
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include <poll.h>

#include "pilot/Pace.hpp"
#include "wire/Messages.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! What the hub tells every rank, again and again.
struct HubState
{
    enum Kind : std::uint32_t
    {
        alive,  //!< It serves.
        gathering,  //!< It would take over, if enough turn to it.
        leave,  //!< It is over: end with \c exit_code.
    };
    std::uint32_t kind{alive};
    std::uint32_t term{0};  //!< Generation of the session with the engine; the highest hub counts.
    std::uint32_t paused{0};  //!< Others may have these ranges by now: the engine, or everybody, is away.
    std::uint32_t exit_code{0};
    double seconds_left{-1};  //!< Until the walltime ends; -1: unknown.
};

enum class Lane : std::uint8_t
{
    to_hub,
    to_node,
    state,
    bell,  //!< A Doorbell's card; not for who polls.
};

struct Mail
{
    int from{0};
    Lane lane{Lane::to_hub};
    wire::Message message;  //!< Of the first two lanes.
    HubState state;  //!< Of the last.
};

//---------------------------------------------------------------------------//
//! Mail between ranks; here: of a pilot that is one process.
class Transport
{
  public:
    virtual ~Transport() = default;

    virtual int rank() const { return 0; }
    virtual int size() const { return 1; }

    //! Nothing ever waits in here; a peer that does not read costs memory, until it is dropped.
    virtual void send(int to, Lane lane, wire::Message message);
    virtual void send(int to, HubState const& state);

    //! Take what has come, in order for each sender; true if anything moved.
    virtual bool poll(std::vector<Mail>& out);

    //! Whether this rank's own mail waits.
    bool has_own() const { return !own_.empty(); }

    //! What wakes a wait for mail, as far as anything does.
    virtual void add_descriptors(std::vector<pollfd>&, double) const {}

    //! How long a wait may be, since mail may come that wakes nobody.
    virtual double longest_wait(double) const { return Pace::seconds_max; }

    //! Try to have everything sent; false if that is not so yet.
    virtual bool flush() { return true; }

  protected:
    std::deque<Mail> own_;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
