/*!
 * \file pilot/Options.hpp
 * \brief Flags of `jumbo-pilot`.
 */
#pragma once

#include <string>
#include <vector>

#include "pilot/Exit.hpp"
#include "pilot/Limits.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct Options
{
    std::string access_path;
    unsigned slots{0};  //!< Per node; 0: the free cores.
    std::string bundles_dir{"jumbo-bundles"};
    std::string work_dir;  //!< Node-local; "": the system's temporary folder.
    double walltime_seconds{-1};  //!< From the start on; -1: asked of Slurm, else none.
    std::string queue;
    std::string allocation;
    std::string pilot_id;
    unsigned generation{0};  //!< 0: 1 for an id made here, for a given one the time.
    double give_up_seconds{600};
    double drain_seconds{-1};
    double silence_seconds{10};
    //! hydra says by SIGUSR1 that a rank has died: there it drains only if this file is there.
    std::string drain_file;
    unsigned prefetch{16384};  //!< Most ranges held beyond those that run.
    std::vector<Limit> limits;  //!< Of payloads.
    bool with_parent{false};
    bool help{false};
    bool version{false};
};

//! Parse flags (`--name value` or `--name=value`); false, with the ending that it means, if wrong.
bool parse_options(int argc, char const* const* argv, Options& options, Ending& problem);

std::string help_text();

//! Cores that this process may use: affinity, cut by the cgroup's quota.
unsigned free_cores();
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
