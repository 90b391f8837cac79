/*!
 * \file pilot/Holdings.hpp
 * \brief Everything one node was granted and has no verdict on.
 *
 *   unstarted --take--> running --finish--> waiting --to_send--> sent --answered--> (gone)
 *       |                                      ^                   |
 *       +-------- release, take_unstarted -----+<---- unsend ------+   (session lost)
 *
 * A range is in one list at a time. A finish for a range that is not running any more (refused,
 * recalled) is dropped, so a late process can't report for a lease that was taken away. Nothing
 * here reads a clock or a socket.
 */
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "pilot/HeldSpan.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Holdings
{
  public:
    //! A node wants nothing more while it holds more pieces than this.
    static constexpr std::size_t items_max = 8192;
    //! Ranges of one exchange, half of what the protocol allows.
    static constexpr std::uint64_t ranges_sent_max = wire::ranges_per_exchange_max / 2;

    void add(std::vector<wire::SpanBlock> const& blocks);

    std::uint64_t unstarted_ranges() const { return unstarted_ranges_; }
    std::uint64_t unstarted_of(wire::TaskId task) const;
    std::size_t running_ranges() const { return running_.size(); }
    std::size_t waiting_items() const { return waiting_.size(); }

    //! Pieces in all lists.
    std::size_t items() const;

    //! Tasks with unstarted ranges, the one whose next range was granted first in front.
    std::vector<wire::TaskId> tasks() const;

    //! The next range of the task: running from now on.
    HeldSpan take(wire::TaskId task);

    //! All unstarted pieces of a task, or of all; no longer held: the caller reports them.
    std::vector<HeldSpan> take_unstarted(std::optional<wire::TaskId> only = std::nullopt);

    //! The unstarted parts of a span under its lease, no longer held.
    std::vector<HeldSpan> release(HeldSpan const& span);

    //! Whether an unstarted or running range of the task lies in first .. end.
    bool overlaps(wire::TaskId task, wire::RangeIndex first, wire::RangeIndex end) const;

    //! Running ranges inside a span.
    std::vector<HeldSpan> running_in(HeldSpan const& span) const;
    std::vector<HeldSpan> running() const;

    //! The last word on a running range. False, and nothing happens, if it is held no more.
    bool finish(ReportItem item);

    //! The last word on pieces that never ran here (returned, or done without a process).
    void report(ReportItem item);

    //! Up to \c items_max waiting items of not too many ranges, sent as exchange \c sequence from now on.
    std::vector<ReportItem> to_send(std::uint64_t sequence, std::size_t items_max);

    //! The verdicts of an exchange are here: its items are held no more. False if it is unknown.
    bool answered(std::uint64_t sequence);

    //! The session is gone: what was sent and not answered waits again, oldest first.
    void unsend();

    //! Drop what is not honoured; the running ranges that must be stopped.
    std::vector<HeldSpan> refuse(std::vector<wire::SpanBlock> const& blocks);

    //! All that is held, as hello lists it.
    std::vector<wire::SpanBlock> held() const;

    //! Reports without a verdict, sent or not.
    std::vector<ReportItem> unanswered() const;
    //! Bundles that they name.
    std::set<std::uint32_t> bundles() const;

  private:
    struct Piece
    {
        HeldSpan span;
        std::uint64_t order;
    };
    struct Queue
    {
        std::deque<Piece> pieces;
        std::uint64_t ranges{0};
    };

    std::map<wire::TaskId, Queue> unstarted_;
    std::map<RangeKey, HeldSpan> running_;
    std::vector<ReportItem> waiting_;
    std::map<std::uint64_t, std::vector<ReportItem>> sent_;
    std::uint64_t order_{0};
    std::uint64_t unstarted_ranges_{0};
};

//! An item that gives a span back.
ReportItem returned_item(HeldSpan const& span);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
