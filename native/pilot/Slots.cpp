/*!
 * \file pilot/Slots.cpp
 */
#include "pilot/Slots.hpp"

#include <algorithm>

#include "base/Assert.hpp"
#include "pilot/Clock.hpp"
#include "pilot/Files.hpp"
#include "pilot/Log.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr char null_command[] = ":null";
//! What a range of the null payload counts for in the mean: less than any process can take.
constexpr double null_seconds = 1e-6;
constexpr double idle_stream_seconds = 300;
constexpr double start_backoff_seconds = 0.1;
constexpr double start_backoff_seconds_max = 30;
//! Weight of the newest range in the moving mean of wall times.
constexpr double mean_weight = 0.1;
constexpr double log_watch_seconds = 0.2;

ReportItem done_item(HeldSpan const& span)
{
    auto item = returned_item(span);
    item.outcome = wire::Outcome::done;
    return item;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Slots::Slots(std::uint32_t capacity, std::string work_dir, Host host)
    : capacity_{capacity}
    , widest_{capacity}
    , work_dir_{std::move(work_dir)}
    , host_{std::move(host)}
{
}

Slots::~Slots() = default;

//---------------------------------------------------------------------------//
std::uint32_t Slots::cores_of(wire::TaskInfo const& task) const
{
    return std::min(std::max(1u, task.cores), widest_);
}

//---------------------------------------------------------------------------//
std::size_t Slots::stream_active() const
{
    std::size_t total = 0;
    for (auto const& worker : workers_)
    {
        total += worker.busy();
    }
    return total;
}

//---------------------------------------------------------------------------//
std::uint32_t Slots::free_places() const
{
    std::uint32_t places = 0;
    std::uint32_t widest = 1;
    for (auto const& worker : workers_)
    {
        widest = std::max(widest, this->cores_of(worker.task()));
        places += worker.state() == StreamWorker::State::starting ? 1 : worker.credits();
    }
    widest = std::min(widest, capacity_);
    return places + (capacity_ - std::min(capacity_, used_cores_)) / widest;
}

//---------------------------------------------------------------------------//
void Slots::resize(std::uint32_t capacity)
{
    capacity_ = capacity;
    changed_ = true;
}

//---------------------------------------------------------------------------//
//! End processes that idle while more cores are used than there are.
void Slots::shrink()
{
    std::uint32_t over = used_cores_ - std::min(used_cores_, capacity_);
    for (auto& worker : workers_)
    {
        if (over == 0)
        {
            return;
        }
        if (worker.busy() == 0)
        {
            worker.stop();
            over -= std::min(over, this->cores_of(worker.task()));
        }
    }
}

//---------------------------------------------------------------------------//
void Slots::fill()
{
    for (auto const task : host_.holdings.tasks())
    {
        if (!this->fill_task(task))
        {
            break;
        }
    }
}

//---------------------------------------------------------------------------//
//! False if the task waits for cores, so that nothing behind it may take them.
bool Slots::fill_task(wire::TaskId task)
{
    auto& holdings = host_.holdings;
    auto const* info = host_.catalog.task(task);
    bool const null = info && !info->command.empty() && info->command[0] == null_command;
    if (!info)
    {
        log_line("a task was granted without being told: its ranges go back");
    }
    if (!info || null)
    {
        if (null && !host_.may_start(mean_seconds_))
        {
            return false;
        }
        for (auto const& span : holdings.take_unstarted(task))
        {
            holdings.report(null ? done_item(span) : returned_item(span));
        }
        if (null)
        {
            this->learn(null_seconds);
        }
        changed_ = true;
        return true;
    }
    while (holdings.unstarted_of(task) > 0)
    {
        if (settling_ > 4 * capacity_ + 16 || !host_.may_start(mean_seconds_))
        {
            return false;
        }
        auto const result = info->mode == wire::Mode::stream ? this->give_stream(*info)
                                                             : this->start_once(*info);
        if (result != Start::started)
        {
            return result == Start::waits;
        }
    }
    return true;
}

//---------------------------------------------------------------------------//
Slots::Start Slots::start_once(wire::TaskInfo const& info)
{
    auto const cores = this->cores_of(info);
    if (!this->room(cores, info))
    {
        return Start::blocked;
    }
    RangeWork work;
    if (!this->take_work(info, work))
    {
        return Start::started;
    }
    auto& run = runs_.emplace_back(work);
    if (auto const end = run.prepare())
    {
        runs_.pop_back();
        this->settle_one(work, *end);
        return Start::started;
    }
    used_cores_ += cores;
    started_.push_back(work.span);
    return Start::started;
}

//---------------------------------------------------------------------------//
Slots::Start Slots::give_stream(wire::TaskInfo const& info)
{
    std::uint64_t starting = 0;
    for (auto& worker : workers_)
    {
        if (worker.task().task != info.task)
        {
            continue;
        }
        starting += worker.state() == StreamWorker::State::starting ? 1 : 0;
        if (worker.credits() == 0)
        {
            continue;
        }
        RangeWork work;
        if (!this->take_work(info, work))
        {
            return Start::started;
        }
        if (auto const end = worker.prepare(work))
        {
            this->settle_one(work, *end);
        }
        else
        {
            started_.push_back(work.span);
        }
        return Start::started;
    }
    if (starting >= host_.holdings.unstarted_of(info.task))
    {
        return Start::waits;
    }
    auto const trouble = trouble_.find(info.task);
    if (trouble != trouble_.end() && monotonic_seconds() < trouble->second.not_before)
    {
        return Start::waits;
    }
    auto const cores = this->cores_of(info);
    if (!this->room(cores, info))
    {
        return starting > 0 ? Start::waits : Start::blocked;
    }
    auto const* file = host_.catalog.any_file(info.task);
    auto const folder = work_dir_ + "/s" + std::to_string(++worker_number_) + "-t"
                        + std::to_string(static_cast<std::uint32_t>(info.task));
    workers_.emplace_back(info, file ? file->tree : "", folder);
    used_cores_ += cores;
    if (workers_.back().state() != StreamWorker::State::over)
    {
        return Start::started;
    }
    // It never was: charge it now, so that this loop ends.
    this->worker_over(workers_.back());
    workers_.pop_back();
    return Start::waits;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Slots::take_started()
{
    return std::move(started_);
}

//---------------------------------------------------------------------------//
void Slots::launch()
{
    started_.clear();
    auto const now = monotonic_seconds();
    for (auto& run : runs_)
    {
        if (!run.launched() && !run.poll(now))
        {
            run.launch(now);
        }
    }
    for (auto& worker : workers_)
    {
        worker.hand_over(now);
    }
}

//---------------------------------------------------------------------------//
bool Slots::poll(double now)
{
    host_.bundles.poll();
    this->poll_runs(now);
    this->poll_workers(now);
    if (now >= bound_logs_at_)
    {
        bound_logs_at_ = now + log_watch_seconds;
        std::for_each(runs_.begin(), runs_.end(), [](OnceRun& each) { each.bound_logs(); });
        std::for_each(
            workers_.begin(), workers_.end(), [](StreamWorker& each) { each.bound_logs(); });
    }
    bool const changed = changed_;
    changed_ = false;
    return changed;
}

//---------------------------------------------------------------------------//
void Slots::poll_runs(double now)
{
    for (auto it = runs_.begin(); it != runs_.end();)
    {
        if (!it->poll(now))
        {
            ++it;
            continue;
        }
        auto const end = it->end();
        auto const work = it->work();
        used_cores_ -= this->cores_of(*work.task);
        it = runs_.erase(it);
        this->settle_one(work, end);
    }
}

//---------------------------------------------------------------------------//
void Slots::poll_workers(double now)
{
    for (auto it = workers_.begin(); it != workers_.end();)
    {
        auto const credits = it->credits();
        it->poll(now);
        for (auto const& ended : it->take_ended())
        {
            this->settle_one(ended.work, ended.end);
        }
        changed_ = changed_ || it->credits() != credits;
        if (it->credits() > 0)
        {
            trouble_.erase(it->task().task);
            if (it->busy() == 0 && now - it->idle_since() > idle_stream_seconds)
            {
                it->stop();
            }
        }
        if (it->state() == StreamWorker::State::over)
        {
            this->worker_over(*it);
            it = workers_.erase(it);
        }
        else
        {
            ++it;
        }
    }
    if (used_cores_ > capacity_)
    {
        this->shrink();
    }
    for (auto const& each : trouble_)
    {
        changed_ = changed_ || (each.second.not_before <= now && each.second.not_before > now - 1);
    }
}

//---------------------------------------------------------------------------//
void Slots::worker_over(StreamWorker const& worker)
{
    used_cores_ -= this->cores_of(worker.task());
    changed_ = true;
    if (!worker.broken().empty())
    {
        host_.broken(worker.broken());
    }
    else if (!worker.start_failure().empty())
    {
        this->charge_start(worker.task(), worker.start_failure());
    }
}

//---------------------------------------------------------------------------//
/*!
 * A process that ends before it is ready costs one range an attempt, else a wrong command would be
 * tried for ever; and the next try waits, longer each time.
 */
void Slots::charge_start(wire::TaskInfo const& info, std::string const& reason)
{
    auto& trouble = trouble_[info.task];
    double const doubled
        = start_backoff_seconds * static_cast<double>(1 << std::min(trouble.failures, 20));
    double const wait = std::min(doubled, start_backoff_seconds_max);
    ++trouble.failures;
    trouble.not_before = monotonic_seconds() + wait;
    RangeWork work;
    if (host_.holdings.unstarted_of(info.task) > 0 && this->take_work(info, work))
    {
        // A failed report charges the attempt by itself.
        this->settle_one(work, failed_end(reason));
    }
}

//---------------------------------------------------------------------------//
//! Room for \c cores; asks idle processes of other tasks to end if there is none.
bool Slots::room(std::uint32_t cores, wire::TaskInfo const& info)
{
    auto free = capacity_ - std::min(capacity_, used_cores_);
    // Cores may have become fewer than a task wants: it takes all there are.
    cores = std::min(cores, capacity_);
    if (free >= cores)
    {
        return true;
    }
    for (auto& worker : workers_)
    {
        if (worker.task().task == info.task || worker.busy() > 0 || free >= cores)
        {
            continue;
        }
        bool const starts_in_vain = worker.state() == StreamWorker::State::starting
                                    && host_.holdings.unstarted_of(worker.task().task) == 0;
        if (worker.state() == StreamWorker::State::stopping)
        {
            free += this->cores_of(worker.task());
        }
        else if (worker.state() == StreamWorker::State::ready || starts_in_vain)
        {
            worker.stop();
            free += this->cores_of(worker.task());
        }
    }
    return false;
}

//---------------------------------------------------------------------------//
//! Take the task's next range; false (and reported) if the engine never told its file.
bool Slots::take_work(wire::TaskInfo const& info, RangeWork& work)
{
    auto const span = host_.holdings.take(info.task);
    auto const* file = host_.catalog.file(info.task, span.first);
    if (file)
    {
        auto const* bytes = host_.catalog.bytes_of(info.task, span.first);
        work = make_work(span, info, *file, bytes, work_dir_);
        return true;
    }
    log_line("range " + std::to_string(span.first) + " came without its file: it goes back");
    host_.holdings.finish(returned_item(span));
    changed_ = true;
    return false;
}

//---------------------------------------------------------------------------//
void Slots::settle_one(RangeWork const& work, AttemptEnd const& end)
{
    ++settling_;
    changed_ = true;
    if (end.kind == AttemptEnd::Kind::output)
    {
        this->learn(end.wall_seconds);
    }
    settle(work, end, host_.node, host_.bundles, [this](Settled settled) {
        --settling_;
        changed_ = true;
        host_.holdings.finish(std::move(settled.item));
        if (!settled.broken.empty())
        {
            host_.broken(settled.broken);
        }
    });
}

//---------------------------------------------------------------------------//
void Slots::learn(double wall_seconds)
{
    double const weight = mean_seconds_ == 0 ? 1 : mean_weight;
    mean_seconds_ += weight * (wall_seconds - mean_seconds_);
}

//---------------------------------------------------------------------------//
void Slots::stop(HeldSpan const& span, AttemptEnd const& end, bool at_once)
{
    for (auto& run : runs_)
    {
        if (!(key_of(run.work().span) < key_of(span)) && !(key_of(span) < key_of(run.work().span)))
        {
            run.stop(end, at_once);
        }
    }
    for (auto& worker : workers_)
    {
        if (worker.task().task == span.task)
        {
            worker.cancel(span, end, at_once);
        }
    }
}

//---------------------------------------------------------------------------//
void Slots::stop_all(AttemptEnd const& end, bool at_once)
{
    for (auto const& span : host_.holdings.running())
    {
        this->stop(span, end, at_once);
    }
}

//---------------------------------------------------------------------------//
void Slots::stop_idle_workers()
{
    for (auto& worker : workers_)
    {
        if (worker.busy() == 0)
        {
            worker.stop();
        }
    }
}

//---------------------------------------------------------------------------//
void Slots::kill_all()
{
    for (auto& worker : workers_)
    {
        worker.kill("the pilot ends");
    }
    for (auto& run : runs_)
    {
        run.stop(lost_end("the pilot ends"), true);
    }
}

//---------------------------------------------------------------------------//
void Slots::add_descriptors(std::vector<pollfd>& out) const
{
    out.push_back({host_.bundles.descriptor(), POLLIN, 0});
    for (auto const& worker : workers_)
    {
        worker.add_descriptors(out);
    }
}

//---------------------------------------------------------------------------//
double Slots::next_deadline() const
{
    double next = runs_.empty() && workers_.empty() ? never : bound_logs_at_;
    for (auto const& run : runs_)
    {
        next = std::min(next, run.next_deadline());
    }
    for (auto const& worker : workers_)
    {
        next = std::min(next, worker.next_deadline());
    }
    for (auto const& each : trouble_)
    {
        if (each.second.not_before > monotonic_seconds())
        {
            next = std::min(next, each.second.not_before);
        }
    }
    return next;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
