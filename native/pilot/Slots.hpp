/*!
 * \file pilot/Slots.hpp
 * \brief The slots of one node: which held range starts next, and on what.
 *
 *   fill: tasks in the order of their oldest unstarted range
 *     null    the whole piece is done at once, without a process
 *     once    a process each, while its cores are free
 *     stream  a process with a credit, else one more process while its cores are free and fewer
 *             are starting than ranges wait
 *   (the owner tells `started`)
 *   launch: what was filled gets its process or its message
 *
 * A task that finds no free cores blocks those behind it (else a wide task would starve among
 * narrow ones); processes that idle for another task are asked to end. A range counts as running
 * until its output is judged and durable, but its cores are free as soon as its process ended; so
 * the number of those being settled is bounded too.
 */
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "pilot/Catalog.hpp"
#include "pilot/Finish.hpp"
#include "pilot/Holdings.hpp"
#include "pilot/OnceRun.hpp"
#include "pilot/StreamWorker.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Slots
{
  public:
    struct Host
    {
        Holdings& holdings;
        Catalog& catalog;
        Bundles& bundles;
        std::string node;
        //! False if a range of about that many seconds (0: unknown) should not start now.
        std::function<bool(double)> may_start;
        //! No range can be kept on this node any more.
        std::function<void(std::string const&)> broken;
    };

    Slots(std::uint32_t capacity, std::string work_dir, Host host);
    ~Slots();

    //! Take whatever can start; it runs from \c launch on.
    void fill();
    //! Ranges taken since the last call, to be told as started before \c launch.
    std::vector<HeldSpan> take_started();
    void launch();

    //! Look after all processes; true if anything ended or became free.
    bool poll(double now);
    void add_descriptors(std::vector<pollfd>& out) const;
    double next_deadline() const;

    std::uint32_t capacity() const { return capacity_; }
    //! Cores have come or gone; what runs on those that are gone ends as it would.
    void resize(std::uint32_t capacity);
    //! Ranges that could start at once beyond those that run.
    std::uint32_t free_places() const;
    //! Moving mean of the wall time of a range, seconds; 0 before the first.
    double mean_seconds() const { return mean_seconds_; }
    //! Ranges that run or are being settled.
    std::size_t active() const { return runs_.size() + settling_ + stream_active(); }
    //! Of these, ranges whose payload runs.
    std::size_t running() const { return runs_.size() + stream_active(); }
    bool has_workers() const { return !workers_.empty(); }

    //! End a running range with \c end.
    void stop(HeldSpan const& span, AttemptEnd const& end, bool at_once);
    void stop_all(AttemptEnd const& end, bool at_once);
    //! No range will come any more: processes that idle are asked to end.
    void stop_idle_workers();
    //! Kill every process that is left.
    void kill_all();

  private:
    enum class Start
    {
        started,
        waits,
        blocked,
    };
    struct Trouble
    {
        int failures{0};
        double not_before{0};
    };

    std::uint32_t capacity_;
    //! A wider task counts as this wide, however many cores there are later: what a start took is
    //! what its end gives back.
    std::uint32_t const widest_;
    std::string work_dir_;
    Host host_;
    std::list<OnceRun> runs_;
    std::list<StreamWorker> workers_;
    std::map<wire::TaskId, Trouble> trouble_;
    std::vector<HeldSpan> started_;
    std::uint32_t used_cores_{0};
    std::size_t settling_{0};
    std::uint64_t worker_number_{0};
    double mean_seconds_{0};
    double bound_logs_at_{0};
    bool changed_{false};

    std::uint32_t cores_of(wire::TaskInfo const& task) const;
    std::size_t stream_active() const;
    bool fill_task(wire::TaskId task);
    Start start_once(wire::TaskInfo const& info);
    Start give_stream(wire::TaskInfo const& info);
    void poll_runs(double now);
    void poll_workers(double now);
    void shrink();
    void worker_over(StreamWorker const& worker);
    void charge_start(wire::TaskInfo const& info, std::string const& reason);
    bool room(std::uint32_t cores, wire::TaskInfo const& info);
    bool take_work(wire::TaskInfo const& info, RangeWork& work);
    void settle_one(RangeWork const& work, AttemptEnd const& end);
    void learn(double wall_seconds);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
