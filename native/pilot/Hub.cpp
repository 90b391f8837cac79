/*!
 * \file pilot/Hub.cpp
 */
#include "pilot/Hub.hpp"

#include <algorithm>

#include "pilot/Log.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr double state_seconds = 1;
//! How long a takeover waits for the last ranks once enough have joined.
constexpr double gather_seconds = 2;
//! How long the last verdicts are awaited.
constexpr double last_verdicts_seconds = 30;
constexpr std::uint64_t want_max = 1000000;
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Hub::Hub(HubOptions options, Transport& transport)
    : options_{std::move(options)}
    , transport_{transport}
    , connection_{{options_.access_path,
                   options_.give_up_seconds,
                   [this] { return this->hello(); },
                   [this] {
                       return wire::Heartbeat{this->free_slots(), this->seconds_left()};
                   },
                   [this](wire::Welcome& welcome) { this->on_welcome(welcome); },
                   [this](wire::Message& message) { this->on_message(message); },
                   [this] { line_.take_back(); }}}
    , hearing_{transport.rank(), options_.silence_seconds, monotonic_seconds()}
    , gathering_{options_.takeover}
    , gathering_since_{monotonic_seconds()}
{
}

//---------------------------------------------------------------------------//
double Hub::seconds_left() const
{
    return wall_end_ == never ? -1 : std::max(0.0, wall_end_ - monotonic_seconds());
}

//---------------------------------------------------------------------------//
std::uint64_t Hub::want() const
{
    if (draining_)
    {
        return 0;
    }
    std::uint64_t total = 0;
    for (auto const& each : members_)
    {
        total += each.second.joined ? each.second.want : 0;
    }
    total -= std::min(total, book_.bag_ranges());
    return std::min(total, want_max);
}

//---------------------------------------------------------------------------//
std::uint32_t Hub::free_slots() const
{
    std::uint32_t total = 0;
    for (auto const& each : members_)
    {
        total += each.second.joined ? each.second.free_slots : 0;
    }
    return total;
}

//---------------------------------------------------------------------------//
void Hub::receive(int from, wire::Message& message, double now)
{
    if (auto const* hello = std::get_if<wire::Hello>(&message))
    {
        this->on_hello(from, *hello, now);
        return;
    }
    auto& member = members_[from];
    if (!member.joined)
    {
        // It was dropped, or belongs to the hub before: it must say what it holds first.
        transport_.send(from, Lane::to_node, wire::Fault{"timed_out", "say hello again"});
        return;
    }
    hearing_.rank(from, now);
    if (auto* exchange = std::get_if<wire::Exchange>(&message))
    {
        this->on_exchange(from, member, *exchange);
    }
    else if (auto const* started = std::get_if<wire::Started>(&message))
    {
        for (auto const& span : spans_of(started->spans))
        {
            book_.mark(from, span, Book::State::started);
            started_.push_back(span);
        }
    }
    else if (auto const* beat = std::get_if<wire::Heartbeat>(&message))
    {
        member.free_slots = beat->free_slots;
    }
    else if (auto* notice = std::get_if<wire::BundleNotice>(&message))
    {
        notice->node = member.row;
        notices_[notice->number] = *notice;
        connection_.send(*notice);
    }
    else if (auto const* resources = std::get_if<wire::Resources>(&message))
    {
        if (!member.draining && resources->nodes.size() == 1)
        {
            rows_[member.row] = resources->nodes[0];
            rows_changed_ = true;
        }
    }
    else if (std::get_if<wire::Drain>(&message))
    {
        member.draining = true;
        member.want = 0;
        rows_[member.row].slots = 0;
        rows_changed_ = true;
    }
}

//---------------------------------------------------------------------------//
void Hub::on_hello(int from, wire::Hello const& hello, double now)
{
    auto& member = members_[from];
    bool const known = member.session > 0;
    if (!known)
    {
        member.row = static_cast<std::uint32_t>(rows_.size());
        rows_.push_back(hello.nodes.empty() ? wire::NodeResources{} : hello.nodes[0]);
    }
    else if (!hello.nodes.empty())
    {
        rows_[member.row] = hello.nodes[0];
    }
    rows_changed_ = true;
    auto const row = member.row;
    auto const session = member.session + 1;
    member = Member{};
    member.joined = true;
    member.row = row;
    member.session = session;
    member.want = hello.want;
    member.free_slots = hello.free_slots;
    hearing_.rank(from, now);
    wire::Welcome welcome;
    welcome.engine_id = options_.pilot_id;
    welcome.session = options_.generation;
    welcome.heartbeat_ms = hello.generation;
    auto const held = spans_of(hello.held);
    std::vector<HeldSpan> refused;
    for (auto const& span : held)
    {
        if (gathering_)
        {
            book_.assign(from, span);
            continue;
        }
        auto const foreign = book_.foreign(from, span);
        refused.insert(refused.end(), foreign.begin(), foreign.end());
    }
    auto const left = book_.leave(from, held);
    book_.put_back(left.unstarted);
    this->report_lost(left.started, "its rank forgot it", row);
    welcome.refused = blocks_of(std::move(refused));
    transport_.send(from, Lane::to_node, std::move(welcome));
    if (draining_)
    {
        transport_.send(from, Lane::to_node, wire::Drain{drain_reason_, -1});
    }
    state_at_ = 0;
    this->distribute();
}

