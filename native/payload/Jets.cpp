/*!
 * \file payload/Jets.cpp
 */
#include "payload/Jets.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

#include <fastjet/ClusterSequence.hh>
#include <fastjet/ClusterSequenceArea.hh>

namespace jumbo
{
namespace payload
{
namespace
{
//---------------------------------------------------------------------------//
constexpr double ghost_rapidity_max = 5;

void put_number(std::string& out, char const* name, double value)
{
    char text[64];
    std::snprintf(text, sizeof text, "\"%s\":%.17g", name, value);
    out += text;
}

std::unique_ptr<fastjet::ClusterSequence> cluster(std::vector<fastjet::PseudoJet> const& particles,
                                                  JetOptions const& options,
                                                  std::uint64_t seed)
{
    if (options.durham)
    {
        return std::make_unique<fastjet::ClusterSequence>(
            particles, fastjet::JetDefinition{fastjet::ee_kt_algorithm});
    }
    fastjet::JetDefinition const definition{fastjet::antikt_algorithm, options.radius};
    if (options.ghost_area <= 0)
    {
        return std::make_unique<fastjet::ClusterSequence>(particles, definition);
    }
    fastjet::GhostedAreaSpec ghosts{ghost_rapidity_max, 1, options.ghost_area};
    // FastJet's generator takes two positive 31-bit numbers.
    auto const high = static_cast<int>((seed >> 33) | 1);
    auto const low = static_cast<int>((seed & 0x7ffffffe) | 1);
    ghosts.set_random_status({high, low});
    return std::make_unique<fastjet::ClusterSequenceArea>(
        particles, definition, fastjet::AreaDefinition{fastjet::active_area, ghosts});
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::uint64_t event_seed(std::uint64_t seed, std::uint64_t index)
{
    std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

//---------------------------------------------------------------------------//
std::string jets_line(std::vector<fastjet::PseudoJet> const& particles,
                      JetOptions const& options,
                      std::uint64_t index,
                      std::uint64_t seed)
{
    auto const sequence = cluster(particles, options, seed);
    bool const few = particles.size() < static_cast<std::size_t>(options.jets);
    auto const jets = sorted_by_pt(
        !options.durham ? sequence->inclusive_jets(options.pt_min)
        : few           ? sequence->exclusive_jets(static_cast<int>(particles.size()))
                        : sequence->exclusive_jets(options.jets));
    std::string out = "{\"event\":" + std::to_string(index) + ",\"jets\":[";
    for (std::size_t i = 0; i < jets.size(); ++i)
    {
        out += i == 0 ? "{" : ",{";
        put_number(out, "rap", jets[i].rap());
        out += ",";
        put_number(out, "phi", jets[i].phi());
        out += ",";
        put_number(out, "pt", jets[i].pt());
        if (jets[i].has_area())
        {
            out += ",";
            put_number(out, "area", jets[i].area());
        }
        out += "}";
    }
    return out + "]}\n";
}
//---------------------------------------------------------------------------//
}  // namespace payload
}  // namespace jumbo
