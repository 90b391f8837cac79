/*!
 * \file pilot/ReportLine.cpp
 */
#include "pilot/ReportLine.hpp"

#include <algorithm>

#include "pilot/ExchangeRoom.hpp"
#include "wire/Spans.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
void ReportLine::add(Parcel parcel)
{
    if (!parcel.reports.empty())
    {
        waiting_.push_back(std::move(parcel));
    }
}

//---------------------------------------------------------------------------//
std::vector<wire::Report> ReportLine::take(std::uint64_t sequence)
{
    std::vector<wire::Report> reports;
    auto& flight = in_flight_[sequence];
    ExchangeRoom room;
    while (!waiting_.empty() && room.take(waiting_.front().reports))
    {
        flight.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
        reports.insert(reports.end(), flight.back().reports.begin(), flight.back().reports.end());
    }
    if (flight.empty())
    {
        in_flight_.erase(sequence);
    }
    return reports;
}

//---------------------------------------------------------------------------//
void ReportLine::take_back()
{
    for (auto each = in_flight_.rbegin(); each != in_flight_.rend(); ++each)
    {
        for (auto parcel = each->second.rbegin(); parcel != each->second.rend(); ++parcel)
        {
            waiting_.push_front(std::move(*parcel));
        }
    }
    in_flight_.clear();
}

//---------------------------------------------------------------------------//
bool ReportLine::answer(std::uint64_t sequence,
                        std::vector<wire::VerdictRun> const& runs,
                        Answer const& to)
{
    auto const found = in_flight_.find(sequence);
    if (found == in_flight_.end())
    {
        // An exchange without reports may be answered too: with nothing.
        return runs.empty();
    }
    auto const parcels = std::move(found->second);
    in_flight_.erase(found);
    std::size_t at = 0;
    std::uint64_t left = runs.empty() ? 0 : runs[0].count;
    for (auto const& parcel : parcels)
    {
        std::vector<wire::VerdictRun> own;
        for (auto const& report : parcel.reports)
        {
            for (auto due = wire::count_ranges(report.spans); due > 0;)
            {
                if (left == 0)
                {
                    if (++at >= runs.size())
                    {
                        return false;
                    }
                    left = runs[at].count;
                    continue;
                }
                auto const count = std::min(due, left);
                due -= count;
                left -= count;
                this->count(report, count, runs[at].verdict);
                own.push_back({static_cast<std::uint32_t>(count), runs[at].verdict});
            }
        }
        to(parcel, std::move(own));
    }
    return left == 0 && at + 1 >= runs.size();
}

//---------------------------------------------------------------------------//
void ReportLine::count(wire::Report const& report, std::uint64_t ranges, wire::Verdict verdict)
{
    bool const used = verdict == wire::Verdict::accepted || verdict == wire::Verdict::duplicate;
    switch (report.outcome)
    {
        case wire::Outcome::done: (used ? tally_.accepted : tally_.unused) += ranges; break;
        case wire::Outcome::returned: tally_.returned += ranges; break;
        case wire::Outcome::lost: tally_.lost += ranges; break;
        default: tally_.failed += ranges;
    }
}

//---------------------------------------------------------------------------//
bool ReportLine::names(std::uint32_t bundle) const
{
    auto const in = [bundle](Parcel const& parcel) {
        return std::any_of(parcel.reports.begin(), parcel.reports.end(), [&](auto const& report) {
            return report.bundle == bundle;
        });
    };
    return std::any_of(waiting_.begin(), waiting_.end(), in)
           || std::any_of(in_flight_.begin(), in_flight_.end(), [&](auto const& each) {
                  return std::any_of(each.second.begin(), each.second.end(), in);
              });
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
