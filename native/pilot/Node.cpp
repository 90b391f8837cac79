/*!
 * \file pilot/Node.cpp
 */
#include "pilot/Node.hpp"

#include <algorithm>
#include <cmath>

#include "pilot/Clock.hpp"
#include "pilot/Log.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! Last part of a walltime that is kept for stopping payloads and delivering what was done.
//! Work goes on until 5 s before the end at most; what began a second before that may end.
constexpr double wall_lead_seconds = 4;
constexpr double wall_lead_share = 0.1;
constexpr std::size_t in_flight_max = 2;
//! Keeps a frame far below its limit even if each item has a reason of its own.
constexpr std::size_t items_per_exchange_max = 1024;
constexpr double hello_again_seconds = 3;
constexpr double heartbeat_seconds = 1;
constexpr std::size_t columns_kept = 64;
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Node::Node(NodeOptions options, Transport& transport)
    : options_{std::move(options)}
    , transport_{transport}
    , bundles_{static_cast<std::uint32_t>(transport.rank()),
               static_cast<std::uint32_t>(transport.size())}
    , slots_{options_.row.slots,
             options_.work_dir,
             {holdings_,
              catalog_,
              bundles_,
              options_.row.name,
              [this](double mean) { return this->may_start(mean); },
              [this](std::string const& why) { this->drain(why, -1, Exit::store_io); }}}
    , health_{{options_.work_dir, options_.bundles_dir}}
    , figures_{transport.rank(), wall_seconds()}
    , heard_at_{monotonic_seconds()}
{
}

//---------------------------------------------------------------------------//
double Node::seconds_left(double now) const
{
    return wall_end_ == never ? -1 : std::max(0.0, wall_end_ - now);
}

//---------------------------------------------------------------------------//
void Node::join(int hub, double now)
{
    hub_ = hub;
    welcomed_ = false;
    hello_again_at_ = now + hello_again_seconds;
    in_flight_.clear();
    announced_.clear();
    holdings_.unsend();
    wire::Hello hello;
    hello.generation = ++hellos_;
    hello.nodes = {this->row()};
    hello.held = holdings_.held();
    hello.want = this->want();
    hello.free_slots = slots_.free_places();
    hello.seconds_left = this->seconds_left(now);
    parked_ = hello.want;
    transport_.send(hub, Lane::to_hub, std::move(hello));
}

//---------------------------------------------------------------------------//
void Node::say(wire::Message message)
{
    transport_.send(hub_, Lane::to_hub, std::move(message));
}

//---------------------------------------------------------------------------//
//! Ranges beyond those held: what could start now, and the reserve.
std::uint64_t Node::want() const
{
    if (draining_ || !health_.problem().empty() || holdings_.items() > Holdings::items_max)
    {
        return 0;
    }
    auto const wanted = slots_.free_places() + this->reserve();
    return wanted - std::min(wanted, holdings_.unstarted_ranges());
}

//---------------------------------------------------------------------------//
//! What the slots eat until the next ranges come.
std::uint64_t Node::reserve() const
{
    double const mean = slots_.mean_seconds();
    double const eaten = mean == 0 ? slots_.capacity()
                                   : std::ceil(slots_.capacity() * round_trips_.refill() / mean);
    return static_cast<std::uint64_t>(
        std::min(eaten + 1, static_cast<double>(options_.prefetch_max)));
}

//---------------------------------------------------------------------------//
bool Node::may_start(double mean_seconds) const
{
    auto const now = monotonic_seconds();
    auto const left = this->seconds_left(now);
    if (draining_ || suspicious_ || !health_.problem().empty() || (left >= 0 && left - this->wall_lead() < mean_seconds))
    {
        return false;
    }
    return welcomed_ && !paused_ && now - heard_at_ < options_.silence_seconds;
}

//---------------------------------------------------------------------------//
void Node::receive(int from, HubState const& state, double now)
{
    if (from != hub_)
    {
        return;
    }
    heard_at_ = now;
    flush_due_ = flush_due_ || (paused_ && !state.paused);
    paused_ = state.paused;
    term_ = std::max(term_, state.term);
    if (state.seconds_left >= 0)
    {
        wall_end_ = now + state.seconds_left;
        wall_seconds_ = wall_seconds_ == never ? state.seconds_left : wall_seconds_;
    }
    else
    {
        wall_end_ = never;
    }
}

