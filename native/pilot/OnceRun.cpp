/*!
 * \file pilot/OnceRun.cpp
 */
#include "pilot/OnceRun.hpp"

#include "pilot/Files.hpp"
#include "pilot/Json.hpp"
#include "pilot/Placeholders.hpp"
#include "pilot/Stopped.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr char prepare_problem[] = "the attempt's folder could not be prepared";
}

//---------------------------------------------------------------------------//
std::optional<AttemptEnd> OnceRun::prepare()
{
    auto const changed = input_problem(work_.file);
    if (!changed.empty())
    {
        return fatal_end(changed);
    }
    if (int const code = make_folder(work_.folder))
    {
        return preparation_end(prepare_problem, work_.folder, code);
    }
    std::string slice;
    if (uses_placeholder(work_.task->command, "slice") && work_.has_bytes)
    {
        if (int const code = write_slice(work_, slice))
        {
            return preparation_end(prepare_problem, slice, code);
        }
    }
    std::string missing;
    if (!fill_command(work_.task->command, range_values(work_, slice), argv_, missing))
    {
        auto const& format = work_.file.format;
        return fatal_end("payload.command asks for {" + missing
                         + "}, which this input has not (its format is "
                         + (format.empty() ? "none" : format) + ")");
    }
    for (auto* log : {&out_, &err_})
    {
        auto const path = work_.folder + (log == &out_ ? ".out" : ".err");
        if (int const code = log->open(path))
        {
            return preparation_end(prepare_problem, path, code);
        }
    }
    return std::nullopt;
}

//---------------------------------------------------------------------------//
void OnceRun::launch(double now)
{
    started_at_ = now;
    ProcessPlan plan;
    plan.argv = argv_;
    plan.folder = work_.folder;
    plan.environment = payload_environment(*work_.task, work_.folder);
    plan.limits = payload_limits();
    plan.descriptors = {-1, out_.descriptor(), err_.descriptor()};
    process_.start(plan);
    if (work_.task->timeout_seconds > 0)
    {
        timeout_at_ = now + work_.task->timeout_seconds;
    }
}

//---------------------------------------------------------------------------//
bool OnceRun::poll(double now)
{
    if (!process_.started())
    {
        return ordered_.has_value();
    }
    if (process_.poll(now))
    {
        ended_at_ = ended_at_ == 0 ? now : ended_at_;
        return true;
    }
    if (now >= timeout_at_)
    {
        timeout_at_ = never;
        this->stop(failed_end("timed out after " + json_number(work_.task->timeout_seconds) + " s"),
                   false);
    }
    return false;
}

//---------------------------------------------------------------------------//
AttemptEnd OnceRun::end()
{
    auto const lines = last_lines({err_.tail(), out_.tail()});
    out_.close();
    err_.close();
    auto const said = lines.empty() ? "" : ": " + lines;
    auto const& process = process_.end();
    AttemptEnd end;
    if (ordered_)
    {
        end = *ordered_;
        end.reason += end.kind == AttemptEnd::Kind::failed ? said : "";
    }
    else if (process.problem.empty() && process.code == 0 && process.signal == 0)
    {
        end.kind = AttemptEnd::Kind::output;
        end.path = work_.output;
    }
    else
    {
        end = ended_badly(process, describe(process) + said);
    }
    end.wall_seconds = started_at_ > 0 ? std::max(0.0, ended_at_ - started_at_) : 0;
    end.cpu_seconds = process.cpu_seconds;
    return end;
}

//---------------------------------------------------------------------------//
void OnceRun::stop(AttemptEnd end, bool at_once)
{
    if (!ordered_)
    {
        ordered_ = std::move(end);
    }
    at_once ? process_.kill() : process_.stop();
}

//---------------------------------------------------------------------------//
void OnceRun::bound_logs()
{
    out_.bound();
    err_.bound();
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
