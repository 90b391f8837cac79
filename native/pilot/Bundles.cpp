/*!
 * \file pilot/Bundles.cpp
 */
#include "pilot/Bundles.hpp"

#include <cerrno>

#include "pilot/Log.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr std::size_t members_max = 65000;
constexpr std::uint64_t bytes_max = std::uint64_t{1} << 30;
constexpr std::size_t open_max = 8;
}  // namespace

//---------------------------------------------------------------------------//
Bundles::Bundles(std::uint32_t rank, std::uint32_t step) : next_{rank + 1}, step_{step} {}

//---------------------------------------------------------------------------//
void Bundles::place(std::string folder, std::string prefix)
{
    folder_ = std::move(folder);
    prefix_ = std::move(prefix);
}

//---------------------------------------------------------------------------//
void Bundles::store(Member const& member,
                    std::string const& file_name,
                    std::string const& source,
                    Done done)
{
    StoreEnd end;
    auto* bundle = this->bundle_of(member.span.task, end.problem);
    if (bundle)
    {
        auto const appended = bundle->writer.append(member, file_name, source);
        end = {bundle->number, appended.problem, appended.payload_fault};
        if (end.problem.empty())
        {
            bundle->waiting.push_back({end, std::move(done)});
            this->start_sync(*bundle);
            return;
        }
        if (!end.payload_fault)
        {
            bundle->retired = true;
        }
    }
    done(end);
}

//---------------------------------------------------------------------------//
Bundles::Open* Bundles::bundle_of(wire::TaskId task, std::string& problem)
{
    for (auto& each : open_)
    {
        if (each.task == task && !each.retired)
        {
            if (each.writer.has_name())
            {
                each.used = ++clock_;
                return &each;
            }
            log_line("bundle " + each.writer.path() + " was deleted while in use: a new one");
            each.retired = true;
        }
    }
    auto const path = folder_ + "/" + prefix_ + ".b" + std::to_string(made_ + 1) + ".zip";
    auto& fresh = open_.emplace_back();
    if (int const code = fresh.writer.create(path))
    {
        problem = system_problem(path, code);
        open_.pop_back();
        return nullptr;
    }
    ++made_;
    fresh.number = next_;
    fresh.task = task;
    fresh.used = ++clock_;
    next_ += step_;
    uris_[fresh.number] = file_uri(path);
    return &fresh;
}

//---------------------------------------------------------------------------//
void Bundles::start_sync(Open& bundle)
{
    if (bundle.syncing.empty() && !bundle.waiting.empty())
    {
        bundle.syncing.swap(bundle.waiting);
        flusher_.submit({bundle.number,
                         bundle.writer.descriptor(),
                         bundle.folder_synced ? "" : folder_});
    }
}

//---------------------------------------------------------------------------//
void Bundles::poll()
{
    for (auto const& answer : flusher_.take_answers())
    {
        for (auto& each : open_)
        {
            if (each.number == answer.id)
            {
                this->synced(each, answer.code);
                break;
            }
        }
    }
    this->tidy();
}

//---------------------------------------------------------------------------//
void Bundles::synced(Open& bundle, int code)
{
    auto ended = std::move(bundle.syncing);
    bundle.syncing.clear();
    // A file without a name keeps nothing.
    code = code == 0 && !bundle.writer.has_name() ? ENOENT : code;
    if (code != 0)
    {
        bundle.writer.give_up();
        bundle.retired = true;
        ended.insert(ended.end(), bundle.waiting.begin(), bundle.waiting.end());
        bundle.waiting.clear();
    }
    bundle.folder_synced = true;
    for (auto& each : ended)
    {
        if (code != 0)
        {
            each.end.problem = system_problem(bundle.writer.path(), code);
        }
        each.done(each.end);
    }
    this->start_sync(bundle);
}

//---------------------------------------------------------------------------//
void Bundles::tidy()
{
    for (auto& each : open_)
    {
        each.retired = each.retired || each.writer.members() >= members_max
                       || each.writer.bytes() >= bytes_max;
    }
    if (open_.size() > open_max)
    {
        auto oldest = open_.begin();
        for (auto it = open_.begin(); it != open_.end(); ++it)
        {
            oldest = it->used < oldest->used ? it : oldest;
        }
        oldest->retired = true;
    }
    open_.remove_if([](Open& each) {
        if (!each.retired || !each.waiting.empty() || !each.syncing.empty())
        {
            return false;
        }
        if (int const code = each.writer.close())
        {
            log_line(system_problem("bundle " + each.writer.path() + " has no directory", code));
        }
        return true;
    });
}

//---------------------------------------------------------------------------//
std::size_t Bundles::pending() const
{
    std::size_t total = 0;
    for (auto const& each : open_)
    {
        total += each.waiting.size() + each.syncing.size();
    }
    return total;
}

//---------------------------------------------------------------------------//
std::string Bundles::uri(std::uint32_t number) const
{
    auto const found = uris_.find(number);
    return found == uris_.end() ? "" : found->second;
}

//---------------------------------------------------------------------------//
void Bundles::close_all()
{
    for (auto& each : open_)
    {
        if (each.syncing.empty())
        {
            each.writer.close();
        }
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
