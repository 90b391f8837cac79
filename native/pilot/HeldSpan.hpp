/*!
 * \file pilot/HeldSpan.hpp
 * \brief A run of ranges as it was granted, or a piece of one, and a pilot's last word on it.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/Messages.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct HeldSpan
{
    wire::TaskId task{0};
    wire::Epoch epoch{0};
    wire::LeaseNumber lease{0};
    wire::RangeIndex first{0};
    std::uint32_t count{0};
    std::uint16_t grant{0};
    std::uint8_t attempt{0};

    wire::RangeIndex end() const { return first + count; }
    wire::LeaseId lease_id() const { return wire::lease_id(epoch, lease); }
};

//! Identity of one range under one lease.
struct RangeKey
{
    wire::LeaseId lease{0};
    wire::RangeIndex range{0};

    friend bool operator<(RangeKey const& a, RangeKey const& b)
    {
        return a.lease != b.lease ? a.lease < b.lease : a.range < b.range;
    }
};

inline RangeKey key_of(HeldSpan const& span)
{
    return {span.lease_id(), span.first};
}

//! A piece with the pilot's last word on it.
struct ReportItem
{
    HeldSpan span;
    wire::Outcome outcome{wire::Outcome::returned};
    std::uint32_t bundle{0};
    std::string reason;
    double wall_sum{0};
    double wall_squares{0};
    double wall_max{0};
    double cpu_sum{0};
};

//---------------------------------------------------------------------------//
//! Spans of blocks, one after the other.
std::vector<HeldSpan> spans_of(std::vector<wire::SpanBlock> const& blocks);

//! Blocks that hold these spans, neighbours of one lease joined.
std::vector<wire::SpanBlock> blocks_of(std::vector<HeldSpan> spans);

//! The same blocks, shared out to messages of at most \c wire::spans_per_message_max spans each.
std::vector<std::vector<wire::SpanBlock>> messages_of(std::vector<HeldSpan> spans);

/*!
 * The spans in at most \c most pieces, sorted: pieces of one lease are joined over what lay between
 * them, the shortest gaps first. Where there are more leases than that, the newest are left out.
 */
std::vector<HeldSpan> coarser(std::vector<HeldSpan> spans, std::size_t most);

//! Ranges in all blocks.
std::uint64_t count_ranges(std::vector<wire::SpanBlock> const& blocks);

//! Ranges in all spans.
std::uint64_t ranges_in(std::vector<HeldSpan> const& spans);

//! What lies of \c span in first .. end; count 0 if nothing does.
HeldSpan common_part(HeldSpan const& span, wire::RangeIndex first, wire::RangeIndex end);

//! Reports of an exchange: items alike in task, outcome, bundle, reason and epoch share one.
std::vector<wire::Report> reports_of(std::vector<ReportItem> const& items, std::uint32_t node);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
