/*!
 * \file pilot/StreamWorker.cpp
 */
#include "pilot/StreamWorker.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pilot/Files.hpp"
#include "pilot/Json.hpp"
#include "pilot/Placeholders.hpp"
#include "pilot/RangeMessage.hpp"
#include "pilot/Stopped.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! Real payloads need up to 15 minutes before they are ready.
constexpr double start_seconds_max = 1800;
//! An idle process that was asked to stop.
constexpr double stop_grace_seconds = 10;
constexpr double cancel_seconds = 2;
//! How long what a dead process wrote may take to arrive.
constexpr double last_words_seconds = 1;
constexpr double closed_grace_seconds = 0.5;
constexpr std::uint32_t credits_max = 1024;
constexpr std::size_t log_bytes_max = 64 * 1024;

void close_descriptor(int& descriptor)
{
    if (descriptor >= 0)
    {
        close(descriptor);
    }
    descriptor = -1;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
StreamWorker::StreamWorker(wire::TaskInfo const& task, std::string const& tree, std::string folder)
    : task_{task}, folder_{std::move(folder)}
{
    if (!this->start(tree))
    {
        state_ = State::over;
    }
    limit_at_ = monotonic_seconds() + std::max(start_seconds_max, task_.timeout_seconds);
}

//---------------------------------------------------------------------------//
StreamWorker::~StreamWorker()
{
    close_descriptor(read_);
    close_descriptor(write_);
    out_.close();
    err_.close();
    remove_tree(folder_);
}

//---------------------------------------------------------------------------//
bool StreamWorker::start(std::string const& tree)
{
    ProcessPlan plan;
    PlaceholderValues const values{
        {"workdir", folder_}, {"taskdir", task_.task_dir}, {"tree", tree}};
    std::string missing;
    if (!fill_command(task_.command, values, plan.argv, missing))
    {
        start_failure_ = "a stream payload's command can't have {" + missing + "}";
        return false;
    }
    int code = make_folder(folder_);
    code = code == 0 ? out_.open(folder_ + ".out") : code;
    code = code == 0 ? err_.open(folder_ + ".err") : code;
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    if (code == 0
        && (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0
            || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out) != 0))
    {
        code = errno;
    }
    if (code != 0)
    {
        close_descriptor(in[0]);
        close_descriptor(in[1]);
        broken_ = "the payload's folder could not be prepared (" + system_problem(folder_, code)
                  + ")";
        start_failure_ = broken_;
        return false;
    }
    bool const fd3 = task_.channel == wire::Channel::fd3;
    plan.limits = payload_limits();
    plan.folder = folder_;
    plan.environment = payload_environment(task_, folder_);
    plan.descriptors = {in[1], out[1], err_.descriptor()};
    if (fd3)
    {
        plan.descriptors = {-1, out_.descriptor(), err_.descriptor(), in[1], out[1]};
    }
    process_.start(plan);
    close(in[1]);
    close(out[1]);
    write_ = in[0];
    read_ = out[0];
    fcntl(write_, F_SETFL, O_NONBLOCK);
    fcntl(read_, F_SETFL, O_NONBLOCK);
    return true;
}

//---------------------------------------------------------------------------//
std::optional<AttemptEnd> StreamWorker::prepare(RangeWork const& work)
{
    auto const changed = input_problem(work.file);
    if (!changed.empty())
    {
        return fatal_end(changed);
    }
    Given given;
    given.work = work;
    int code = make_folder(work.folder);
    std::string path = work.folder;
    if (code == 0 && wants_slices_ && work.has_bytes)
    {
        code = write_slice(work, given.slice);
        path = given.slice;
    }
    if (code != 0)
    {
        return preparation_end("the range's folder could not be prepared", path, code);
    }
    --credits_;
    prepared_[range_id(work.span)] = std::move(given);
    return std::nullopt;
}

//---------------------------------------------------------------------------//
void StreamWorker::hand_over(double now)
{
    auto prepared = std::move(prepared_);
    prepared_.clear();
    for (auto& each : prepared)
    {
        auto& given = each.second;
        if (given.ordered || state_ != State::ready)
        {
            ++credits_;
            auto end = given.ordered ? *given.ordered
                                     : failed_end("the payload ended before it had the range");
            ended_.push_back({given.work, std::move(end)});
            continue;
        }
        given.started_at = now;
        double const timeout = task_.timeout_seconds;
        given.deadline = timeout > 0 ? now + timeout : never;
        this->say(range_message(given.work, each.first, given.slice, timeout));
        given_[each.first] = std::move(given);
    }
    this->write_some();
}

