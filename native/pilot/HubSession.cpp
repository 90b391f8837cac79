/*!
 * \file pilot/HubSession.cpp
 * \brief The hub's side towards the engine: what it says, and what it makes of the answers.
 */
#include "pilot/Hub.hpp"

#include <algorithm>

#include "pilot/Log.hpp"
#include "pilot/Text.hpp"
#include "wire/Codec.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr char software[] = "jumbo-pilot-mpi/1";
constexpr std::size_t columns_kept = 64;
//! Of the first frame, for what Connection adds to it.
constexpr std::size_t credential_bytes = 4096;

bool fits(wire::Hello const& hello)
{
    std::vector<std::uint8_t> frame;
    std::size_t spans = 0;
    for (auto const& block : hello.held)
    {
        spans += block.spans.size();
    }
    return spans <= wire::spans_per_message_max && wire::append_frame(frame, hello)
           && frame.size() + credential_bytes <= wire::hello_frame_bytes_max;
}

/*!
 * List what is held, in as many pieces as the frame has room for. The engine takes no offence at
 * ranges between them: whatever of their lease is not listed has had its verdict.
 */
void list_held(std::vector<HeldSpan> const& held, wire::Hello& hello)
{
    hello.held = blocks_of(held);
    for (auto most = held.size() / 2; most > 0 && !fits(hello); most /= 2)
    {
        hello.held = blocks_of(coarser(held, most));
    }
}
}  // namespace

//---------------------------------------------------------------------------//
wire::Hello Hub::hello()
{
    wire::Hello hello;
    hello.pilot_id = options_.pilot_id;
    hello.generation = options_.generation;
    hello.software = software;
    hello.queue = options_.queue;
    hello.allocation = options_.allocation;
    hello.nodes = rows_;
    rows_changed_ = false;
    hello.seconds_left = this->seconds_left();
    parked_ = this->want();
    hello.want = parked_;
    hello.free_slots = this->free_slots();
    list_held(book_.all(), hello);
    return hello;
}

//---------------------------------------------------------------------------//
void Hub::on_welcome(wire::Welcome& welcome)
{
    lease_term_seconds_ = 1e-3 * welcome.lease_term_ms;
    sequence_ = 0;
    started_.clear();
    this->recall(spans_of(welcome.refused), true, false);
    for (auto const& notice : notices_)
    {
        if (line_.names(notice.first))
        {
            connection_.send(notice.second);
        }
    }
    // The engine may have lost any of these words, or died before it kept them.
    this->send_started(book_.started());
    this->on_grant(welcome.grant);
    if (draining_)
    {
        connection_.send(wire::Drain{drain_reason_, this->seconds_left()});
    }
    state_at_ = 0;
}

//---------------------------------------------------------------------------//
void Hub::on_message(wire::Message& message)
{
    if (auto const* grant = std::get_if<wire::Grant>(&message))
    {
        this->on_grant(grant->body);
    }
    else if (auto const* verdicts = std::get_if<wire::Verdicts>(&message))
    {
        this->on_verdicts(*verdicts);
    }
    else if (auto const* recall = std::get_if<wire::Recall>(&message))
    {
        this->recall(spans_of(recall->spans), recall->stop, true);
    }
    else if (auto const* drain = std::get_if<wire::Drain>(&message))
    {
        this->drain(drain->reason, drain->seconds_left, Exit::ok);
    }
    else if (auto const* bye = std::get_if<wire::Bye>(&message))
    {
        connection_.restart("the engine said bye: " + bye->reason);
    }
}

//---------------------------------------------------------------------------//
void Hub::on_grant(wire::GrantBody const& body)
{
    catalog_.learn(body);
    book_.add(spans_of(body.spans));
    auto const ranges = count_ranges(body.spans);
    parked_ -= std::min(parked_, ranges);
    if (catalog_.columns() > prune_at_)
    {
        catalog_.prune([this](wire::TaskId task, wire::RangeIndex first, wire::RangeIndex end) {
            return book_.overlaps(task, first, end);
        });
        prune_at_ = 2 * catalog_.columns() + columns_kept;
    }
    if (draining_)
    {
        this->give_back(book_.take_bag());
    }
    this->distribute();
}

