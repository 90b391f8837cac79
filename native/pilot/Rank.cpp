/*!
 * \file pilot/Rank.cpp
 */
#include "pilot/Rank.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <random>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "pilot/Clock.hpp"
#include "pilot/Files.hpp"
#include "pilot/Log.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr double wait_seconds_max = 1;
//! A loop that was away for so long was stopped (SIGSTOP, a frozen node), not busy.
constexpr double slept_seconds = 2;
//! Batch systems may deliver one order twice.
constexpr double same_signal_seconds = 1;
constexpr double stop_seconds = 3;
constexpr double leave_seconds = 1;
constexpr double hint_file_seconds = 60;
constexpr double cores_watch_seconds = 2;
constexpr double guard_seconds = 1;
//! CPU time of one turn of the loop that no turn takes.
constexpr time_t stuck_cpu_seconds = 10;
//! Sleeps of 50 us are meant so; the system would make them twice as long.
constexpr unsigned long timer_slack_ns = 1000;

// Written by handlers.
std::atomic<int> end_signals{0};
std::atomic<int> hint_signals{0};

void on_signal(int signal)
{
    (signal == SIGUSR1 ? hint_signals : end_signals).fetch_add(1);
}

void on_child(int) {}

void on_stuck(int)
{
    char const text[] = "jumbo-pilot: a call of MPI does not return: this rank ends\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(static_cast<int>(Exit::interrupted));
}

std::string make_pilot_id()
{
    char host[256] = "host";
    gethostname(host, sizeof host - 1);
    char const* job = std::getenv("SLURM_JOB_ID");
    char const* restart = std::getenv("SLURM_RESTART_COUNT");
    std::random_device random;
    char digits[16];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(random()));
    std::string place = host;
    if (job)
    {
        place = "job" + std::string{job} + "." + (restart ? restart : "0");
    }
    return place + "-" + std::to_string(getpid()) + "-" + digits;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void install_signal_handlers()
{
    struct sigaction action{};
    action.sa_handler = on_signal;
    for (int const each : {SIGTERM, SIGINT, SIGUSR1})
    {
        sigaction(each, &action, nullptr);
    }
    action.sa_handler = on_child;
    sigaction(SIGCHLD, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGPROF, on_stuck);
}

//---------------------------------------------------------------------------//
NodeOptions Rank::node_options(Options const& options, std::string const& work_dir)
{
    NodeOptions node;
    char host[256] = "node";
    gethostname(host, sizeof host - 1);
    auto const pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
    auto const page_bytes = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PAGESIZE)));
    node.row.name = well_formed(host);
    node.row.slots = options.slots > 0 ? options.slots : free_cores();
    node.row.cores = node.row.slots;
    node.row.memory_mib = pages * page_bytes >> 20;
    node.bundles_dir = options.bundles_dir;
    node.work_dir = work_dir;
    node.silence_seconds = options.silence_seconds;
    node.drain_seconds = options.drain_seconds;
    node.prefetch_max = options.prefetch;
    return node;
}

//---------------------------------------------------------------------------//
Rank::Rank(Options options, Transport& transport)
    : options_{std::move(options)}
    , transport_{transport}
    , work_dir_{options_.work_dir + "/jumbo-" + std::to_string(getpid()) + "-"
                + std::to_string(static_cast<long>(wall_seconds()))}
    , node_{node_options(options_, work_dir_), transport}
    , wall_{options_.walltime_seconds, work_dir_}
    , looked_at_{monotonic_seconds()}
    , parent_{getppid()}
{
    if (char const* job = std::getenv("SLURM_JOB_ID"); job && options_.allocation.empty())
    {
        options_.allocation = job;
    }
    if (options_.pilot_id.empty())
    {
        options_.pilot_id = make_pilot_id();
    }
}

