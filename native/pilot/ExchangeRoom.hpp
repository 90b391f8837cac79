/*!
 * \file pilot/ExchangeRoom.hpp
 * \brief How many reports go into one exchange, on the wire or in a spool.
 *
 * The protocol's limits are for whole messages (ranges, spans, bytes of a frame), so what waits for
 * long must be cut. The room is half of them or less: what is added last may be large.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/Messages.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class ExchangeRoom
{
  public:
    //! Ranges of one report at most, so that each report has room somewhere.
    static constexpr std::uint64_t ranges_max = wire::ranges_per_exchange_max / 2;

    //! Take reports in, all or none: false if they don't fit. What comes first always does.
    bool take(wire::Report const* reports, std::size_t count);
    bool take(std::vector<wire::Report> const& all) { return this->take(all.data(), all.size()); }

  private:
    std::size_t reports_{0};
    std::size_t spans_{0};
    std::size_t reason_bytes_{0};
    std::uint64_t ranges_{0};
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