//---------------------------------------------------------------------------//
void Hub::on_verdicts(wire::Verdicts const& verdicts)
{
    bool const fits = line_.answer(
        verdicts.sequence,
        verdicts.runs,
        [this](Parcel const& parcel, std::vector<wire::VerdictRun> runs) {
            for (auto const& report : parcel.reports)
            {
                for (auto const& span : spans_of({report.spans}))
                {
                    book_.settle(span);
                }
            }
            auto const member = members_.find(parcel.rank);
            if (member != members_.end() && member->second.joined
                && member->second.session == parcel.session)
            {
                transport_.send(parcel.rank,
                                Lane::to_node,
                                wire::Verdicts{parcel.sequence, std::move(runs)});
            }
        });
    if (!fits)
    {
        connection_.restart("verdicts did not fit the exchange that they answer");
    }
}

//---------------------------------------------------------------------------//
//! Take ranges back from the bag (\c report: the engine awaits a word) and from the ranks.
void Hub::recall(std::vector<HeldSpan> const& spans, bool stop, bool report)
{
    std::map<int, std::vector<HeldSpan>> owners;
    for (auto const& span : spans)
    {
        auto const bag = book_.take_from_bag(span);
        if (report)
        {
            this->give_back(bag);
        }
        for (auto& each : book_.owners(span))
        {
            auto& list = owners[each.first];
            list.insert(list.end(), each.second.begin(), each.second.end());
        }
    }
    for (auto& each : owners)
    {
        transport_.send(
            each.first, Lane::to_node, wire::Recall{blocks_of(std::move(each.second)), stop});
    }
}

//---------------------------------------------------------------------------//
void Hub::give_back(std::vector<HeldSpan> const& spans)
{
    std::vector<ReportItem> items;
    for (auto const& span : spans)
    {
        items.push_back(returned_item(span));
        book_.assign(-1, span);
        book_.mark(-1, span, Book::State::reported);
    }
    line_.add({-1, 0, 0, reports_of(items, 0)});
}

//---------------------------------------------------------------------------//
void Hub::report_lost(std::vector<HeldSpan> const& spans, std::string const& why, std::uint32_t row)
{
    std::vector<ReportItem> items;
    for (auto const& span : spans)
    {
        auto item = returned_item(span);
        item.outcome = wire::Outcome::lost;
        item.reason = clip_reason(why);
        items.push_back(std::move(item));
        book_.assign(-1, span);
        book_.mark(-1, span, Book::State::reported);
    }
    line_.add({-1, 0, 0, reports_of(items, row)});
}

//---------------------------------------------------------------------------//
void Hub::exchange()
{
    wire::Exchange exchange;
    exchange.sequence = ++sequence_;
    if (!line_.full())
    {
        exchange.reports = line_.take(exchange.sequence);
    }
    parked_ = this->want();
    exchange.want = parked_;
    exchange.free_slots = this->free_slots();
    exchange.seconds_left = this->seconds_left();
    connection_.send(exchange);
}

//---------------------------------------------------------------------------//
void Hub::send_started(std::vector<HeldSpan> spans)
{
    for (auto& blocks : messages_of(std::move(spans)))
    {
        connection_.send(wire::Started{std::move(blocks)});
    }
}

//---------------------------------------------------------------------------//
//! Send what is due: started, then reports, then wants.
void Hub::flush()
{
    if (!connection_.ready())
    {
        started_.clear();
        return;
    }
    if (rows_changed_)
    {
        rows_changed_ = false;
        connection_.send(wire::Resources{rows_, this->seconds_left()});
    }
    this->send_started(std::move(started_));
    started_.clear();
    while (line_.waits() && !line_.full())
    {
        this->exchange();
    }
    auto const wanted = this->want();
    if (wanted > parked_ || (wanted == 0 && parked_ > 0))
    {
        this->exchange();
    }
}

//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