//---------------------------------------------------------------------------//
void Rank::become_hub(std::uint32_t generation, bool takeover)
{
    HubOptions hub;
    hub.access_path = options_.access_path;
    hub.pilot_id = node_.pilot_id().empty() ? options_.pilot_id : node_.pilot_id();
    hub.generation = generation;
    hub.queue = options_.queue;
    hub.allocation = options_.allocation;
    hub.give_up_seconds = options_.give_up_seconds;
    hub.silence_seconds = options_.silence_seconds;
    hub.takeover = takeover;
    hub.others = std::max(0, transport_.size() - 1 - static_cast<int>(dead_.size()));
    hub.quorum = (hub.others + 1) / 2;
    hub_ = std::make_unique<Hub>(std::move(hub), transport_);
    hub_->wall_end(wall_.end());
    for (auto& each : early_hellos_)
    {
        hub_->receive(each.first, each.second, monotonic_seconds());
    }
    early_hellos_.clear();
}

//---------------------------------------------------------------------------//
Ending Rank::run()
{
    for (auto const& folder : {options_.bundles_dir, work_dir_})
    {
        if (int const code = make_folder(folder))
        {
            return {Exit::store_io,
                    system_problem(folder, code) + " (the folder can't be made) name another one"};
        }
    }
    node_.figures().be_late();
    payload_limits() = options_.limits;
    prctl(PR_SET_TIMERSLACK, timer_slack_ns);
    if (transport_.rank() == 0)
    {
        this->become_hub(options_.generation, false);
        delivery_ = std::make_unique<SpoolDelivery>(options_.access_path, options_.bundles_dir);
    }
    node_.join(0, monotonic_seconds());
    while (!ending_)
    {
        auto const now = monotonic_seconds();
        this->arm_guard(now);
        bool const moved = this->poll(now);
        if (!ending_)
        {
            this->wait(now, moved);
        }
    }
    this->leave();
    return *ending_;
}

//---------------------------------------------------------------------------//
bool Rank::poll(double now)
{
    this->watch_sleep(now);
    bool moved = this->take_mail(now);
    this->watch_signals(now);
    if (hub_ && wall_.poll(now))
    {
        hub_->wall_end(wall_.end());
    }
    this->watch_cores(now);
    moved = node_.poll(now) || moved;
    // What the node said to its own hub is taken before the hub sends.
    moved = this->take_own_mail(now) || moved;
    if (hub_)
    {
        moved = hub_->poll(now) || moved;
        if (hub_->superseded())
        {
            hub_.reset();
            orphaned_since_ = now;
        }
    }
    if (delivery_ && !delivery_->poll(now))
    {
        delivery_.reset();
    }
    moved = this->take_own_mail(now) || moved;
    this->watch_hub(now);
    if (now >= stop_by_)
    {
        ending_ = Ending{Exit::interrupted, "stopped"};
    }
    if (options_.with_parent && getppid() != parent_)
    {
        node_.stop("its parent is gone");
        ending_ = Ending{Exit::interrupted, "its parent is gone"};
    }
    return moved;
}

//---------------------------------------------------------------------------//
/*!
 * End this rank if a turn of the loop spins in a call of MPI, as Open MPI's did once a peer had died
 * (see started_max in MpiTransport.cpp). The clock is CPU time, so that a frozen process has all of
 * its own.
 */
void Rank::arm_guard(double now)
{
    if (transport_.size() > 1 && now >= guard_at_)
    {
        guard_at_ = now + guard_seconds;
        itimerval limit{};
        limit.it_value.tv_sec = stuck_cpu_seconds;
        setitimer(ITIMER_PROF, &limit, nullptr);
    }
}

//---------------------------------------------------------------------------//
//! A process that was stopped may not judge others by their silence, nor trust what it holds.
void Rank::watch_sleep(double now)
{
    if (now - looked_at_ > slept_seconds)
    {
        if (transport_.size() > 1)
        {
            auto const seconds = static_cast<long>(now - looked_at_);
            log_line("was stopped for " + std::to_string(seconds) + " s");
            node_.slept(now);
            if (now - looked_at_ > options_.silence_seconds / 2)
            {
                node_.join(node_.hub(), now);
            }
        }
        if (hub_)
        {
            hub_->slept(now);
        }
    }
    looked_at_ = now;
}

