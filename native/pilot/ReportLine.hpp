/*!
 * \file pilot/ReportLine.hpp
 * \brief Reports of all ranks on their way to the engine, and the verdicts on their way back.
 *
 *   add --> waiting --take(sequence)--> in flight --answer(sequence)--> verdicts for each sender
 *              ^                            |
 *              +------- take_back ----------+   (connection lost)
 */
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "wire/Messages.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! Ranges by the engine's verdicts.
struct Tally
{
    std::uint64_t accepted{0};
    std::uint64_t unused{0};  //!< Done, but the engine had no use for it.
    std::uint64_t failed{0};
    std::uint64_t returned{0};
    std::uint64_t lost{0};
};

//! The reports of one exchange of one rank; rank -1: the hub's own.
struct Parcel
{
    int rank{-1};
    std::uint64_t session{0};
    std::uint64_t sequence{0};
    std::vector<wire::Report> reports;
};

class ReportLine
{
  public:
    static constexpr std::size_t in_flight_max = 2;

    void add(Parcel parcel);
    bool waits() const { return !waiting_.empty(); }
    bool full() const { return in_flight_.size() >= in_flight_max; }
    bool empty() const { return waiting_.empty() && in_flight_.empty(); }
    Tally const& tally() const { return tally_; }

    //! As many whole parcels as one exchange holds, in flight as \c sequence from now on.
    std::vector<wire::Report> take(std::uint64_t sequence);
    //! The connection is gone: what had no answer waits again, in its order.
    void take_back();

    using Answer = std::function<void(Parcel const&, std::vector<wire::VerdictRun>)>;
    //! Share the runs out to the parcels of an exchange; false if they don't fit.
    bool answer(std::uint64_t sequence,
                std::vector<wire::VerdictRun> const& runs,
                Answer const& to);

    //! Bundles named by reports that have no verdict.
    bool names(std::uint32_t bundle) const;

  private:
    std::deque<Parcel> waiting_;
    std::map<std::uint64_t, std::vector<Parcel>> in_flight_;
    Tally tally_;

    void count(wire::Report const& report, std::uint64_t ranges, wire::Verdict verdict);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
