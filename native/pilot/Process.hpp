/*!
 * \file pilot/Process.hpp
 * \brief One payload process in a process group of its own.
 *
 * Whoever stops it stops the whole group: politely, and after the grace for good. When the leader
 * has ended, what is left of its group is killed too, so nothing of an attempt outlives it.
 */
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "pilot/Clock.hpp"
#include "pilot/Limits.hpp"
#include "wire/Messages.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
using Environment = std::map<std::string, std::string>;

/*!
 * What a payload sees: PATH, HOME, LANG, TMPDIR (its folder), what the task passes by name, and
 * what it sets; nothing else of the pilot's environment.
 */
Environment payload_environment(wire::TaskInfo const& task, std::string const& folder);

//---------------------------------------------------------------------------//
struct ProcessPlan
{
    std::vector<std::string> argv;
    std::string folder;
    Environment environment;
    //! Descriptors for 0, 1, 2 (and 3, 4); -1: /dev/null. Everything else is closed.
    std::vector<int> descriptors{-1, -1, -1};
    std::vector<Limit> limits;
};

struct ProcessEnd
{
    std::string problem;  //!< Set if the program could not be started at all.
    int code{0};
    int signal{0};
    bool asked{false};  //!< The pilot had asked it to stop.
    double cpu_seconds{0};  //!< User and system time of all that was waited for.
};

class Process
{
  public:
    static constexpr double kill_grace_seconds = 2;

    Process() = default;
    ~Process();
    Process(Process const&) = delete;
    Process& operator=(Process const&) = delete;

    //! Start; a problem shows up as its end.
    void start(ProcessPlan const& plan);

    //! Look whether it has ended, and send the final signal where a grace is over.
    bool poll(double now);

    bool started() const { return pid_ > 0 || over_; }
    bool over() const { return over_; }
    ProcessEnd const& end() const { return end_; }
    double next_deadline() const { return over_ ? never : kill_at_; }

    //! SIGTERM to the group, SIGKILL after the grace.
    void stop(double grace_seconds = kill_grace_seconds);
    //! SIGKILL to the group.
    void kill();

  private:
    pid_t pid_{0};
    bool over_{false};
    ProcessEnd end_;
    double kill_at_{never};

    void send(int signal);
};

//! `exit 3`, `signal SIGSEGV`, or why it could not be started.
std::string describe(ProcessEnd const& end);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