//---------------------------------------------------------------------------//
bool Rank::take_mail(double now)
{
    std::vector<Mail> mails;
    bool const moved = transport_.poll(mails);
    this->read(mails, now);
    return moved;
}

//---------------------------------------------------------------------------//
//! Without a look at MPI, which costs more than all the rest of an idle turn.
bool Rank::take_own_mail(double now)
{
    if (!transport_.has_own())
    {
        return false;
    }
    std::vector<Mail> mails;
    transport_.Transport::poll(mails);
    this->read(mails, now);
    return true;
}

//---------------------------------------------------------------------------//
void Rank::read(std::vector<Mail>& mails, double now)
{
    for (auto& mail : mails)
    {
        dead_.erase(mail.from);
        if (mail.lane == Lane::state)
        {
            this->on_state(mail.from, mail.state, now);
        }
        else if (mail.lane == Lane::to_node)
        {
            node_.receive(mail.from, mail.message, now);
        }
        else if (hub_)
        {
            hub_->receive(mail.from, mail.message, now);
        }
        else if (std::get_if<wire::Hello>(&mail.message))
        {
            // It has noticed sooner than this rank that the hub is gone.
            early_hellos_[mail.from] = std::move(mail.message);
        }
    }
}

//---------------------------------------------------------------------------//
void Rank::on_state(int from, HubState const& state, double now)
{
    if (state.kind == HubState::leave && state.term >= node_.term())
    {
        ending_ = Ending{static_cast<Exit>(state.exit_code), "the pilot is done"};
        return;
    }
    // One that was cut off would take over too, when it is back: nobody leaves a hub for it that is
    // there, and it returns to any that serves (the engine ends those that another has replaced).
    bool const serves = state.kind == HubState::alive;
    bool const alone = now - node_.heard_at() >= options_.silence_seconds;
    bool const newer = state.term > node_.term() && (!hub_ || state.term > hub_->generation())
                       && (serves || alone);
    bool const in_vain = hub_ && hub_->gathering() && serves;
    if (from != node_.hub() && from != transport_.rank() && (newer || in_vain))
    {
        log_line("following the hub on rank " + std::to_string(from));
        hub_.reset();
        early_hellos_.clear();
        orphaned_since_ = never;
        node_.join(from, now);
    }
    node_.receive(from, state, now);
}

//---------------------------------------------------------------------------//
//! Turn to another rank if the hub is silent.
void Rank::watch_hub(double now)
{
    if (orphaned_since_ != never && now - orphaned_since_ > 3 * options_.silence_seconds)
    {
        ending_ = Ending{Exit::conflict, "another process has taken this identity over"};
    }
    int const own = transport_.rank();
    if (node_.hub() == own || now - node_.heard_at() < options_.silence_seconds)
    {
        return;
    }
    dead_.insert(node_.hub());
    dead_.erase(own);
    int candidate = 0;
    while (dead_.count(candidate) != 0)
    {
        ++candidate;
    }
    log_line("hub on rank " + std::to_string(node_.hub()) + " is silent: turning to rank "
             + std::to_string(candidate));
    if (candidate == own && !hub_)
    {
        this->become_hub(node_.term() + 1 + static_cast<std::uint32_t>(own), true);
    }
    node_.join(candidate, now);
    node_.hub_changed(now);
}

//---------------------------------------------------------------------------//
//! Batch systems and administrators give and take cores while a job runs.
void Rank::watch_cores(double now)
{
    if (options_.slots == 0 && now >= cores_at_)
    {
        cores_at_ = now + cores_watch_seconds;
        node_.resize(free_cores());
    }
}

//---------------------------------------------------------------------------//
/*!
 * Whether SIGUSR1 came as an order to drain. hydra sends it to all others when a rank has died,
 * too; so there a file says what is meant, which a shared folder may show a little later.
 */
