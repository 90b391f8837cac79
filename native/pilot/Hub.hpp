/*!
 * \file pilot/Hub.hpp
 * \brief The pilot's session with the engine, shared out to the ranks.
 *
 *   engine <--Connection--> Hub <--Transport--> Node of each rank (its own too)
 *
 * Wants of the nodes are summed, grants are shared out by deficit, reports of many nodes travel in
 * one exchange, and each node gets the verdicts on its own. A rank that is silent is dropped (a hub
 * that is cut off itself drops nobody: Hearing): what it had started is reported lost, what it had
 * not goes to others at once. It may join again; what the hub gave away meanwhile is refused then.
 *
 *   gathering --enough joined--> serving --drain--> draining --book empty--> over
 *       ^ only after a takeover: what the ranks hold must stand in the first hello
 */
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pilot/Book.hpp"
#include "pilot/Catalog.hpp"
#include "pilot/Connection.hpp"
#include "pilot/Hearing.hpp"
#include "pilot/Holdings.hpp"
#include "pilot/ReportLine.hpp"
#include "pilot/Transport.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct HubOptions
{
    std::string access_path;
    std::string pilot_id;
    std::uint32_t generation{1};
    std::string queue;
    std::string allocation;
    double give_up_seconds{600};
    double silence_seconds{10};
    //! A takeover waits for hellos of that many other ranks; 0: the first hub.
    int quorum{0};
    int others{0};  //!< Other ranks that may live.
    bool takeover{false};
};

class Hub
{
  public:
    Hub(HubOptions options, Transport& transport);

    void receive(int from, wire::Message& message, double now);
    bool poll(double now);
    void add_descriptors(std::vector<pollfd>& out) const { connection_.add_descriptors(out); }
    double next_deadline() const;

    //! No rank gets anything new; \c seconds for what runs, negative: as long as it needs.
    void drain(std::string const& reason, double seconds, Exit code);
    bool draining() const { return draining_; }

    //! When the walltime ends, on the monotonic clock; \c never: unknown.
    void wall_end(double at) { wall_end_ = at; }

    //! This process was stopped: silence of others meanwhile means nothing.
    void slept(double now) { hearing_.slept(now); }

    //! Set when it is over: every rank has been told.
    std::optional<Ending> const& ending() const { return ending_; }
    //! Over, without any rank being told: another hub has taken over.
    bool superseded() const { return superseded_; }
    bool gathering() const { return gathering_; }
    std::uint32_t generation() const { return options_.generation; }
    Tally const& tally() const { return line_.tally(); }
    std::size_t bundles() const { return notices_.size(); }

  private:
    struct Member
    {
        bool joined{false};
        bool draining{false};
        std::uint32_t row{0};
        std::uint64_t session{0};  //!< Counts its hellos: verdicts for an earlier one are dropped.
        std::uint64_t want{0};
        std::uint32_t free_slots{0};
        std::set<wire::TaskId> told_tasks;
        std::set<std::pair<wire::TaskId, std::uint32_t>> told_files;
    };

    HubOptions options_;
    Transport& transport_;
    Connection connection_;
    Book book_;
    Catalog catalog_;
    ReportLine line_;
    Hearing hearing_;
    std::map<int, Member> members_;
    std::vector<wire::NodeResources> rows_;
    bool rows_changed_{false};
    std::map<std::uint32_t, wire::BundleNotice> notices_;
    std::vector<HeldSpan> started_;
    std::size_t prune_at_{64};
    std::uint64_t parked_{0};
    std::uint64_t sequence_{0};
    std::size_t turn_{0};  //!< Who has the next leftover.

    bool gathering_{false};
    double gathering_since_;
    double lease_term_seconds_{30};
    double wall_end_{never};
    double state_at_{0};
    bool draining_{false};
    bool drain_told_{false};
    std::string drain_reason_;
    double drained_since_{never};
    Exit exit_code_{Exit::ok};
    std::optional<Ending> ending_;
    bool superseded_{false};

    wire::Hello hello();
    void on_welcome(wire::Welcome& welcome);
    void on_message(wire::Message& message);
    void on_grant(wire::GrantBody const& body);
    void on_verdicts(wire::Verdicts const& verdicts);
    void recall(std::vector<HeldSpan> const& spans, bool stop, bool report);

    void on_hello(int from, wire::Hello const& hello, double now);
    void on_exchange(int from, Member& member, wire::Exchange& exchange);
    void give_back(std::vector<HeldSpan> const& spans);
    void report_lost(std::vector<HeldSpan> const& spans, std::string const& why, std::uint32_t row);
    void drop_rank(int rank, std::string const& why);
    void watch_ranks(double now);

    std::uint64_t want() const;
    std::uint32_t free_slots() const;
    double seconds_left() const;
    void distribute();
    void share_out(std::function<std::uint64_t(Member const&)> const& need);
    void give(int rank, Member& member, std::vector<HeldSpan> const& spans);
    void send_started(std::vector<HeldSpan> spans);
    void flush();
    void exchange();
    void tell_state(double now);
    void start_if_gathered(double now);
    void end_if_drained(double now);
    void end(Exit code, std::string const& reason);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
