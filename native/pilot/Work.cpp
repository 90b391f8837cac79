/*!
 * \file pilot/Work.cpp
 */
#include "pilot/Work.hpp"

#include <algorithm>
#include <cerrno>

#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
RangeWork make_work(HeldSpan const& span,
                    wire::TaskInfo const& task,
                    wire::FileInfo const& file,
                    wire::ByteRange const* bytes,
                    std::string const& work_dir)
{
    RangeWork work;
    work.span = span;
    work.task = &task;
    work.file = file;
    work.start = (span.first - file.first_range) * task.events_per_range;
    work.count = std::min(task.events_per_range, file.events - work.start);
    work.has_bytes = bytes != nullptr;
    if (bytes)
    {
        work.bytes = *bytes;
    }
    work.folder = work_dir + "/e" + std::to_string(static_cast<std::uint32_t>(span.epoch)) + "-l"
                  + std::to_string(span.lease) + "-r" + std::to_string(span.first) + "-a"
                  + std::to_string(span.attempt);
    work.output = work.folder + "/" + task.output_name;
    return work;
}

//---------------------------------------------------------------------------//
std::string range_id(HeldSpan const& span)
{
    return "t" + std::to_string(static_cast<std::uint32_t>(span.task)) + "-r"
           + std::to_string(span.first) + "-l"
           + std::to_string(static_cast<std::uint64_t>(span.lease_id())) + "-a"
           + std::to_string(span.attempt);
}

//---------------------------------------------------------------------------//
AttemptEnd failed_end(std::string reason, double wall_seconds, double cpu_seconds)
{
    AttemptEnd end;
    end.kind = AttemptEnd::Kind::failed;
    end.reason = std::move(reason);
    end.wall_seconds = wall_seconds;
    end.cpu_seconds = cpu_seconds;
    return end;
}

AttemptEnd fatal_end(std::string reason)
{
    auto end = failed_end(std::move(reason));
    end.kind = AttemptEnd::Kind::fatal;
    return end;
}

AttemptEnd lost_end(std::string reason)
{
    auto end = failed_end(std::move(reason));
    end.kind = AttemptEnd::Kind::lost;
    return end;
}

//---------------------------------------------------------------------------//
AttemptEnd preparation_end(std::string const& what, std::string const& path, int code)
{
    auto end = failed_end(what + " (" + system_problem(path, code) + ")");
    for (int const disk : {ENOSPC, EDQUOT, EIO, EROFS, EMFILE, ENFILE})
    {
        if (code == disk)
        {
            end.kind = AttemptEnd::Kind::broken;
        }
    }
    return end;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
