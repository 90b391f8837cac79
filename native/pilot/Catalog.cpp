/*!
 * \file pilot/Catalog.cpp
 */
#include "pilot/Catalog.hpp"

#include <iterator>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
void Catalog::learn(wire::GrantBody const& body)
{
    for (auto const& info : body.tasks)
    {
        tasks_[info.task].info = info;
    }
    for (auto const& file : body.files)
    {
        auto const found = tasks_.find(file.task);
        if (found != tasks_.end())
        {
            found->second.files[file.first_range] = file;
        }
    }
    for (auto const& column : body.offsets)
    {
        auto const found = tasks_.find(column.task);
        if (found != tasks_.end())
        {
            found->second.offsets.emplace(column.first, column);
        }
    }
}

//---------------------------------------------------------------------------//
wire::TaskInfo const* Catalog::task(wire::TaskId task) const
{
    auto const found = tasks_.find(task);
    return found == tasks_.end() ? nullptr : &found->second.info;
}

//---------------------------------------------------------------------------//
wire::FileInfo const* Catalog::file(wire::TaskId task, wire::RangeIndex range) const
{
    auto const found = tasks_.find(task);
    if (found == tasks_.end())
    {
        return nullptr;
    }
    auto behind = found->second.files.upper_bound(range);
    if (behind == found->second.files.begin())
    {
        return nullptr;
    }
    auto const& file = std::prev(behind)->second;
    return range < file.first_range + file.ranges ? &file : nullptr;
}

//---------------------------------------------------------------------------//
wire::FileInfo const* Catalog::any_file(wire::TaskId task) const
{
    auto const found = tasks_.find(task);
    return found == tasks_.end() || found->second.files.empty()
               ? nullptr
               : &found->second.files.begin()->second;
}

//---------------------------------------------------------------------------//
wire::ByteRange const* Catalog::bytes_of(wire::TaskId task, wire::RangeIndex range) const
{
    auto const found = tasks_.find(task);
    if (found == tasks_.end())
    {
        return nullptr;
    }
    auto const& offsets = found->second.offsets;
    for (auto it = offsets.upper_bound(range); it != offsets.begin();)
    {
        --it;
        if (range - it->first < it->second.offsets.size())
        {
            return &it->second.offsets[range - it->first];
        }
    }
    return nullptr;
}

//---------------------------------------------------------------------------//
std::size_t Catalog::columns() const
{
    std::size_t total = 0;
    for (auto const& known : tasks_)
    {
        total += known.second.offsets.size();
    }
    return total;
}

//---------------------------------------------------------------------------//
void Catalog::prune(IsHeld const& is_held)
{
    for (auto& known : tasks_)
    {
        auto& offsets = known.second.offsets;
        for (auto it = offsets.begin(); it != offsets.end();)
        {
            auto const end = it->first + it->second.offsets.size();
            it = is_held(known.first, it->first, end) ? std::next(it) : offsets.erase(it);
        }
    }
}

//---------------------------------------------------------------------------//
bool Catalog::describe(HeldSpan const& span,
                       std::function<bool(wire::TaskId, std::uint32_t const*)> const& tell_once,
                       wire::GrantBody& out) const
{
    auto const* info = this->task(span.task);
    if (!info || !this->file(span.task, span.first) || !this->file(span.task, span.end() - 1))
    {
        return false;
    }
    if (tell_once(span.task, nullptr))
    {
        out.tasks.push_back(*info);
    }
    for (auto range = span.first; range < span.end();)
    {
        auto const* file = this->file(span.task, range);
        if (!file)
        {
            return false;
        }
        if (tell_once(span.task, &file->file))
        {
            out.files.push_back(*file);
        }
        range = file->first_range + file->ranges;
    }
    if (this->bytes_of(span.task, span.first))
    {
        wire::OffsetColumn column{span.task, span.first, {}};
        for (auto range = span.first; range < span.end(); ++range)
        {
            auto const* bytes = this->bytes_of(span.task, range);
            if (!bytes)
            {
                return false;
            }
            column.offsets.push_back(*bytes);
        }
        out.offsets.push_back(std::move(column));
    }
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
