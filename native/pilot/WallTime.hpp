/*!
 * \file pilot/WallTime.hpp
 * \brief When the allocation ends: as it was told, or as Slurm says, asked again now and then.
 *
 * Limits change while a job runs, and Slurm 22.05 has no variable for the end. squeue is asked by a
 * child process whose answer is read when it is there; a controller that is down delays nothing.
 */
#pragma once

#include <memory>
#include <string>

#include "pilot/PayloadLog.hpp"
#include "pilot/Process.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class WallTime
{
  public:
    //! \c seconds from now on, or -1: ask Slurm if this is a job of it.
    WallTime(double seconds, std::string work_dir);

    //! Ask and read; true if the end has changed.
    bool poll(double now);

    //! On the monotonic clock; \c never: unknown.
    double end() const { return end_; }
    double next_deadline() const;

  private:
    std::string job_;
    std::string work_dir_;
    double end_{never};
    double ask_at_{never};
    std::unique_ptr<Process> squeue_;
    PayloadLog answer_;
};

//! Seconds since 1970 of squeue's `%e` (local time, "2024-05-01T12:00:00"); negative if it is none.
double parse_slurm_time(std::string const& text);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
