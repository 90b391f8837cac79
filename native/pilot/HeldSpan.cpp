/*!
 * \file pilot/HeldSpan.cpp
 */
#include "pilot/HeldSpan.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "pilot/ExchangeRoom.hpp"
#include "wire/Spans.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t spans_per_report = 16384;

//! Neighbours of one lease as one span, sorted by task and lease.
std::vector<HeldSpan> joined(std::vector<HeldSpan> spans)
{
    std::sort(spans.begin(), spans.end(), [](HeldSpan const& a, HeldSpan const& b) {
        return std::make_tuple(a.task, a.epoch, a.lease, a.first)
               < std::make_tuple(b.task, b.epoch, b.lease, b.first);
    });
    std::vector<HeldSpan> out;
    for (auto const& span : spans)
    {
        if (!out.empty() && out.back().task == span.task && out.back().lease_id() == span.lease_id()
            && out.back().attempt == span.attempt && out.back().end() == span.first
            && out.back().count + span.count <= wire::ranges_per_span_max)
        {
            out.back().count += span.count;
        }
        else
        {
            out.push_back(span);
        }
    }
    return out;
}

wire::Span wire_span(HeldSpan const& span)
{
    auto const count = static_cast<std::uint16_t>(span.count);
    return {span.first, span.lease, count, span.grant, span.attempt};
}

//! Where the report ends that begins with an item of a group.
std::size_t end_of_report(std::vector<ReportItem const*> const& group, std::size_t from)
{
    auto const most = std::min(group.size(), from + spans_per_report);
    auto to = from;
    std::uint64_t ranges = 0;
    do
    {
        ranges += group[to++]->span.count;
    } while (to < most && ranges + group[to]->span.count <= ExchangeRoom::ranges_max);
    return to;
}

//! One report for at most \c spans_per_report spans of a group, and as many ranges as have room.
void add_reports(std::vector<ReportItem const*> const& group,
                 std::uint32_t node,
                 std::vector<wire::Report>& out)
{
    std::size_t to = 0;
    for (std::size_t from = 0; from < group.size(); from = to)
    {
        to = end_of_report(group, from);
        std::vector<HeldSpan> spans;
        double wall = 0, squares = 0, longest = 0, cpu = 0;
        for (auto i = from; i < to; ++i)
        {
            spans.push_back(group[i]->span);
            wall += group[i]->wall_sum;
            squares += group[i]->wall_squares;
            longest = std::max(longest, group[i]->wall_max);
            cpu += group[i]->cpu_sum;
        }
        auto const blocks = blocks_of(std::move(spans));
        // One block but for firsts that lie too far apart; then the first has the sums.
        for (std::size_t i = 0; i < blocks.size(); ++i)
        {
            wire::Report report;
            report.outcome = group[0]->outcome;
            report.spans = blocks[i];
            report.bundle = group[0]->bundle;
            report.reason = group[0]->reason;
            report.node = node;
            if (i == 0)
            {
                report.cost = {static_cast<float>(wall),
                               static_cast<float>(squares),
                               static_cast<float>(longest),
                               static_cast<float>(cpu)};
            }
            out.push_back(std::move(report));
        }
    }
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::vector<HeldSpan> spans_of(std::vector<wire::SpanBlock> const& blocks)
{
    std::vector<HeldSpan> out;
    for (auto const& block : blocks)
    {
        for (auto const& span : block.spans)
        {
            out.push_back({block.task,
                           block.epoch,
                           span.lease,
                           span.first,
                           span.count,
                           span.grant,
                           span.attempt});
        }
    }
    return out;
}

//---------------------------------------------------------------------------//
std::vector<wire::SpanBlock> blocks_of(std::vector<HeldSpan> spans)
{
    wire::SpanBlockBuilder builder;
    for (auto const& span : joined(std::move(spans)))
    {
        builder.add(span.task, span.epoch, wire_span(span));
    }
    return builder.build();
}

//---------------------------------------------------------------------------//
std::vector<std::vector<wire::SpanBlock>> messages_of(std::vector<HeldSpan> spans)
{
    std::vector<std::vector<wire::SpanBlock>> messages;
    std::size_t room = 0;
    for (auto& block : blocks_of(std::move(spans)))
    {
        if (messages.empty() || block.spans.size() > room)
        {
            messages.emplace_back();
            room = wire::spans_per_message_max;
        }
        room -= block.spans.size();
        messages.back().push_back(std::move(block));
    }
    return messages;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> coarser(std::vector<HeldSpan> spans, std::size_t most)
{
    spans = joined(std::move(spans));
    auto const are_of_one_lease = [](HeldSpan const& a, HeldSpan const& b) {
        return a.task == b.task && a.lease_id() == b.lease_id();
    };
    std::vector<wire::RangeIndex> gaps;
    for (std::size_t i = 1; i < spans.size(); ++i)
    {
        if (are_of_one_lease(spans[i - 1], spans[i]))
        {
            gaps.push_back(spans[i].first - spans[i - 1].end());
        }
    }
    wire::RangeIndex longest = 0;
    auto const joins = std::min(spans.size() - std::min(spans.size(), most), gaps.size());
    if (joins > 0)
    {
        auto const last = gaps.begin() + static_cast<std::ptrdiff_t>(joins - 1);
        std::nth_element(gaps.begin(), last, gaps.end());
        longest = *last;
    }
    std::vector<HeldSpan> out;
    for (auto const& span : spans)
    {
        if (!out.empty() && are_of_one_lease(out.back(), span)
            && span.first - out.back().end() <= longest)
        {
            out.back().count = static_cast<std::uint32_t>(span.end() - out.back().first);
        }
        else
        {
            out.push_back(span);
        }
    }
    out.resize(std::min(out.size(), most));
    return out;
}

//---------------------------------------------------------------------------//
std::uint64_t count_ranges(std::vector<wire::SpanBlock> const& blocks)
{
    std::uint64_t total = 0;
    for (auto const& block : blocks)
    {
        total += wire::count_ranges(block);
    }
    return total;
}

//---------------------------------------------------------------------------//
std::uint64_t ranges_in(std::vector<HeldSpan> const& spans)
{
    std::uint64_t total = 0;
    for (auto const& span : spans)
    {
        total += span.count;
    }
    return total;
}

//---------------------------------------------------------------------------//
HeldSpan common_part(HeldSpan const& span, wire::RangeIndex first, wire::RangeIndex end)
{
    HeldSpan part = span;
    part.first = std::max(first, span.first);
    auto const stop = std::min(end, span.end());
    part.count = part.first < stop ? static_cast<std::uint32_t>(stop - part.first) : 0;
    return part;
}

//---------------------------------------------------------------------------//
std::vector<wire::Report> reports_of(std::vector<ReportItem> const& items, std::uint32_t node)
{
    using Key = std::tuple<wire::TaskId, wire::Outcome, std::uint32_t, wire::Epoch, std::string>;
    std::map<Key, std::vector<ReportItem const*>> groups;
    for (auto const& item : items)
    {
        Key key{item.span.task, item.outcome, item.bundle, item.span.epoch, item.reason};
        groups[std::move(key)].push_back(&item);
    }
    std::vector<wire::Report> reports;
    for (auto const& group : groups)
    {
        add_reports(group.second, node, reports);
    }
    return reports;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
