/*!
 * \file pilot/StreamWorker.hpp
 * \brief One long-lived process of a stream payload: started once, given a range for each credit.
 *
 *   starting --first ready--> ready --stop--> stopping --exit--> over
 *       |                       |                                 ^
 *       +---- breach, timeout, exit: the group is killed ---------+
 *
 * A dead process costs exactly the ranges it had been given and had not answered. An answer for a
 * range that it was not given, or a second one, drops the process: its word is worth nothing.
 */
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <poll.h>

#include "pilot/PayloadLog.hpp"
#include "pilot/Process.hpp"
#include "pilot/StreamLines.hpp"
#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class StreamWorker
{
  public:
    enum class State
    {
        starting,
        ready,
        stopping,
        over,
    };
    struct Ended
    {
        RangeWork work;
        AttemptEnd end;
    };

    StreamWorker(wire::TaskInfo const& task, std::string const& tree, std::string folder);
    ~StreamWorker();

    //! Everything before a range is told to the process; an end if it can't be given.
    std::optional<AttemptEnd> prepare(RangeWork const& work);
    //! Tell the process its prepared ranges; `started` was told before.
    void hand_over(double now);

    //! Read what it says, write what waits, look at timeouts and its end.
    void poll(double now);
    void add_descriptors(std::vector<pollfd>& out) const;

    //! Ranges that were answered or lost since the last call.
    std::vector<Ended> take_ended();

    //! Take a range back: ask with cancel, and stop the process if it doesn't answer.
    void cancel(HeldSpan const& span, AttemptEnd end, bool at_once);
    //! Ask an idle process to end; whatever it still works on it may finish.
    void stop();
    void kill(std::string const& why);

    wire::TaskInfo const& task() const { return task_; }
    State state() const { return state_; }
    std::uint32_t credits() const { return state_ == State::ready ? credits_ : 0; }
    std::size_t busy() const { return given_.size() + prepared_.size(); }
    bool ever_ready() const { return ever_ready_; }
    double idle_since() const { return idle_since_; }
    //! Why the process never became ready, once it is over; "" if it did, or was stopped.
    std::string const& start_failure() const { return start_failure_; }
    //! Set if this node has no room for a process.
    std::string const& broken() const { return broken_; }
    double next_deadline() const;
    void bound_logs();

  private:
    struct Given
    {
        RangeWork work;
        std::string slice;
        double started_at{0};
        double deadline{never};
        std::optional<AttemptEnd> ordered;
    };

    wire::TaskInfo const& task_;
    std::string folder_;
    State state_{State::starting};
    Process process_;
    PayloadLog out_;
    PayloadLog err_;
    LineSplitter lines_;
    std::string log_;
    std::string to_write_;
    int read_{-1};
    int write_{-1};
    bool close_when_written_{false};
    std::uint32_t credits_{0};
    bool greeted_{false};
    bool wants_slices_{true};
    bool ever_ready_{false};
    double limit_at_{never};  //!< Of starting, of tidying up, of stopping.
    double closed_limit_at_{never};  //!< It closed its side and has not ended.
    double eof_at_{never};  //!< Its last words are awaited until then, once it has ended.
    std::string problem_;
    std::string start_failure_;
    std::string broken_;
    double idle_since_{monotonic_seconds()};
    std::map<std::string, Given> prepared_;
    std::map<std::string, Given> given_;
    std::vector<Ended> ended_;

    bool start(std::string const& tree);
    void say(std::string const& line);
    void read_all();
    void write_some();
    void close_writer();
    void on_line(PayloadLine const& line, double now);
    void on_ready(std::uint32_t credits);
    void on_answer(PayloadLine const& line, double now);
    void drop(std::string const& problem);
    void watch(double now);
    void finish(double now);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
