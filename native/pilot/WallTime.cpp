/*!
 * \file pilot/WallTime.cpp
 */
#include "pilot/WallTime.hpp"

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "pilot/Log.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr double ask_seconds = 30;
//! An end that moved less is the same: squeue speaks whole seconds.
constexpr double change_seconds = 2;
}  // namespace

//---------------------------------------------------------------------------//
double parse_slurm_time(std::string const& text)
{
    std::tm parts{};
    char const* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest)
    {
        return -1;
    }
    parts.tm_isdst = -1;
    return static_cast<double>(std::mktime(&parts));
}

//---------------------------------------------------------------------------//
WallTime::WallTime(double seconds, std::string work_dir) : work_dir_{std::move(work_dir)}
{
    auto const now = monotonic_seconds();
    if (seconds >= 0)
    {
        end_ = now + seconds;
        return;
    }
    if (char const* job = std::getenv("SLURM_JOB_ID"))
    {
        job_ = job;
        ask_at_ = now;
    }
}

//---------------------------------------------------------------------------//
bool WallTime::poll(double now)
{
    if (!squeue_ && now >= ask_at_ && answer_.open(work_dir_ + "/squeue.out") == 0)
    {
        ask_at_ = now + ask_seconds;
        ProcessPlan plan;
        plan.argv = {"squeue", "-h", "-j", job_, "-o", "%e"};
        plan.folder = "/";
        for (char const* name : {"PATH", "HOME", "SLURM_CONF"})
        {
            if (char const* value = std::getenv(name))
            {
                plan.environment[name] = value;
            }
        }
        plan.descriptors = {-1, answer_.descriptor(), -1};
        squeue_ = std::make_unique<Process>();
        squeue_->start(plan);
    }
    if (!squeue_)
    {
        return false;
    }
    if (now > ask_at_)
    {
        squeue_->kill();
    }
    if (!squeue_->poll(now))
    {
        return false;
    }
    squeue_.reset();
    auto const at = parse_slurm_time(answer_.tail());
    answer_.close();
    if (at < 0)
    {
        return false;
    }
    double const end = now + (at - wall_seconds());
    bool const changed = end_ == never || std::fabs(end - end_) > change_seconds;
    if (changed)
    {
        log_line("the allocation ends in " + std::to_string(static_cast<long>(end - now)) + " s");
        end_ = end;
    }
    return changed;
}

//---------------------------------------------------------------------------//
double WallTime::next_deadline() const
{
    return squeue_ ? 0 : ask_at_;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