//---------------------------------------------------------------------------//
void Node::receive(int from, wire::Message& message, double now)
{
    if (from != hub_)
    {
        return;
    }
    heard_at_ = now;
    flush_due_ = true;
    if (auto* welcome = std::get_if<wire::Welcome>(&message))
    {
        // An answer to an older hello is none: the hub takes all back that it gives with it.
        if (welcome->heartbeat_ms == hellos_)
        {
            this->on_welcome(*welcome);
        }
    }
    else if (!welcomed_)
    {
        return;
    }
    else if (std::get_if<wire::Fault>(&message))
    {
        // The hub has dropped this rank meanwhile (it was silent): it starts anew. It says so of
        // each message that it had not read.
        this->join(from, now);
    }
    else if (auto const* grant = std::get_if<wire::Grant>(&message))
    {
        this->on_grant(grant->body);
    }
    else if (auto const* verdicts = std::get_if<wire::Verdicts>(&message))
    {
        this->on_verdicts(*verdicts);
    }
    else if (auto const* recall = std::get_if<wire::Recall>(&message))
    {
        this->on_recall(*recall);
    }
    else if (auto const* drain = std::get_if<wire::Drain>(&message))
    {
        this->drain(drain->reason, drain->seconds_left);
    }
}

//---------------------------------------------------------------------------//
void Node::on_welcome(wire::Welcome& welcome)
{
    welcomed_ = true;
    suspicious_ = false;
    hello_again_at_ = never;
    sequence_ = 0;
    term_ = welcome.session;
    if (pilot_id_.empty())
    {
        pilot_id_ = welcome.engine_id;
        auto const prefix = safe_name(pilot_id_) + ".g" + std::to_string(term_) + ".n"
                            + std::to_string(transport_.rank());
        bundles_.place(options_.bundles_dir, prefix);
        spool_ = Spool{options_.bundles_dir + "/" + prefix};
    }
    if (auto const refused = count_ranges(welcome.refused); refused > 0)
    {
        log_line(std::to_string(refused) + " ranges held here are others' by now");
    }
    for (auto const& span : holdings_.refuse(welcome.refused))
    {
        slots_.stop(span, {}, false);
    }
    // The hub may never have got any of these words, or is another one.
    auto const running = holdings_.running();
    if (!running.empty())
    {
        this->say(wire::Started{blocks_of(running)});
    }
    this->on_grant(welcome.grant);
    if (draining_)
    {
        this->say(wire::Drain{drain_reason_, -1});
    }
}

//---------------------------------------------------------------------------//
void Node::on_grant(wire::GrantBody const& body)
{
    catalog_.learn(body);
    holdings_.add(body.spans);
    auto const ranges = count_ranges(body.spans);
    if (ranges > 0)
    {
        figures_.granted();
    }
    parked_ -= std::min(parked_, ranges);
    if (catalog_.columns() > prune_at_)
    {
        catalog_.prune([this](wire::TaskId task, wire::RangeIndex first, wire::RangeIndex end) {
            return holdings_.overlaps(task, first, end);
        });
        prune_at_ = 2 * catalog_.columns() + columns_kept;
    }
    if (draining_)
    {
        this->return_unstarted();
    }
}

//---------------------------------------------------------------------------//
void Node::on_verdicts(wire::Verdicts const& verdicts)
{
    auto const sent = in_flight_.find(verdicts.sequence);
    if (sent == in_flight_.end())
    {
        return;
    }
    round_trips_.add(monotonic_seconds() - sent->second.sent_at);
    in_flight_.erase(sent);
    holdings_.answered(verdicts.sequence);
}

//---------------------------------------------------------------------------//
void Node::on_recall(wire::Recall const& recall)
{
    for (auto const& span : spans_of(recall.spans))
    {
        for (auto const& part : holdings_.release(span))
        {
            holdings_.report(returned_item(part));
        }
        if (recall.stop)
        {
            for (auto const& part : holdings_.running_in(span))
            {
                slots_.stop(part, {}, false);
            }
        }
    }
}

