/*!
 * \file pilot/Node.hpp
 * \brief The agent of one node: holdings, slots, bundles, and its session with the hub.
 *
 *   grant -> holdings -> slots (payload) -> settle (check, bundle, sync) -> exchange -> verdict
 *
 *   working --drain (signal, hub, wall, broken disk)--> draining --nothing held--> drained
 *
 * To a node the hub is the engine: it says hello with what it holds, gets a welcome, and starts
 * anew with another hello when the hub changes. While the hub is away, or says that the engine is,
 * what runs goes on and nothing new starts once leases may have expired.
 */
#pragma once

#include <set>
#include <string>
#include <vector>

#include <poll.h>

#include "pilot/Exit.hpp"
#include "pilot/Figures.hpp"
#include "pilot/NodeHealth.hpp"
#include "pilot/RoundTrips.hpp"
#include "pilot/Slots.hpp"
#include "pilot/Spool.hpp"
#include "pilot/Transport.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct NodeOptions
{
    wire::NodeResources row;  //!< Name, cores, memory and slots of this node.
    std::string bundles_dir;
    std::string work_dir;
    double silence_seconds{10};  //!< A hub that is silent for so long may be gone.
    std::uint32_t prefetch_max{16384};  //!< Ranges held beyond those that run.
    double drain_seconds{-1};  //!< For what runs after a signal; -1: as long as it needs.
};

class Node
{
  public:
    Node(NodeOptions options, Transport& transport);

    //! Say hello to that hub.
    void join(int hub, double now);
    int hub() const { return hub_; }
    //! Identity of the pilot; "" before the first welcome.
    std::string const& pilot_id() const { return pilot_id_; }
    //! Generation of the hub that it knows.
    std::uint32_t term() const { return term_; }
    //! When the hub was last heard; \c slept: this process was stopped meanwhile.
    double heard_at() const { return heard_at_; }
    void hub_changed(double now) { heard_at_ = now; }
    void slept(double now) { heard_at_ = now; suspicious_ = true; }

    void receive(int from, wire::Message& message, double now);
    void receive(int from, HubState const& state, double now);

    //! Look after everything; true if anything moved.
    bool poll(double now);
    void add_descriptors(std::vector<pollfd>& out) const { slots_.add_descriptors(out); }
    double next_deadline(double now) const;

    /*!
     * No new starts; unstarted ranges go back; what runs has \c seconds (negative: as long as it
     * needs), then it is stopped and reported lost. A second call can only shorten that.
     */
    void drain(std::string const& reason, double seconds, Exit code = Exit::ok);
    bool draining() const { return draining_; }
    bool drained() const;
    Exit exit_code() const { return exit_code_; }
    double drain_seconds() const { return options_.drain_seconds; }

    //! Kill everything now, and say so.
    void stop(std::string const& reason);
    //! The last act: close bundles; what has no verdict stays in the spool.
    void end();

    //! So many cores are this node's from now on.
    void resize(std::uint32_t cores);
    Figures& figures() { return figures_; }

    //! Until the walltime ends; -1: unknown.
    double seconds_left(double now) const;

  private:
    struct InFlight
    {
        std::uint64_t ranges{0};
        double sent_at{0};
    };

    NodeOptions options_;
    Transport& transport_;
    Holdings holdings_;
    Catalog catalog_;
    Bundles bundles_;
    Slots slots_;
    Spool spool_{""};
    NodeHealth health_;
    Figures figures_;
    std::string pilot_id_;  //!< As the first hub says it; names of files are made of it.

    int hub_{0};
    bool welcomed_{false};
    std::uint32_t hellos_{0};  //!< Said by this rank; its welcome names the one that it answers.
    double hello_again_at_{never};
    double heard_at_;
    bool suspicious_{false};  //!< Slept: what it holds may be another's until the hub says.
    std::uint32_t paused_{0};
    std::uint32_t term_{1};
    double wall_end_{never};
    double wall_seconds_{never};  //!< What was left when it was first told.
    double heartbeat_at_{0};

    std::uint64_t sequence_{0};
    std::uint64_t parked_{0};
    std::map<std::uint64_t, InFlight> in_flight_;
    std::set<std::uint32_t> announced_;
    RoundTrips round_trips_{0.05};

    bool draining_{false};
    double stop_at_{never};
    std::string drain_reason_;
    Exit exit_code_{Exit::ok};
    bool flush_due_{false};
    std::size_t prune_at_{64};

    bool may_start(double mean_seconds) const;
    std::uint64_t want() const;
    std::uint64_t reserve() const;
    void say(wire::Message message);
    void on_welcome(wire::Welcome& welcome);
    void on_grant(wire::GrantBody const& body);
    void on_verdicts(wire::Verdicts const& verdicts);
    void on_recall(wire::Recall const& recall);
    void return_unstarted();
    void watch_wall(double now);
    double wall_lead() const;
    void stop_running(std::string const& why, double now);
    void start_work();
    void flush(double now);
    bool may_report() const;
    void exchange(double now);
    void announce(std::uint32_t bundle);
    void keep_spool();
    void watch_health();
    wire::NodeResources row() const;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
