/*!
 * \file payload/Jets.hpp
 * \brief Jets of one event: Durham (e+e- kt, exclusive) or anti-kt (inclusive), also with areas.
 *
 * S. Catani et al., Phys. Lett. B 269 (1991) 432; M. Cacciari, G. Salam, G. Soyez, JHEP 04 (2008)
 * 063 and 005 (active areas), by FastJet.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fastjet/PseudoJet.hh>

namespace jumbo
{
namespace payload
{
//---------------------------------------------------------------------------//
struct JetOptions
{
    bool durham{true};
    int jets{3};  //!< Durham: exclusive jets.
    double radius{0.4};  //!< anti-kt.
    double pt_min{5};  //!< anti-kt, GeV.
    /*!
     * anti-kt: area of one ghost, 0: no active areas. Smaller ghosts are more, and cost more: this
     * is the knob for the time that an event takes.
     */
    double ghost_area{0};
};

//! Seed of an event: output \c index of splitmix64 started at \c seed (docs/concepts/payloads.md).
std::uint64_t event_seed(std::uint64_t seed, std::uint64_t index);

//! One line of JSON: `{"event":index,"jets":[{"rap":..,"phi":..,"pt":..}]}`, hardest first.
std::string jets_line(std::vector<fastjet::PseudoJet> const& particles,
                      JetOptions const& options,
                      std::uint64_t index,
                      std::uint64_t seed);
//---------------------------------------------------------------------------//
}  // namespace payload
}  // namespace jumbo
