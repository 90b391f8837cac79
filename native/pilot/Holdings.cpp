/*!
 * \file pilot/Holdings.cpp
 */
#include "pilot/Holdings.hpp"

#include <algorithm>

#include "base/Assert.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! What is left of an item once part of its lease was refused; its cost stays with the rest.
void put_rest(ReportItem const& item, HeldSpan const& refused, std::vector<ReportItem>& out)
{
    auto const& span = item.span;
    bool const other = span.lease_id() != refused.lease_id()
                       || common_part(span, refused.first, refused.end()).count == 0;
    if (other)
    {
        out.push_back(item);
        return;
    }
    for (auto const& rest : {common_part(span, 0, refused.first),
                             common_part(span, refused.end(), wire::u53_max)})
    {
        if (rest.count > 0)
        {
            out.push_back(item);
            out.back().span = rest;
        }
    }
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void Holdings::add(std::vector<wire::SpanBlock> const& blocks)
{
    for (auto const& span : spans_of(blocks))
    {
        auto& queue = unstarted_[span.task];
        queue.pieces.push_back({span, order_++});
        queue.ranges += span.count;
        unstarted_ranges_ += span.count;
    }
}

//---------------------------------------------------------------------------//
std::uint64_t Holdings::unstarted_of(wire::TaskId task) const
{
    auto const found = unstarted_.find(task);
    return found == unstarted_.end() ? 0 : found->second.ranges;
}

//---------------------------------------------------------------------------//
std::size_t Holdings::items() const
{
    std::size_t total = running_.size() + waiting_.size();
    for (auto const& queue : unstarted_)
    {
        total += queue.second.pieces.size();
    }
    for (auto const& each : sent_)
    {
        total += each.second.size();
    }
    return total;
}

//---------------------------------------------------------------------------//
std::vector<wire::TaskId> Holdings::tasks() const
{
    std::vector<std::pair<std::uint64_t, wire::TaskId>> heads;
    for (auto const& queue : unstarted_)
    {
        heads.emplace_back(queue.second.pieces.front().order, queue.first);
    }
    std::sort(heads.begin(), heads.end());
    std::vector<wire::TaskId> out;
    for (auto const& head : heads)
    {
        out.push_back(head.second);
    }
    return out;
}

//---------------------------------------------------------------------------//
HeldSpan Holdings::take(wire::TaskId task)
{
    auto const found = unstarted_.find(task);
    JUMBO_EXPECT(found != unstarted_.end());
    auto& queue = found->second;
    auto& head = queue.pieces.front().span;
    HeldSpan range = head;
    range.count = 1;
    ++head.first;
    if (--head.count == 0)
    {
        queue.pieces.pop_front();
    }
    --unstarted_ranges_;
    if (--queue.ranges == 0)
    {
        unstarted_.erase(found);
    }
    running_[key_of(range)] = range;
    return range;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Holdings::take_unstarted(std::optional<wire::TaskId> only)
{
    std::vector<HeldSpan> spans;
    for (auto it = unstarted_.begin(); it != unstarted_.end();)
    {
        if (only && *only != it->first)
        {
            ++it;
            continue;
        }
        for (auto const& piece : it->second.pieces)
        {
            spans.push_back(piece.span);
        }
        unstarted_ranges_ -= it->second.ranges;
        it = unstarted_.erase(it);
    }
    return spans;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Holdings::release(HeldSpan const& span)
{
    std::vector<HeldSpan> released;
    auto const found = unstarted_.find(span.task);
    if (found == unstarted_.end())
    {
        return released;
    }
    auto& queue = found->second;
    std::deque<Piece> kept;
    for (auto const& piece : queue.pieces)
    {
        auto const part = common_part(piece.span, span.first, span.end());
        if (piece.span.lease_id() != span.lease_id() || part.count == 0)
        {
            kept.push_back(piece);
            continue;
        }
        released.push_back(part);
        queue.ranges -= part.count;
        unstarted_ranges_ -= part.count;
        for (auto const& rest : {common_part(piece.span, 0, part.first),
                                 common_part(piece.span, part.end(), wire::u53_max)})
        {
            if (rest.count > 0)
            {
                kept.push_back({rest, piece.order});
            }
        }
    }
    queue.pieces = std::move(kept);
    if (queue.ranges == 0)
    {
        unstarted_.erase(found);
    }
    return released;
}

//---------------------------------------------------------------------------//
bool Holdings::overlaps(wire::TaskId task, wire::RangeIndex first, wire::RangeIndex end) const
{
    auto const inside = [&](HeldSpan const& span) {
        return span.task == task && common_part(span, first, end).count > 0;
    };
    auto const found = unstarted_.find(task);
    if (found != unstarted_.end())
    {
        for (auto const& piece : found->second.pieces)
        {
            if (inside(piece.span))
            {
                return true;
            }
        }
    }
    return std::any_of(
        running_.begin(), running_.end(), [&](auto const& each) { return inside(each.second); });
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Holdings::running_in(HeldSpan const& span) const
{
    std::vector<HeldSpan> out;
    auto const end = running_.lower_bound({span.lease_id(), span.end()});
    for (auto it = running_.lower_bound(key_of(span)); it != end; ++it)
    {
        out.push_back(it->second);
    }
    return out;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Holdings::running() const
{
    std::vector<HeldSpan> out;
    for (auto const& each : running_)
    {
        out.push_back(each.second);
    }
    return out;
}

//---------------------------------------------------------------------------//
bool Holdings::finish(ReportItem item)
{
    if (running_.erase(key_of(item.span)) == 0)
    {
        return false;
    }
    waiting_.push_back(std::move(item));
    return true;
}

//---------------------------------------------------------------------------//
void Holdings::report(ReportItem item)
{
    waiting_.push_back(std::move(item));
}

//---------------------------------------------------------------------------//
std::vector<ReportItem> Holdings::to_send(std::uint64_t sequence, std::size_t limit)
{
    // One item may be thousands of null ranges: an exchange has room for so many.
    std::size_t size = 0;
    std::uint64_t ranges = 0;
    while (size < std::min(limit, waiting_.size())
           && (size == 0 || ranges + waiting_[size].span.count <= ranges_sent_max))
    {
        ranges += waiting_[size].span.count;
        ++size;
    }
    auto const border = waiting_.begin() + static_cast<std::ptrdiff_t>(size);
    std::vector<ReportItem> items(waiting_.begin(), border);
    waiting_.erase(waiting_.begin(), border);
    if (!items.empty())
    {
        sent_[sequence] = items;
    }
    return items;
}

//---------------------------------------------------------------------------//
bool Holdings::answered(std::uint64_t sequence)
{
    return sent_.erase(sequence) != 0;
}

//---------------------------------------------------------------------------//
void Holdings::unsend()
{
    std::vector<ReportItem> again;
    for (auto& each : sent_)
    {
        again.insert(again.end(), each.second.begin(), each.second.end());
    }
    sent_.clear();
    waiting_.insert(waiting_.begin(), again.begin(), again.end());
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Holdings::refuse(std::vector<wire::SpanBlock> const& blocks)
{
    std::vector<HeldSpan> stop;
    for (auto const& span : spans_of(blocks))
    {
        this->release(span);
        for (auto const& running : this->running_in(span))
        {
            running_.erase(key_of(running));
            stop.push_back(running);
        }
        std::vector<ReportItem> kept;
        for (auto const& item : waiting_)
        {
            put_rest(item, span, kept);
        }
        waiting_ = std::move(kept);
    }
    return stop;
}

//---------------------------------------------------------------------------//
std::vector<wire::SpanBlock> Holdings::held() const
{
    std::vector<HeldSpan> spans = this->running();
    for (auto const& queue : unstarted_)
    {
        for (auto const& piece : queue.second.pieces)
        {
            spans.push_back(piece.span);
        }
    }
    for (auto const& item : waiting_)
    {
        spans.push_back(item.span);
    }
    for (auto const& each : sent_)
    {
        for (auto const& item : each.second)
        {
            spans.push_back(item.span);
        }
    }
    return blocks_of(std::move(spans));
}

//---------------------------------------------------------------------------//
std::vector<ReportItem> Holdings::unanswered() const
{
    std::vector<ReportItem> items;
    for (auto const& each : sent_)
    {
        items.insert(items.end(), each.second.begin(), each.second.end());
    }
    items.insert(items.end(), waiting_.begin(), waiting_.end());
    return items;
}

//---------------------------------------------------------------------------//
std::set<std::uint32_t> Holdings::bundles() const
{
    std::set<std::uint32_t> numbers;
    for (auto const& item : this->unanswered())
    {
        numbers.insert(item.bundle);
    }
    numbers.erase(0);
    return numbers;
}

//---------------------------------------------------------------------------//
ReportItem returned_item(HeldSpan const& span)
{
    ReportItem item;
    item.span = span;
    return item;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