//---------------------------------------------------------------------------//
void Node::return_unstarted()
{
    for (auto const& span : holdings_.take_unstarted())
    {
        holdings_.report(returned_item(span));
    }
}

//---------------------------------------------------------------------------//
void Node::drain(std::string const& reason, double seconds, Exit code)
{
    if (!draining_)
    {
        log_line("draining: " + reason);
        draining_ = true;
        drain_reason_ = reason;
        exit_code_ = code;
        figures_.drains();
        this->return_unstarted();
        slots_.stop_idle_workers();
        if (welcomed_)
        {
            this->say(wire::Drain{reason, seconds < 0 ? -1 : seconds});
        }
    }
    if (seconds >= 0)
    {
        stop_at_ = std::min(stop_at_, monotonic_seconds() + seconds);
    }
    flush_due_ = true;
}

//---------------------------------------------------------------------------//
bool Node::drained() const
{
    return draining_ && holdings_.items() == 0 && slots_.active() == 0;
}

//---------------------------------------------------------------------------//
double Node::wall_lead() const
{
    return std::min(wall_lead_seconds, wall_lead_share * wall_seconds_);
}

//---------------------------------------------------------------------------//
void Node::watch_wall(double now)
{
    if (now >= stop_at_)
    {
        stop_at_ = never;
        this->stop_running(drain_reason_, now);
    }
    if (wall_end_ == never)
    {
        return;
    }
    double const spare = wall_end_ - now - this->wall_lead();
    if (!draining_ && spare <= slots_.mean_seconds())
    {
        this->drain("the walltime ends", std::max(0.0, spare));
    }
    else if (spare <= 0 && stop_at_ != never)
    {
        stop_at_ = now;
    }
    else if (spare <= 0 && slots_.active() > 0)
    {
        this->stop_running("the walltime ends", now);
    }
}

//---------------------------------------------------------------------------//
void Node::stop_running(std::string const& why, double now)
{
    bool const at_once = wall_end_ != never && wall_end_ - now < wall_lead_seconds / 2;
    slots_.stop_all(lost_end("stopped before its end (" + why + ")"), at_once);
    flush_due_ = true;
}

//---------------------------------------------------------------------------//
void Node::stop(std::string const& reason)
{
    this->drain(reason, -1, Exit::interrupted);
    exit_code_ = Exit::interrupted;
    slots_.stop_all(lost_end("stopped before its end (" + reason + ")"), true);
    slots_.kill_all();
}

//---------------------------------------------------------------------------//
void Node::start_work()
{
    slots_.fill();
    auto const started = slots_.take_started();
    if (started.empty())
    {
        return;
    }
    this->say(wire::Started{blocks_of(started)});
    slots_.launch();
    flush_due_ = true;
}

//---------------------------------------------------------------------------//
void Node::announce(std::uint32_t bundle)
{
    if (bundle != 0 && announced_.insert(bundle).second)
    {
        this->say(wire::BundleNotice{bundle, 0, bundles_.uri(bundle)});
    }
}

//---------------------------------------------------------------------------//
//! Whether the next exchange may carry reports; where trips are long a second one only if it is full.
bool Node::may_report() const
{
    if (in_flight_.empty() || in_flight_.size() >= in_flight_max)
    {
        return in_flight_.empty();
    }
    return holdings_.waiting_items() >= items_per_exchange_max || !round_trips_.are_long();
}

//---------------------------------------------------------------------------//
void Node::exchange(double now)
{
    wire::Exchange exchange;
    exchange.sequence = ++sequence_;
    auto const take = this->may_report() ? items_per_exchange_max : 0;
    exchange.reports = reports_of(holdings_.to_send(sequence_, take), 0);
    for (auto const& report : exchange.reports)
    {
        this->announce(report.bundle);
    }
    if (!exchange.reports.empty())
    {
        in_flight_[sequence_] = {0, now};
    }
    parked_ = this->want();
    exchange.want = parked_;
    exchange.free_slots = slots_.free_places();
    exchange.seconds_left = this->seconds_left(now);
    if (exchange.want > 0)
    {
        figures_.asked();
    }
    this->say(std::move(exchange));
}

