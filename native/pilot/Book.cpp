/*!
 * \file pilot/Book.cpp
 */
#include "pilot/Book.hpp"

#include <algorithm>
#include <iterator>


namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
void Book::add(std::vector<HeldSpan> const& spans)
{
    for (auto const& span : spans)
    {
        bag_.push_back(span);
        bag_ranges_ += span.count;
    }
}

//---------------------------------------------------------------------------//
void Book::put_back(std::vector<HeldSpan> const& spans)
{
    for (auto it = spans.rbegin(); it != spans.rend(); ++it)
    {
        bag_.push_front(*it);
        bag_ranges_ += it->count;
    }
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Book::take(std::uint64_t ranges)
{
    std::vector<HeldSpan> taken;
    while (ranges > 0 && !bag_.empty())
    {
        auto& head = bag_.front();
        auto part = head;
        part.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(ranges, head.count));
        head.first += part.count;
        head.count -= part.count;
        if (head.count == 0)
        {
            bag_.pop_front();
        }
        ranges -= part.count;
        bag_ranges_ -= part.count;
        taken.push_back(part);
    }
    return taken;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Book::take_from_bag(HeldSpan const& span)
{
    std::vector<HeldSpan> taken;
    std::deque<HeldSpan> kept;
    for (auto const& each : bag_)
    {
        auto const part = common_part(each, span.first, span.end());
        if (each.lease_id() != span.lease_id() || part.count == 0)
        {
            kept.push_back(each);
            continue;
        }
        taken.push_back(part);
        bag_ranges_ -= part.count;
        for (auto const& rest :
             {common_part(each, 0, part.first), common_part(each, part.end(), wire::u53_max)})
        {
            if (rest.count > 0)
            {
                kept.push_back(rest);
            }
        }
    }
    bag_ = std::move(kept);
    return taken;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Book::take_bag()
{
    std::vector<HeldSpan> taken(bag_.begin(), bag_.end());
    bag_.clear();
    bag_ranges_ = 0;
    return taken;
}

//---------------------------------------------------------------------------//
void Book::assign(int rank, HeldSpan const& span)
{
    pieces_[key_of(span)] = {span, rank, State::assigned};
}

//---------------------------------------------------------------------------//
//! First piece that may reach into the span.
Book::Pieces::const_iterator Book::first_in(HeldSpan const& span) const
{
    auto it = pieces_.upper_bound(key_of(span));
    if (it != pieces_.begin())
    {
        auto const before = std::prev(it);
        if (before->first.lease == span.lease_id() && before->second.span.end() > span.first)
        {
            return before;
        }
    }
    return it;
}

//---------------------------------------------------------------------------//
//! Make a piece border at a range.
void Book::split(wire::LeaseId lease, wire::RangeIndex at)
{
    auto it = pieces_.upper_bound({lease, at});
    if (it == pieces_.begin())
    {
        return;
    }
    auto& piece = std::prev(it)->second;
    if (piece.span.lease_id() != lease || piece.span.first == at || piece.span.end() <= at)
    {
        return;
    }
    auto behind = piece;
    behind.span = common_part(piece.span, at, wire::u53_max);
    piece.span = common_part(piece.span, 0, at);
    pieces_[key_of(behind.span)] = behind;
}

//---------------------------------------------------------------------------//
void Book::mark(int rank, HeldSpan const& span, State state)
{
    this->split(span.lease_id(), span.first);
    this->split(span.lease_id(), span.end());
    auto const end = pieces_.lower_bound({span.lease_id(), span.end()});
    for (auto it = pieces_.lower_bound(key_of(span)); it != end; ++it)
    {
        if (it->second.rank == rank)
        {
            it->second.state = state;
        }
    }
}

//---------------------------------------------------------------------------//
void Book::settle(HeldSpan const& span)
{
    this->split(span.lease_id(), span.first);
    this->split(span.lease_id(), span.end());
    pieces_.erase(pieces_.lower_bound(key_of(span)),
                  pieces_.lower_bound({span.lease_id(), span.end()}));
}

//---------------------------------------------------------------------------//
std::map<int, std::vector<HeldSpan>> Book::owners(HeldSpan const& span) const
{
    std::map<int, std::vector<HeldSpan>> found;
    auto const end = pieces_.lower_bound({span.lease_id(), span.end()});
    for (auto it = this->first_in(span); it != end; ++it)
    {
        auto const part = common_part(it->second.span, span.first, span.end());
        if (it->second.state != State::reported && part.count > 0)
        {
            found[it->second.rank].push_back(part);
        }
    }
    return found;
}

//---------------------------------------------------------------------------//
Book::Left Book::leave(int rank, std::vector<HeldSpan> const& kept)
{
    for (auto const& span : kept)
    {
        this->split(span.lease_id(), span.first);
        this->split(span.lease_id(), span.end());
    }
    auto const is_kept = [&](HeldSpan const& piece) {
        return std::any_of(kept.begin(), kept.end(), [&](HeldSpan const& span) {
            return span.lease_id() == piece.lease_id()
                   && common_part(piece, span.first, span.end()).count > 0;
        });
    };
    Left left;
    for (auto it = pieces_.begin(); it != pieces_.end();)
    {
        auto const& piece = it->second;
        if (piece.rank != rank || piece.state == State::reported || is_kept(piece.span))
        {
            ++it;
            continue;
        }
        (piece.state == State::started ? left.started : left.unstarted).push_back(piece.span);
        it = pieces_.erase(it);
    }
    return left;
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Book::foreign(int rank, HeldSpan const& span) const
{
    std::vector<HeldSpan> out;
    auto at = span.first;
    auto const end = pieces_.lower_bound({span.lease_id(), span.end()});
    for (auto it = this->first_in(span); it != end; ++it)
    {
        auto const part = common_part(it->second.span, at, span.end());
        if (it->second.rank != rank || part.count == 0)
        {
            continue;
        }
        auto const before = common_part(span, at, part.first);
        if (before.count > 0)
        {
            out.push_back(before);
        }
        at = part.end();
    }
    auto const rest = common_part(span, at, span.end());
    if (rest.count > 0)
    {
        out.push_back(rest);
    }
    return out;
}

//---------------------------------------------------------------------------//
bool Book::overlaps(wire::TaskId task, wire::RangeIndex first, wire::RangeIndex end) const
{
    auto const inside = [&](HeldSpan const& span) {
        return span.task == task && common_part(span, first, end).count > 0;
    };
    return std::any_of(bag_.begin(), bag_.end(), inside)
           || std::any_of(pieces_.begin(), pieces_.end(), [&](auto const& each) {
                  return inside(each.second.span);
              });
}

//---------------------------------------------------------------------------//
std::vector<HeldSpan> Book::all() const
{
    std::vector<HeldSpan> spans(bag_.begin(), bag_.end());
    for (auto const& piece : pieces_)
    {
        spans.push_back(piece.second.span);
    }
    return spans;
}
//---------------------------------------------------------------------------//
std::vector<HeldSpan> Book::started() const
{
    std::vector<HeldSpan> spans;
    for (auto const& piece : pieces_)
    {
        if (piece.second.state == State::started)
        {
            spans.push_back(piece.second.span);
        }
    }
    return spans;
}

//---------------------------------------------------------------------------//
std::size_t Book::assigned() const
{
    return static_cast<std::size_t>(
        std::count_if(pieces_.begin(), pieces_.end(), [](auto const& piece) {
            return piece.second.state != State::reported;
        }));
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