//---------------------------------------------------------------------------//
void Hub::on_exchange(int from, Member& member, wire::Exchange& exchange)
{
    member.want = member.draining ? 0 : exchange.want;
    member.free_slots = exchange.free_slots;
    for (auto& report : exchange.reports)
    {
        report.node = member.row;
        for (auto const& span : spans_of({report.spans}))
        {
            book_.mark(from, span, Book::State::reported);
        }
    }
    line_.add({from, member.session, exchange.sequence, std::move(exchange.reports)});
    this->distribute();
}

//---------------------------------------------------------------------------//
/*!
 * Share the bag out: free slots first, since what one rank holds ahead must not starve another,
 * then by what the ranks want.
 */
void Hub::distribute()
{
    if (draining_)
    {
        return;
    }
    this->share_out([](Member const& member) {
        return std::min<std::uint64_t>(member.want, member.free_slots);
    });
    this->share_out([](Member const& member) { return member.want; });
}

//---------------------------------------------------------------------------//
//! By deficit, rounded down; what is left over goes one by one, each time from another rank on.
void Hub::share_out(std::function<std::uint64_t(Member const&)> const& need)
{
    std::vector<std::pair<int, std::uint64_t>> shares;
    std::uint64_t wanted = 0;
    for (auto const& each : members_)
    {
        auto const count = each.second.joined ? need(each.second) : 0;
        if (count > 0)
        {
            shares.emplace_back(each.first, count);
            wanted += count;
        }
    }
    auto const there = std::min(book_.bag_ranges(), wanted);
    if (there == 0)
    {
        return;
    }
    auto left = there;
    for (auto& share : shares)
    {
        share.second = share.second * there / wanted;
        left -= share.second;
    }
    // Fewer are left than there are shares.
    for (; left > 0; --left)
    {
        ++shares[turn_++ % shares.size()].second;
    }
    for (auto const& share : shares)
    {
        if (share.second > 0)
        {
            this->give(share.first, members_[share.first], book_.take(share.second));
        }
    }
}

//---------------------------------------------------------------------------//
void Hub::give(int rank, Member& member, std::vector<HeldSpan> const& spans)
{
    wire::Grant grant;
    std::vector<HeldSpan> told;
    auto const tell_once = [&member](wire::TaskId task, std::uint32_t const* file) {
        return file ? member.told_files.insert({task, *file}).second
                    : member.told_tasks.insert(task).second;
    };
    for (auto const& span : spans)
    {
        if (catalog_.describe(span, tell_once, grant.body))
        {
            told.push_back(span);
            book_.assign(rank, span);
            member.want -= std::min<std::uint64_t>(member.want, span.count);
            member.free_slots -= std::min(member.free_slots, span.count);
        }
        else
        {
            // Held since before a takeover: this hub was never told what it is.
            this->give_back({span});
        }
    }
    grant.body.spans = blocks_of(std::move(told));
    if (!grant.body.spans.empty())
    {
        transport_.send(rank, Lane::to_node, std::move(grant));
    }
}

//---------------------------------------------------------------------------//
void Hub::drop_rank(int rank, std::string const& why)
{
    auto& member = members_[rank];
    auto const name = rows_[member.row].name;
    member.joined = false;
    hearing_.forget(rank);
    member.want = 0;
    rows_[member.row].slots = 0;
    rows_changed_ = true;
    auto const left = book_.leave(rank);
    log_line("rank " + std::to_string(rank) + " on " + name + " is dropped: " + why + " ("
             + std::to_string(ranges_in(left.started)) + " ranges had started, "
             + std::to_string(ranges_in(left.unstarted)) + " had not)");
    this->report_lost(left.started, "rank on node " + name + " is gone (" + why + ")", member.row);
    book_.put_back(left.unstarted);
    if (draining_)
    {
        this->give_back(book_.take_bag());
    }
    this->distribute();
}