//---------------------------------------------------------------------------//
//! Send what is due.
void Node::flush(double now)
{
    flush_due_ = false;
    if (!welcomed_)
    {
        return;
    }
    while (holdings_.waiting_items() > 0 && this->may_report())
    {
        this->exchange(now);
    }
    // A larger want goes along with the next reports, unless half of the reserve is eaten.
    auto const wanted = this->want();
    bool const asks = wanted > parked_
                      && (in_flight_.empty() || 2 * (wanted - parked_) >= this->reserve());
    if (asks || (wanted == 0 && parked_ > 0))
    {
        this->exchange(now);
    }
}

//---------------------------------------------------------------------------//
bool Node::poll(double now)
{
    bool moved = slots_.poll(now) || flush_due_;
    this->watch_wall(now);
    if (moved)
    {
        this->start_work();
        this->flush(now);
    }
    figures_.slots(slots_.running(), slots_.capacity());
    if (now >= hello_again_at_)
    {
        this->join(hub_, now);
        moved = true;
    }
    if (now >= heartbeat_at_)
    {
        heartbeat_at_ = now + heartbeat_seconds;
        this->watch_health();
        if (welcomed_)
        {
            this->say(wire::Heartbeat{slots_.free_places(), this->seconds_left(now)});
        }
        this->start_work();
        this->flush(now);
        this->keep_spool();
    }
    return moved;
}

//---------------------------------------------------------------------------//
//! While the engine is away, reports wait in a file too; as soon as they are answered it goes.
void Node::keep_spool()
{
    auto const items = holdings_.unanswered();
    if (items.empty())
    {
        spool_.remove();
        return;
    }
    bool const away = paused_ || !welcomed_;
    if (!away && !spool_.exists())
    {
        return;
    }
    SpoolContent content;
    content.hello.pilot_id = pilot_id_;
    content.hello.generation = term_;
    content.hello.nodes = {options_.row};
    content.reports = reports_of(items, 0);
    std::vector<HeldSpan> spans;
    for (auto const& item : items)
    {
        spans.push_back(item.span);
    }
    content.hello.held = blocks_of(std::move(spans));
    for (auto const number : holdings_.bundles())
    {
        content.bundles.push_back({number, 0, bundles_.uri(number)});
    }
    if (!spool_.write(content))
    {
        log_line("reports could not be spooled: they are in this process only");
    }
}

//---------------------------------------------------------------------------//
//! As the hub and the engine are told: a node that can't work now has no slots.
wire::NodeResources Node::row() const
{
    auto row = options_.row;
    row.slots = health_.problem().empty() ? row.slots : 0;
    return row;
}

//---------------------------------------------------------------------------//
void Node::watch_health()
{
    if (!health_.look())
    {
        return;
    }
    auto const& problem = health_.problem();
    log_line(problem.empty() ? "this node can work again"
                             : "this node starts nothing more: " + problem);
    if (!problem.empty())
    {
        this->return_unstarted();
    }
    this->say(wire::Resources{{this->row()}, -1});
    flush_due_ = true;
}

//---------------------------------------------------------------------------//
void Node::resize(std::uint32_t cores)
{
    if (cores == options_.row.slots)
    {
        return;
    }
    log_line("this node has " + std::to_string(cores) + " cores now, "
             + std::to_string(options_.row.slots) + " before");
    options_.row.slots = cores;
    options_.row.cores = cores;
    slots_.resize(cores);
    this->say(wire::Resources{{this->row()}, -1});
    flush_due_ = true;
}

//---------------------------------------------------------------------------//
void Node::end()
{
    slots_.kill_all();
    if (holdings_.unanswered().empty())
    {
        spool_.remove();
    }
    else
    {
        paused_ = 1;
        this->keep_spool();
        log_line("reports without an answer are in the spool: the next pilot delivers them");
    }
    bundles_.close_all();
    figures_.wall_ends(this->seconds_left(monotonic_seconds()));
    figures_.write();
}

//---------------------------------------------------------------------------//
double Node::next_deadline(double now) const
{
    double next = std::min({slots_.next_deadline(), heartbeat_at_, hello_again_at_, stop_at_});
    if (wall_end_ != never)
    {
        double const last = draining_ ? 0 : slots_.mean_seconds();
        double const drain_at = wall_end_ - this->wall_lead() - last;
        next = std::min(next, std::max(drain_at, now + 0.2));
    }
    return next;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
