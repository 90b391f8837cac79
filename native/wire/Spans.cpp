/*!
 * \file wire/Spans.cpp
 */
#include "wire/Spans.hpp"

#include <algorithm>
#include <utility>

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t columns_items = 8;

bool is_sound(Span const& span)
{
    return span.count >= 1 && span.lease >= 1 && span.first <= u53_max - span.count;
}

//---------------------------------------------------------------------------//
void put_tuple(Writer& out, Span const& span)
{
    out.unsigned_int(span.first, u53_max - 1);
    out.unsigned_int(span.count, ranges_per_span_max);
    out.unsigned_int(span.attempt, attempt_max);
    out.unsigned_int(span.grant, grant_max);
    out.unsigned_int(span.lease, u32_max);
}

//---------------------------------------------------------------------------//
void put_columns(Writer& out, std::vector<Span> const& spans)
{
    auto const n = spans.size();
    auto const by_first = [](Span const& a, Span const& b) { return a.first < b.first; };
    auto const base = std::min_element(spans.begin(), spans.end(), by_first)->first;
    out.unsigned_int(base, u53_max - 1);
    out.bin_header(4 * n);
    for (auto const& span : spans)
    {
        JUMBO_ASSERT(span.first - base <= u32_max);
        out.raw_u32le(static_cast<std::uint32_t>(span.first - base));
    }
    out.bin_header(2 * n);
    for (auto const& span : spans)
    {
        out.raw_u16le(span.count);
    }
    out.bin_header(n);
    for (auto const& span : spans)
    {
        out.raw_u8(span.attempt);
    }
    out.bin_header(2 * n);
    for (auto const& span : spans)
    {
        out.raw_u16le(span.grant);
    }
    out.bin_header(4 * n);
    for (auto const& span : spans)
    {
        out.raw_u32le(span.lease);
    }
}

//---------------------------------------------------------------------------//
void check_span(Reader& from, Span const& span)
{
    if (span.first > u53_max - span.count)
    {
        from.fail("span", "ends beyond 2^53-1", "less");
    }
    from.ranges += span.count;
}

//---------------------------------------------------------------------------//
void read_tuples(Reader& from, std::size_t n, std::vector<Span>& spans)
{
    from.count_spans(n);
    for (std::size_t i = 0; i < n && !from.failed(); ++i)
    {
        Span span;
        span.first = from.unsigned_int(0, u53_max - 1, "first range");
        span.count = static_cast<std::uint16_t>(
            from.unsigned_int(1, ranges_per_span_max, "count of a span"));
        span.attempt = static_cast<std::uint8_t>(from.unsigned_int(0, attempt_max, "attempt"));
        span.grant = static_cast<std::uint16_t>(from.unsigned_int(0, grant_max, "grant number"));
        span.lease = static_cast<LeaseNumber>(from.unsigned_int(1, u32_max, "lease number"));
        check_span(from, span);
        spans.push_back(span);
    }
}

