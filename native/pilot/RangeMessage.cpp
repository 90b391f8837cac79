/*!
 * \file pilot/RangeMessage.cpp
 */
#include "pilot/RangeMessage.hpp"

#include <algorithm>
#include <vector>

#include "pilot/Clock.hpp"
#include "pilot/Json.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! Absolute path without `.`, `..` and doubled slashes; links are not followed.
std::string normal_path(std::string const& path)
{
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < path.size();)
    {
        auto const end = std::min(path.find('/', at), path.size());
        auto const part = path.substr(at, end - at);
        if (part == ".." && !parts.empty())
        {
            parts.pop_back();
        }
        else if (!part.empty() && part != "." && part != "..")
        {
            parts.push_back(part);
        }
        at = end + 1;
    }
    std::string out;
    for (auto const& part : parts)
    {
        out += "/" + part;
    }
    return out;
}

std::string place(bool has_bytes, std::uint64_t value)
{
    return has_bytes ? std::to_string(value) : "null";
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::string range_message(RangeWork const& work,
                          std::string const& id,
                          std::string const& slice,
                          double timeout_seconds)
{
    auto const deadline
        = timeout_seconds > 0 ? json_number(wall_seconds() + timeout_seconds) : "null";
    return "{\"range\":{\"id\":" + json_quote(id) + ",\"file\":" + json_quote(work.file.path)
           + ",\"tree\":" + json_quote(work.file.tree) + ",\"start\":" + std::to_string(work.start)
           + ",\"count\":" + std::to_string(work.count)
           + ",\"offset\":" + place(work.has_bytes, work.bytes.begin)
           + ",\"bytes\":" + place(work.has_bytes, work.bytes.end - work.bytes.begin)
           + ",\"slice\":" + json_quote(slice) + ",\"seed\":" + json_quote(work.file.seed)
           + ",\"output\":" + json_quote(work.output) + ",\"deadline\":" + deadline
           + ",\"range\":" + std::to_string(work.range())
           + ",\"attempt\":" + std::to_string(work.span.attempt) + "}}";
}

//---------------------------------------------------------------------------//
AttemptEnd done_end(RangeWork const& work, PayloadLine const& line, double wall_seconds)
{
    if (line.events != static_cast<double>(work.count))
    {
        return failed_end("payload did " + json_number(line.events) + " events (the range has "
                              + std::to_string(work.count) + ")",
                          wall_seconds,
                          line.cpu_seconds);
    }
    std::string path = work.output;
    if (line.has_output)
    {
        bool const absolute = !line.path.empty() && line.path[0] == '/';
        path = normal_path(absolute ? line.path : work.folder + "/" + line.path);
    }
    auto const folder = normal_path(work.folder) + "/";
    if (path.compare(0, folder.size(), folder) != 0 && path != work.output)
    {
        return failed_end("output " + line.path + " lies outside the range's folder",
                          wall_seconds,
                          line.cpu_seconds);
    }
    AttemptEnd end;
    end.kind = AttemptEnd::Kind::output;
    end.path = path;
    end.claimed_bytes = line.has_output ? line.bytes : -1;
    end.wall_seconds = wall_seconds;
    end.cpu_seconds = line.cpu_seconds;
    return end;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