//---------------------------------------------------------------------------//
void Hub::watch_ranks(double now)
{
    hearing_.engine(connection_.heard_at());
    if (hearing_.doubts(now))
    {
        connection_.ask();
    }
    for (int const rank : hearing_.gone(now))
    {
        this->drop_rank(rank, "it was silent for too long");
    }
}

//---------------------------------------------------------------------------//
void Hub::tell_state(double now)
{
    if (now < state_at_)
    {
        return;
    }
    state_at_ = now + state_seconds;
    HubState state;
    state.kind = gathering_ ? HubState::gathering : HubState::alive;
    state.term = options_.generation;
    bool const away = !connection_.ready() && now - connection_.heard_at() > lease_term_seconds_;
    state.paused = gathering_ || away || hearing_.cut_off(now) ? 1 : 0;
    state.seconds_left = this->seconds_left();
    for (int rank = 0; rank < transport_.size(); ++rank)
    {
        transport_.send(rank, state);
    }
}

//---------------------------------------------------------------------------//
void Hub::drain(std::string const& reason, double seconds, Exit code)
{
    if (!draining_)
    {
        draining_ = true;
        drain_reason_ = reason;
        exit_code_ = code;
        this->give_back(book_.take_bag());
        connection_.send(wire::Drain{reason, seconds < 0 ? this->seconds_left() : seconds});
    }
    for (auto const& each : members_)
    {
        if (each.second.joined)
        {
            transport_.send(
                each.first, Lane::to_node, wire::Drain{reason, seconds < 0 ? -1 : seconds});
        }
    }
}

//---------------------------------------------------------------------------//
void Hub::start_if_gathered(double now)
{
    auto const joined = std::count_if(
        members_.begin(), members_.end(), [](auto const& each) { return each.second.joined; });
    auto const others = static_cast<int>(joined) - (members_.count(transport_.rank()) ? 1 : 0);
    double const waited = now - gathering_since_;
    bool const enough = others >= options_.quorum && waited > gather_seconds;
    if (others >= options_.others || enough || waited > 3 * options_.silence_seconds)
    {
        log_line("taking over the session with " + std::to_string(joined) + " ranks, generation "
                 + std::to_string(options_.generation));
        gathering_ = false;
        state_at_ = 0;
    }
}

//---------------------------------------------------------------------------//
void Hub::end_if_drained(double now)
{
    bool const all_drain = !members_.empty()
                           && std::all_of(members_.begin(), members_.end(), [](auto const& each) {
                                  return !each.second.joined || each.second.draining;
                              });
    if (all_drain && !draining_)
    {
        this->drain("all its nodes drain", -1, Exit::ok);
    }
    if (!draining_)
    {
        return;
    }
    if (book_.empty() && line_.empty())
    {
        this->end(exit_code_, drain_reason_);
        return;
    }
    // Nothing runs any more, but the engine does not answer.
    bool const idle = book_.assigned() == 0;
    drained_since_ = idle && !connection_.ready() ? std::min(drained_since_, now) : never;
    double const patience = std::min(last_verdicts_seconds, wall_end_ - now - 1);
    if (drained_since_ != never && now - drained_since_ > patience)
    {
        this->end(Exit::unreachable, "the last verdicts did not come");
    }
}

//---------------------------------------------------------------------------//
void Hub::end(Exit code, std::string const& reason)
{
    connection_.send(wire::Bye{reason.substr(0, 500)});
    connection_.poll(monotonic_seconds());
    HubState state;
    state.kind = HubState::leave;
    state.term = options_.generation;
    state.exit_code = static_cast<std::uint32_t>(code);
    for (int rank = 0; rank < transport_.size(); ++rank)
    {
        transport_.send(rank, state);
    }
    ending_ = Ending{code, reason};
}

//---------------------------------------------------------------------------//
bool Hub::poll(double now)
{
    if (ending_ || superseded_)
    {
        return false;
    }
    if (gathering_)
    {
        this->tell_state(now);
        this->start_if_gathered(now);
        return false;
    }
    // The first hello waits for this rank's own node, which is a matter of microseconds.
    bool moved = !members_.empty() && connection_.poll(now);
    this->watch_ranks(now);
    this->flush();
    moved = connection_.poll(now) || moved;
    this->tell_state(now);
    this->end_if_drained(now);
    if (auto const& ending = connection_.ending(); ending && !ending_)
    {
        if (ending->code == Exit::conflict && transport_.size() > 1)
        {
            log_line("another process has taken over: " + ending->reason);
            connection_.close();
            superseded_ = true;
        }
        else
        {
            this->end(ending->code, ending->reason);
        }
    }
    return moved;
}

//---------------------------------------------------------------------------//
double Hub::next_deadline() const
{
    return std::min(connection_.next_deadline(), state_at_);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
