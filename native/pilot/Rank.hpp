/*!
 * \file pilot/Rank.hpp
 * \brief One process of the pilot: its node, the hub if it holds it, and the loop of both.
 *
 * One thread waits for everything by one ppoll. MPI has no descriptor to wait for, so with several
 * ranks the wait is a sleep that grows from 50 us to 5 ms while nothing moves, or to 20 ms where the
 * Doorbell is seen to work.
 *
 * When the hub is silent, each rank turns to the lowest rank that it does not think dead, and says
 * hello there: that hello is a vote. The rank that is turned to by enough of the others takes the
 * session with the engine over, under the same identity and a higher generation. The hub with the
 * highest generation counts; whoever hears of one leaves its own.
 */
#pragma once

#include <map>
#include <memory>
#include <set>

#include "pilot/Hub.hpp"
#include "pilot/Node.hpp"
#include "pilot/Options.hpp"
#include "pilot/Pace.hpp"
#include "pilot/SpoolDelivery.hpp"
#include "pilot/WallTime.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Rank
{
  public:
    Rank(Options options, Transport& transport);

    //! Work until it is over.
    Ending run();

  private:
    Options options_;
    Transport& transport_;
    std::string work_dir_;
    Node node_;
    std::unique_ptr<Hub> hub_;
    WallTime wall_;
    std::unique_ptr<SpoolDelivery> delivery_;
    std::set<int> dead_;
    std::map<int, wire::Message> early_hellos_;  //!< Of ranks that turned to this one already.
    double looked_at_;
    Pace pace_;
    double cores_at_{0};
    double guard_at_{0};
    double hint_until_{0};
    double hint_look_at_{0};
    double orphaned_since_{never};
    int signals_seen_{0};
    double first_signal_at_{never};
    double stop_by_{never};
    pid_t parent_;
    std::optional<Ending> ending_;

    static NodeOptions node_options(Options const& options, std::string const& work_dir);
    void become_hub(std::uint32_t generation, bool takeover);
    bool take_mail(double now);
    bool take_own_mail(double now);
    void read(std::vector<Mail>& mails, double now);
    void on_state(int from, HubState const& state, double now);
    void watch_hub(double now);
    void watch_cores(double now);
    bool hinted(double now);
    void watch_signals(double now);
    void arm_guard(double now);
    void watch_sleep(double now);
    bool poll(double now);
    void wait(double now, bool moved);
    void leave();
};

//! Handlers for SIGTERM, SIGINT, SIGUSR1 (counted), SIGCHLD (wakes the wait), SIGPIPE (ignored).
void install_signal_handlers();
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
