/*!
 * \file pilot/Book.hpp
 * \brief The hub's book: which rank has which of the ranges that the pilot holds.
 *
 *   bag --assign(rank)--> assigned --started--> started --reported--> reported --settle--> (gone)
 *    ^                        |                    |
 *    +------ rank died -------+                    +-- rank died --> the caller reports it lost
 *
 * A range is in the bag or in one piece. The bag keeps the order of the grants; what comes back
 * from a dead rank stands in front.
 */
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "pilot/HeldSpan.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Book
{
  public:
    enum class State
    {
        assigned,
        started,
        reported,
    };

    void add(std::vector<HeldSpan> const& spans);
    std::uint64_t bag_ranges() const { return bag_ranges_; }

    //! Up to \c ranges of the bag, from its front.
    std::vector<HeldSpan> take(std::uint64_t ranges);
    //! All of a span that lies in the bag, taken out of it.
    std::vector<HeldSpan> take_from_bag(HeldSpan const& span);
    std::vector<HeldSpan> take_bag();

    void assign(int rank, HeldSpan const& span);
    void mark(int rank, HeldSpan const& span, State state);
    //! The engine has judged these ranges.
    void settle(HeldSpan const& span);

    //! The parts of a span that are assigned or started, by rank.
    std::map<int, std::vector<HeldSpan>> owners(HeldSpan const& span) const;

    struct Left
    {
        std::vector<HeldSpan> unstarted;
        std::vector<HeldSpan> started;
    };
    //! A rank no longer has what is not in \c kept; reported pieces stay. They are out of the book.
    Left leave(int rank, std::vector<HeldSpan> const& kept = {});

    //! The parts of a span that the rank does not have here.
    std::vector<HeldSpan> foreign(int rank, HeldSpan const& span) const;

    bool overlaps(wire::TaskId task, wire::RangeIndex first, wire::RangeIndex end) const;
    bool empty() const { return bag_.empty() && pieces_.empty(); }
    std::vector<HeldSpan> all() const;
    //! Pieces that ranks have started and not reported.
    std::vector<HeldSpan> started() const;
    //! Pieces that ranks have not reported.
    std::size_t assigned() const;

    //! Put back in front of the bag.
    void put_back(std::vector<HeldSpan> const& spans);

  private:
    struct Piece
    {
        HeldSpan span;
        int rank{0};
        State state{State::assigned};
    };
    using Pieces = std::map<RangeKey, Piece>;

    std::deque<HeldSpan> bag_;
    std::uint64_t bag_ranges_{0};
    Pieces pieces_;

    void split(wire::LeaseId lease, wire::RangeIndex at);
    Pieces::const_iterator first_in(HeldSpan const& span) const;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