//---------------------------------------------------------------------------//
void StreamWorker::say(std::string const& line)
{
    if (write_ >= 0)
    {
        to_write_ += line + "\n";
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::write_some()
{
    while (write_ >= 0 && !to_write_.empty())
    {
        auto const done = send(write_, to_write_.data(), to_write_.size(), MSG_NOSIGNAL);
        if (done < 0)
        {
            if (errno == EINTR)
            {
                continue;
            }
            if (errno != EAGAIN)
            {
                this->close_writer();
            }
            return;
        }
        to_write_.erase(0, static_cast<std::size_t>(done));
    }
    if (close_when_written_ && to_write_.empty())
    {
        this->close_writer();
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::close_writer()
{
    close_descriptor(write_);
    to_write_.clear();
}

//---------------------------------------------------------------------------//
void StreamWorker::read_all()
{
    char chunk[65536];
    while (read_ >= 0)
    {
        auto const got = read(read_, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
        {
            continue;
        }
        if (got < 0 && errno == EAGAIN)
        {
            return;
        }
        auto const now = monotonic_seconds();
        auto const lines = got > 0 ? lines_.push(chunk, static_cast<std::size_t>(got))
                                   : lines_.finish();
        for (auto const& line : lines)
        {
            this->on_line(parse_payload_line(line.text, line.cut), now);
        }
        if (got <= 0)
        {
            close_descriptor(read_);
            // Who closed its side of the channel can't answer any more.
            // It has mostly ended by then, and of what is told by wait: an order to stop may wait.
            if (state_ == State::ready || state_ == State::starting)
            {
                credits_ = 0;
                closed_limit_at_ = now + closed_grace_seconds;
            }
        }
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::on_line(PayloadLine const& line, double now)
{
    using Kind = PayloadLine::Kind;
    if (line.kind == Kind::log)
    {
        log_ += line.text + "\n";
        log_.erase(0, log_.size() - std::min(log_.size(), log_bytes_max));
        return;
    }
    if (!problem_.empty() || line.kind == Kind::progress)
    {
        return;
    }
    if (line.kind == Kind::breach)
    {
        this->drop(line.text);
    }
    else if (line.kind == Kind::hello)
    {
        if (greeted_)
        {
            this->drop("it said hello twice");
        }
        greeted_ = true;
        wants_slices_ = line.slice;
    }
    else if (!greeted_)
    {
        this->drop("its first word was not hello");
    }
    else if (line.kind == Kind::ready)
    {
        this->on_ready(line.credits);
    }
    else
    {
        this->on_answer(line, now);
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::on_ready(std::uint32_t credits)
{
    ever_ready_ = true;
    if (state_ != State::stopping)
    {
        limit_at_ = never;
    }
    if (state_ == State::starting)
    {
        state_ = State::ready;
    }
    credits_ = std::min(credits_ + credits, credits_max);
}

//---------------------------------------------------------------------------//
void StreamWorker::on_answer(PayloadLine const& line, double now)
{
    auto const found = given_.find(line.id);
    if (found == given_.end())
    {
        this->drop("it answered for a range that it was not given or had answered (" + line.id
                   + ")");
        return;
    }
    auto given = std::move(found->second);
    given_.erase(found);
    idle_since_ = now;
    double const wall = now - given.started_at;
    AttemptEnd end;
    if (given.ordered)
    {
        end = *given.ordered;
        end.wall_seconds = wall;
    }
    else if (line.kind == PayloadLine::Kind::failed)
    {
        end = failed_end(line.text, wall);
        end.kind = line.fatal ? AttemptEnd::Kind::fatal : AttemptEnd::Kind::failed;
    }
    else
    {
        end = done_end(given.work, line, wall);
    }
    ended_.push_back({std::move(given.work), std::move(end)});
    if (this->busy() == 0 && this->credits() == 0 && state_ == State::ready)
    {
        // It may tidy up before it takes more, but not for ever: it holds cores meanwhile.
        limit_at_ = now + (task_.timeout_seconds > 0 ? task_.timeout_seconds : start_seconds_max);
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::cancel(HeldSpan const& span, AttemptEnd end, bool at_once)
{
    auto const id = range_id(span);
    auto const waiting = prepared_.find(id);
    if (waiting != prepared_.end())
    {
        waiting->second.ordered = std::move(end);
        return;
    }
    auto const found = given_.find(id);
    if (found == given_.end())
    {
        return;
    }
    found->second.ordered = std::move(end);
    if (at_once)
    {
        this->kill("it was stopped with another range");
        return;
    }
    found->second.deadline = monotonic_seconds() + cancel_seconds;
    this->say("{\"cancel\":" + json_quote(id) + "}");
    this->write_some();
}

//---------------------------------------------------------------------------//
void StreamWorker::stop()
{
    if (state_ == State::over || state_ == State::stopping)
    {
        return;
    }
    bool const was_ready = state_ == State::ready;
    state_ = State::stopping;
    limit_at_ = never;
    if (!was_ready)
    {
        process_.stop();
        return;
    }
    this->say("{\"stop\":{\"deadline\":" + json_number(wall_seconds() + stop_grace_seconds) + "}}");
    close_when_written_ = true;
    this->write_some();
    limit_at_ = monotonic_seconds() + stop_grace_seconds;
}

//---------------------------------------------------------------------------//
void StreamWorker::kill(std::string const& why)
{
    problem_ = problem_.empty() ? why : problem_;
    state_ = state_ == State::over ? state_ : State::stopping;
    process_.kill();
}

//---------------------------------------------------------------------------//
void StreamWorker::drop(std::string const& problem)
{
    problem_ = problem_.empty() ? problem : problem_;
    if (state_ == State::over)
    {
        return;
    }
    if (!ever_ready_ && start_failure_.empty())
    {
        start_failure_ = "payload was dropped: " + problem;
    }
    state_ = State::stopping;
    process_.stop();
}

//---------------------------------------------------------------------------//
void StreamWorker::watch(double now)
{
    if (now >= closed_limit_at_)
    {
        closed_limit_at_ = never;
        process_.stop();
    }
    if (now >= limit_at_)
    {
        limit_at_ = never;
        if (state_ == State::stopping)
        {
            process_.stop();
        }
        else
        {
            this->drop(state_ == State::starting ? "it was not ready in time"
                                                 : "it gave no credit after its answer");
        }
    }
    for (auto& each : given_)
    {
        auto& given = each.second;
        if (now < given.deadline)
        {
            continue;
        }
        given.deadline = never;
        if (given.ordered)
        {
            this->drop("it was stopped because it did not answer to cancel");
        }
        else
        {
            given.ordered
                = failed_end("timed out after " + json_number(task_.timeout_seconds) + " s");
            this->drop("it was stopped because a range of it timed out");
        }
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::poll(double now)
{
    if (state_ == State::over)
    {
        return;
    }
    this->write_some();
    this->read_all();
    this->watch(now);
    if (process_.poll(now))
    {
        eof_at_ = std::min(eof_at_, now + last_words_seconds);
        if (read_ < 0 || now >= eof_at_)
        {
            this->finish(now);
        }
    }
}

//---------------------------------------------------------------------------//
void StreamWorker::finish(double now)
{
    bool const was_stopping = state_ == State::stopping;
    state_ = State::over;
    credits_ = 0;
    auto const lines = last_lines({err_.tail(), out_.tail(), log_});
    auto const said = lines.empty() ? "" : ": " + lines;
    auto const why = describe(process_.end());
    if (!ever_ready_ && !was_stopping)
    {
        start_failure_ = why + (process_.end().problem.empty() ? " before it was ready" : "");
    }
    start_failure_ += start_failure_.empty() ? "" : said;
    problem_ = problem_.empty() ? why : problem_;
    this->hand_over(now);
    for (auto& each : given_)
    {
        auto& given = each.second;
        auto end = given.ordered
                       ? *given.ordered
                       : ended_badly(process_.end(), "payload was lost (" + problem_ + ")" + said);
        end.reason += given.ordered && end.kind == AttemptEnd::Kind::failed ? said : "";
        end.wall_seconds = now - given.started_at;
        ended_.push_back({std::move(given.work), std::move(end)});
    }
    given_.clear();
    close_descriptor(read_);
    this->close_writer();
}

//---------------------------------------------------------------------------//
std::vector<StreamWorker::Ended> StreamWorker::take_ended()
{
    auto ended = std::move(ended_);
    ended_.clear();
    return ended;
}

//---------------------------------------------------------------------------//
void StreamWorker::add_descriptors(std::vector<pollfd>& out) const
{
    if (read_ >= 0)
    {
        out.push_back({read_, POLLIN, 0});
    }
    if (write_ >= 0 && !to_write_.empty())
    {
        out.push_back({write_, POLLOUT, 0});
    }
}

//---------------------------------------------------------------------------//
double StreamWorker::next_deadline() const
{
    double next = std::min({limit_at_, closed_limit_at_, eof_at_, process_.next_deadline()});
    for (auto const& each : given_)
    {
        next = std::min(next, each.second.deadline);
    }
    return state_ == State::over ? never : next;
}

//---------------------------------------------------------------------------//
void StreamWorker::bound_logs()
{
    out_.bound();
    err_.bound();
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
