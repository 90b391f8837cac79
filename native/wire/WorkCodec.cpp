/*!
 * \file wire/WorkCodec.cpp
 * \brief Messages about work: exchange with its reports, verdicts, started, recall, bundle.
 */
#include <cmath>
#include <cstring>

#include "wire/MessageCodec.hpp"
#include "wire/Spans.hpp"

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t report_items = 6;
constexpr std::size_t cost_bytes = 16;
constexpr auto outcome_max = static_cast<std::uint64_t>(Outcome::lost);
constexpr auto verdict_max = static_cast<std::uint64_t>(Verdict::unknown);

//---------------------------------------------------------------------------//
//! Finite and >= 0; -0 would be a second byte form of 0.
bool is_sound(float seconds)
{
    return std::isfinite(seconds) && !std::signbit(seconds);
}

bool is_sound(RangeCost const& cost)
{
    return is_sound(cost.wall_sum) && is_sound(cost.wall_squares) && is_sound(cost.wall_max)
           && is_sound(cost.cpu_sum);
}

//---------------------------------------------------------------------------//
void put_float(Writer& out, float value)
{
    std::uint32_t bits;
    static_assert(sizeof bits == sizeof value, "float32 is IEEE 754 binary32");
    std::memcpy(&bits, &value, sizeof bits);
    out.raw_u32le(bits);
}

float load_float(std::uint8_t const* p)
{
    auto const bits = load_u32le(p);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

//---------------------------------------------------------------------------//
void put(Writer& out, RangeCost const& cost)
{
    JUMBO_EXPECT(is_sound(cost));
    out.bin_header(cost_bytes);
    put_float(out, cost.wall_sum);
    put_float(out, cost.wall_squares);
    put_float(out, cost.wall_max);
    put_float(out, cost.cpu_sum);
}

//---------------------------------------------------------------------------//
RangeCost read_cost(Reader& from)
{
    RangeCost cost;
    if (auto const* p = from.column(cost_bytes, "cost"))
    {
        cost = {load_float(p), load_float(p + 4), load_float(p + 8), load_float(p + 12)};
        if (!is_sound(cost))
        {
            from.fail("cost", "is negative or no number", "four finite f32 >= 0");
        }
    }
    return cost;
}

//---------------------------------------------------------------------------//
void put(Writer& out, Report const& report)
{
    JUMBO_EXPECT(report.bundle == 0 || report.outcome == Outcome::done);
    out.array(report_items);
    out.unsigned_int(static_cast<std::uint64_t>(report.outcome), outcome_max);
    put(out, report.spans);
    out.unsigned_int(report.bundle, u32_max);
    out.string(report.reason, "reason", reason_bytes_max);
    put(out, report.cost);
    out.unsigned_int(report.node, node_index_max);
}

//---------------------------------------------------------------------------//
Report read_report(Reader& from)
{
    Report report;
    from.tuple(report_items, "report");
    report.outcome = static_cast<Outcome>(from.unsigned_int(0, outcome_max, "outcome"));
    report.spans = read_block(from);
    report.bundle = from.u32("bundle");
    if (report.bundle != 0 && report.outcome != Outcome::done)
    {
        from.fail("bundle", "is named by a report that is not done", "0");
    }
    report.reason = from.string("reason", reason_bytes_max);
    report.cost = read_cost(from);
    report.node = static_cast<std::uint32_t>(from.unsigned_int(0, node_index_max, "node"));
    return report;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void put(Writer& out, Exchange const& exchange)
{
    JUMBO_EXPECT(exchange.sequence >= 1);
    out.check_count("reports", exchange.reports.size(), spans_per_message_max);
    out.unsigned_int(exchange.sequence, u53_max);
    out.array(exchange.reports.size());
    for (auto const& report : exchange.reports)
    {
        put(out, report);
    }
    out.unsigned_int(exchange.want, u53_max);
    out.unsigned_int(exchange.free_slots, u32_max);
    out.real(exchange.seconds_left);
}

//---------------------------------------------------------------------------//
void read(Reader& from, Exchange& exchange)
{
    exchange.sequence = from.unsigned_int(1, u53_max, "sequence");
    auto const length = from.array(spans_per_message_max, "reports");
    for (std::size_t i = 0; i < length && !from.failed(); ++i)
    {
        exchange.reports.push_back(read_report(from));
    }
    if (from.ranges > ranges_per_exchange_max)
    {
        from.fail("reports", "cover " + std::to_string(from.ranges) + " ranges", "1048576 at most");
    }
    exchange.want = from.unsigned_int(0, u53_max, "want");
    exchange.free_slots = from.u32("freeSlots");
    exchange.seconds_left = from.real("secondsLeft");
}

//---------------------------------------------------------------------------//
void put(Writer& out, Verdicts const& verdicts)
{
    JUMBO_EXPECT(verdicts.sequence >= 1);
    out.check_count("verdict runs", 2 * verdicts.runs.size(), verdict_items_max);
    out.unsigned_int(verdicts.sequence, u53_max);
    out.array(2 * verdicts.runs.size());
    for (auto const& run : verdicts.runs)
    {
        JUMBO_EXPECT(run.count >= 1);
        out.unsigned_int(run.count, ranges_per_exchange_max);
        out.unsigned_int(static_cast<std::uint64_t>(run.verdict), verdict_max);
    }
}

//---------------------------------------------------------------------------//
void read(Reader& from, Verdicts& verdicts)
{
    verdicts.sequence = from.unsigned_int(1, u53_max, "sequence");
    auto const length = from.array(verdict_items_max, "verdict runs");
    if (length % 2 != 0)
    {
        from.fail("verdict runs", "have an odd length", "pairs");
    }
    for (std::size_t i = 0; i < length && !from.failed(); i += 2)
    {
        VerdictRun run;
        run.count = static_cast<std::uint32_t>(
            from.unsigned_int(1, ranges_per_exchange_max, "count of a verdict run"));
        run.verdict = static_cast<Verdict>(from.unsigned_int(0, verdict_max, "verdict"));
        verdicts.runs.push_back(run);
    }
}

//---------------------------------------------------------------------------//
void put(Writer& out, Started const& started)
{
    put(out, started.spans, "spans");
}

void read(Reader& from, Started& started)
{
    started.spans = read_blocks(from, "spans");
}

//---------------------------------------------------------------------------//
void put(Writer& out, Recall const& recall)
{
    put(out, recall.spans, "spans");
    out.flag(recall.stop);
}

void read(Reader& from, Recall& recall)
{
    recall.spans = read_blocks(from, "spans");
    recall.stop = from.flag("stop");
}

//---------------------------------------------------------------------------//
void put(Writer& out, BundleNotice const& bundle)
{
    JUMBO_EXPECT(bundle.number >= 1);
    out.unsigned_int(bundle.number, u32_max);
    out.unsigned_int(bundle.node, node_index_max);
    out.string(bundle.uri, "uri");
}

void read(Reader& from, BundleNotice& bundle)
{
    bundle.number = static_cast<std::uint32_t>(from.unsigned_int(1, u32_max, "bundle number"));
    bundle.node = static_cast<std::uint32_t>(from.unsigned_int(0, node_index_max, "node"));
    bundle.uri = from.string("uri");
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