//---------------------------------------------------------------------------//
void read_columns(Reader& from, std::vector<Span>& spans)
{
    auto const base = from.unsigned_int(0, u53_max - 1, "base");
    auto const offsets = from.bin_view(4 * spans_per_message_max, "column of firsts");
    auto const n = offsets.size / 4;
    if (offsets.size % 4 != 0 || n <= tuples_max)
    {
        from.fail("column of firsts", "has a wrong size", "4 bytes a span, 5 spans or more");
        return;
    }
    from.count_spans(n);
    auto const* counts = from.column(2 * n, "column of counts");
    auto const* attempts = from.column(n, "column of attempts");
    auto const* grants = from.column(2 * n, "column of grants");
    auto const* leases = from.column(4 * n, "column of leases");
    if (from.failed())
    {
        return;
    }
    spans.resize(n);
    auto least = u32_max;
    bool sound = true;
    for (std::size_t i = 0; i < n; ++i)
    {
        auto& span = spans[i];
        auto const offset = std::uint64_t{load_u32le(offsets.data + 4 * i)};
        least = std::min(least, offset);
        span.first = base + offset;
        span.count = load_u16le(counts + 2 * i);
        span.attempt = attempts[i];
        span.grant = load_u16le(grants + 2 * i);
        span.lease = load_u32le(leases + 4 * i);
        sound = sound && is_sound(span);
        from.ranges += span.count;
    }
    if (!sound || least != 0)
    {
        from.fail("columns",
                  "break a rule of spans",
                  "counts and leases from 1, ends below 2^53, the smallest first as base");
    }
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void put(Writer& out, SpanBlock const& block)
{
    auto const n = block.spans.size();
    JUMBO_EXPECT(n >= 1);
    JUMBO_EXPECT(block.task != TaskId{0} && static_cast<std::uint64_t>(block.epoch) <= epoch_max);
    JUMBO_EXPECT(std::all_of(block.spans.begin(), block.spans.end(), is_sound));
    out.check_count("span block", n, spans_per_message_max);
    out.array(n > tuples_max ? columns_items : 2 + 5 * n);
    out.unsigned_int(static_cast<std::uint32_t>(block.task), u32_max);
    out.unsigned_int(static_cast<std::uint32_t>(block.epoch), epoch_max);
    if (n > tuples_max)
    {
        return put_columns(out, block.spans);
    }
    for (auto const& span : block.spans)
    {
        put_tuple(out, span);
    }
}

//---------------------------------------------------------------------------//
SpanBlock read_block(Reader& from)
{
    SpanBlock block;
    auto const items = from.array(2 + 5 * tuples_max, "span block");
    block.task = static_cast<TaskId>(from.unsigned_int(1, u32_max, "task"));
    block.epoch = static_cast<Epoch>(from.unsigned_int(0, epoch_max, "epoch"));
    if (items == columns_items)
    {
        read_columns(from, block.spans);
    }
    else if (items >= 7 && items % 5 == 2)
    {
        read_tuples(from, (items - 2) / 5, block.spans);
    }
    else
    {
        from.fail("span block", "has " + std::to_string(items) + " items", "7, 12, 17, 22 or 8");
    }
    return block;
}

//---------------------------------------------------------------------------//
void put(Writer& out, std::vector<SpanBlock> const& blocks, char const* what)
{
    out.check_count(what, blocks.size(), spans_per_message_max);
    out.array(blocks.size());
    for (auto const& block : blocks)
    {
        put(out, block);
    }
}

//---------------------------------------------------------------------------//
std::vector<SpanBlock> read_blocks(Reader& from, char const* what)
{
    auto const length = from.array(spans_per_message_max, what);
    std::vector<SpanBlock> blocks;
    for (std::size_t i = 0; i < length && !from.failed(); ++i)
    {
        blocks.push_back(read_block(from));
    }
    return blocks;
}

//---------------------------------------------------------------------------//
std::uint64_t count_ranges(SpanBlock const& block)
{
    std::uint64_t sum = 0;
    for (auto const& span : block.spans)
    {
        sum += span.count;
    }
    return sum;
}

//---------------------------------------------------------------------------//
void SpanBlockBuilder::add(TaskId task, Epoch epoch, Span const& span)
{
    auto const least = std::min(least_, span.first);
    auto const most = std::max(most_, span.first);
    if (blocks_.empty() || blocks_.back().task != task || blocks_.back().epoch != epoch
        || blocks_.back().spans.size() >= spans_per_message_max || most - least > u32_max)
    {
        blocks_.push_back({task, epoch, {}});
        least_ = most_ = span.first;
    }
    else
    {
        least_ = least;
        most_ = most;
    }
    blocks_.back().spans.push_back(span);
}

//---------------------------------------------------------------------------//
std::vector<SpanBlock> SpanBlockBuilder::build()
{
    return std::exchange(blocks_, {});
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