bool Rank::hinted(double now)
{
    static bool const hydra = std::getenv("MPI_LOCALNRANKS") != nullptr;
    if (hint_signals.exchange(0) > 0)
    {
        if (!hydra)
        {
            return true;
        }
        hint_until_ = now + hint_file_seconds;
        hint_look_at_ = now;
    }
    if (now < hint_look_at_ || now > hint_until_ || options_.drain_file.empty())
    {
        return false;
    }
    hint_look_at_ = now + 1;
    if (access(options_.drain_file.c_str(), F_OK) != 0)
    {
        return false;
    }
    hint_until_ = 0;
    return true;
}

//---------------------------------------------------------------------------//
void Rank::watch_signals(double now)
{
    int const ends = end_signals.load();
    if (this->hinted(now))
    {
        hub_ ? hub_->drain("SIGUSR1", options_.drain_seconds, Exit::ok)
             : node_.drain("SIGUSR1", options_.drain_seconds);
    }
    if (ends == signals_seen_)
    {
        return;
    }
    signals_seen_ = ends;
    if (first_signal_at_ == never)
    {
        first_signal_at_ = now;
        if (hub_)
        {
            hub_->drain("SIGTERM", options_.drain_seconds, Exit::ok);
        }
        node_.drain("SIGTERM", options_.drain_seconds);
    }
    else if (now - first_signal_at_ > same_signal_seconds && stop_by_ == never)
    {
        node_.stop("a second signal");
        stop_by_ = now + stop_seconds;
    }
}

//---------------------------------------------------------------------------//
void Rank::wait(double now, bool moved)
{
    if (moved || transport_.has_own())
    {
        pace_.moved();
        if (transport_.size() == 1 || transport_.has_own())
        {
            return;
        }
    }
    std::vector<pollfd> waits;
    node_.add_descriptors(waits);
    double next = std::min(node_.next_deadline(now), stop_by_);
    if (hub_)
    {
        hub_->add_descriptors(waits);
        next = std::min({next, hub_->next_deadline(), wall_.next_deadline()});
    }
    if (delivery_)
    {
        delivery_->add_descriptors(waits);
        next = std::min(next, now + 0.1);
    }
    double seconds = std::min(std::max(next - monotonic_seconds(), 0.0), wait_seconds_max);
    if (transport_.size() > 1)
    {
        transport_.add_descriptors(waits, now);
        double const longest = pace_.slow() ? transport_.longest_wait(now) : Pace::seconds_max;
        seconds = std::min(seconds, pace_.next(longest));
    }
    timespec timeout{};
    timeout.tv_sec = static_cast<time_t>(seconds);
    timeout.tv_nsec = static_cast<long>(1e9 * (seconds - std::floor(seconds)));
    sigset_t none;
    sigemptyset(&none);
    if (ppoll(waits.data(), waits.size(), &timeout, &none) > 0)
    {
        pace_.moved();
    }
}

//---------------------------------------------------------------------------//
void Rank::leave()
{
    if (hub_ && stop_by_ != never)
    {
        hub_->poll(monotonic_seconds());
    }
    node_.end();
    auto const deadline = monotonic_seconds() + leave_seconds;
    std::vector<Mail> ignored;
    while (!transport_.flush() && monotonic_seconds() < deadline)
    {
        transport_.poll(ignored);
        usleep(1000);
    }
    remove_tree(work_dir_);
    if (hub_)
    {
        auto const& tally = hub_->tally();
        log_line(ending_->reason + ": " + std::to_string(tally.accepted) + " done, "
                 + std::to_string(tally.unused) + " of no use, " + std::to_string(tally.failed)
                 + " failed, " + std::to_string(tally.returned) + " returned, "
                 + std::to_string(tally.lost) + " lost");
        if (hub_->ending())
        {
            ending_->reason = hub_->ending()->reason;
        }
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
