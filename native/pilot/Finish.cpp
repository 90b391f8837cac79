/*!
 * \file pilot/Finish.cpp
 */
#include "pilot/Finish.hpp"

#include <sys/stat.h>

#include "pilot/Files.hpp"
#include "pilot/Holdings.hpp"
#include "pilot/Json.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
ReportItem item_of(RangeWork const& work, AttemptEnd const& end, wire::Outcome outcome)
{
    ReportItem item;
    item.span = work.span;
    item.outcome = outcome;
    item.wall_sum = end.wall_seconds;
    item.wall_squares = end.wall_seconds * end.wall_seconds;
    item.wall_max = end.wall_seconds;
    item.cpu_sum = end.cpu_seconds;
    return item;
}

//! Why an output is none, or "" and its size.
std::string
output_problem(RangeWork const& work, AttemptEnd const& end, std::uint64_t& bytes)
{
    auto const& task = *work.task;
    auto const name = "output " + task.output_name;
    struct stat found;
    if (lstat(end.path.c_str(), &found) != 0)
    {
        return name + " is missing (exit 0 is no proof; the program must write {output})";
    }
    if (!S_ISREG(found.st_mode))
    {
        return name + " is no regular file (links and folders are refused)";
    }
    bytes = static_cast<std::uint64_t>(found.st_size);
    if (end.claimed_bytes >= 0 && end.claimed_bytes != static_cast<double>(bytes))
    {
        return name + " has " + std::to_string(bytes) + " bytes (its payload reported "
               + json_number(end.claimed_bytes) + ")";
    }
    if (bytes == 0 && !task.allow_empty)
    {
        return name + " is empty (set output.allowEmpty if that is right)";
    }
    if (task.records_per_event < 0)
    {
        return "";
    }
    auto const expected = static_cast<std::uint64_t>(task.records_per_event) * work.count;
    auto const records = count_records(end.path, task.count_rule);
    if (records && *records != expected)
    {
        return name + " has " + std::to_string(*records) + " records (" + std::to_string(expected)
               + " are expected: " + std::to_string(task.records_per_event) + " for each of "
               + std::to_string(work.count) + " events)";
    }
    return "";
}

//! The report of an end that leaves no output; \c problem is "" if there is one to look at.
bool judge(RangeWork const& work, AttemptEnd const& end, Settled& out)
{
    using Kind = AttemptEnd::Kind;
    if (end.kind == Kind::returned || end.kind == Kind::broken)
    {
        out.item = returned_item(work.span);
        out.broken = end.kind == Kind::broken ? end.reason : "";
        return true;
    }
    if (end.kind == Kind::lost)
    {
        out.item = item_of(work, end, wire::Outcome::lost);
        out.item.reason = clip_reason(end.reason);
        return true;
    }
    // An input that changed explains any other failure, and no repetition helps.
    auto const changed = input_problem(work.file);
    if (!changed.empty() || end.kind != Kind::output)
    {
        bool const fatal = !changed.empty() || end.kind == Kind::fatal;
        out.item = item_of(work, end, fatal ? wire::Outcome::fatal : wire::Outcome::failed);
        out.item.reason = clip_reason(changed.empty() ? end.reason : changed);
        return true;
    }
    std::uint64_t bytes = 0;
    auto const problem = output_problem(work, end, bytes);
    if (problem.empty() && bytes > 0)
    {
        return false;
    }
    out.item = item_of(work, end, problem.empty() ? wire::Outcome::done : wire::Outcome::failed);
    out.item.reason = clip_reason(problem);
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void settle(RangeWork const& work,
            AttemptEnd const& end,
            std::string const& node,
            Bundles& bundles,
            std::function<void(Settled)> then)
{
    Settled settled;
    if (judge(work, end, settled))
    {
        remove_tree(work.folder);
        then(std::move(settled));
        return;
    }
    Member member;
    member.span = work.span;
    member.node = node;
    member.wall_seconds = end.wall_seconds;
    member.cpu_seconds = end.cpu_seconds;
    bundles.store(
        member, work.task->output_name, end.path, [work, end, then](StoreEnd const& stored) {
            Settled result;
            result.item = item_of(work, end, wire::Outcome::done);
            if (stored.problem.empty())
            {
                result.item.bundle = stored.bundle;
            }
            else if (stored.payload_fault)
            {
                result.item.outcome = wire::Outcome::failed;
                result.item.reason = clip_reason(stored.problem);
            }
            else
            {
                result.item.outcome = wire::Outcome::lost;
                result.broken = "output could not be made durable (" + stored.problem + ")";
                result.item.reason = clip_reason(result.broken);
            }
            then(std::move(result));
        });
    // What was appended is in the bundle's file: the folder can go before the sync.
    remove_tree(work.folder);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
