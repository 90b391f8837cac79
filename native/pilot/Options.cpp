/*!
 * \file pilot/Options.cpp
 */
#include "pilot/Options.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>

#include <sched.h>
#include <unistd.h>

#include "pilot/Clock.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
using Setter = std::function<bool(std::string const&)>;

Setter text_into(std::string& to)
{
    return [&to](std::string const& value) {
        to = value;
        return true;
    };
}

Setter number_into(unsigned& to, std::uint64_t most)
{
    return [&to, most](std::string const& value) {
        auto const number = parse_whole(value, 1, most);
        to = static_cast<unsigned>(number.value_or(0));
        return number.has_value();
    };
}

//! Zero is a number too.
Setter count_into(unsigned& to, std::uint64_t most)
{
    return [&to, most](std::string const& value) {
        auto const number = parse_whole(value, 0, most);
        to = static_cast<unsigned>(number.value_or(0));
        return number.has_value();
    };
}

Setter duration_into(double& to)
{
    return [&to](std::string const& value) {
        auto const seconds = parse_duration(value);
        to = seconds.value_or(0);
        return seconds.has_value();
    };
}

std::string absolute(std::string const& path)
{
    if (path.empty() || path[0] == '/')
    {
        return path;
    }
    char* here = getcwd(nullptr, 0);
    std::string const whole = std::string{here ? here : ""} + "/" + path;
    std::free(here);
    return whole;
}

bool wrong(Ending& problem, std::string const& text)
{
    problem = {Exit::usage, text};
    return false;
}

//! Cores of a cgroup v2 quota; 0 where there is none.
double quota_cores()
{
    std::ifstream own{"/proc/self/cgroup"};
    std::string line;
    while (std::getline(own, line))
    {
        if (line.compare(0, 3, "0::") == 0)
        {
            std::ifstream limit{"/sys/fs/cgroup" + line.substr(3) + "/cpu.max"};
            double quota = 0;
            double period = 0;
            return limit >> quota >> period && period > 0 ? quota / period : 0;
        }
    }
    return 0;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool parse_options(int argc, char const* const* argv, Options& options, Ending& problem)
{
    std::string store;
    std::map<std::string, Setter> const setters{
        {"--access", text_into(options.access_path)},
        {"--store", text_into(store)},
        {"--slots", number_into(options.slots, 65535)},
        {"--bundles", text_into(options.bundles_dir)},
        {"--work", text_into(options.work_dir)},
        {"--walltime", duration_into(options.walltime_seconds)},
        {"--queue", text_into(options.queue)},
        {"--allocation", text_into(options.allocation)},
        {"--id", text_into(options.pilot_id)},
        {"--generation", number_into(options.generation, 0xffffffffu)},
        {"--give-up", duration_into(options.give_up_seconds)},
        {"--drain", duration_into(options.drain_seconds)},
        {"--rank-silence", duration_into(options.silence_seconds)},
        {"--drain-file", text_into(options.drain_file)},
        {"--prefetch", count_into(options.prefetch, 16384)},
        {"--limit", [&](std::string const& text) { return parse_limit(text, options.limits); }}};
    for (int i = 1; i < argc; ++i)
    {
        std::string name = argv[i];
        if (name == "--help" || name == "-h" || name == "--version" || name == "--with-parent")
        {
            options.help = options.help || name == "--help" || name == "-h";
            options.version = options.version || name == "--version";
            options.with_parent = options.with_parent || name == "--with-parent";
            continue;
        }
        auto const equals = name.find('=');
        bool const joined = equals != std::string::npos;
        std::string const flag = name.substr(0, equals);
        auto const setter = setters.find(flag);
        if (setter == setters.end())
        {
            return wrong(problem,
                         "unknown flag " + flag + " (no such flag) see jumbo-pilot --help");
        }
        if (!joined && i + 1 == argc)
        {
            return wrong(problem, flag + " has no value (one must follow) see jumbo-pilot --help");
        }
        std::string const value = joined ? name.substr(equals + 1) : argv[++i];
        if (!setter->second(value))
        {
            return wrong(problem,
                         flag + " \"" + value
                             + "\" is not understood (it wants "
                             + (flag == "--limit" ? "a limit and its number) write e.g. memory=4g, "
                                                    "file=100m, files=1024, processes=64 or cpu=3600"
                                                  : "a number or a duration) write e.g. 16, 90m, "
                                                    "1h30m or 00:05:00"));
        }
    }
    if (options.access_path.empty() && !store.empty())
    {
        options.access_path = store + "/access.json";
    }
    if (char const* path = std::getenv("JUMBO_ACCESS"); options.access_path.empty() && path)
    {
        options.access_path = path;
    }
    if (options.access_path.empty() && !options.help && !options.version)
    {
        return wrong(problem,
                     "no engine is named (neither --access, --store nor JUMBO_ACCESS is given) "
                     "name its access file with --access FILE");
    }
    if (options.silence_seconds < 2)
    {
        return wrong(problem,
                     "--rank-silence is too short (ranks speak once a second) write 2 or more");
    }
    char const* temporary = std::getenv("TMPDIR");
    options.work_dir = absolute(!options.work_dir.empty()      ? options.work_dir
                                : temporary && *temporary ? temporary
                                                          : "/tmp");
    options.bundles_dir = absolute(options.bundles_dir);
    if (options.generation == 0)
    {
        options.generation = options.pilot_id.empty() ? 1 : static_cast<unsigned>(wall_seconds());
    }
    return true;
}

//---------------------------------------------------------------------------//
std::string help_text()
{
    return "Usage: jumbo-pilot --access FILE [flags]\n"
           "\n"
           "Gives the cores of an allocation to a Jumbo engine: one process a node, started by\n"
           "srun or mpirun (MPI builds), or alone (serial build).\n"
           "\n"
           "  --access FILE       access file of the engine (or --store DIR, or $JUMBO_ACCESS)\n"
           "  --slots N           payload places on each node (default: the free cores)\n"
           "  --bundles DIR       folder for outputs, seen by the engine too (jumbo-bundles)\n"
           "  --work DIR          node-local folder in which payloads run ($TMPDIR or /tmp)\n"
           "  --walltime T        time that this run has (default: asked of Slurm, else none)\n"
           "  --queue NAME        the place that gave the nodes\n"
           "  --allocation ID     the batch job (default: $SLURM_JOB_ID)\n"
           "  --id TEXT           stable identity (default: job or host, process and chance)\n"
           "  --generation N      raised by a run that takes over an identity\n"
           "  --give-up T         end after so long without an engine (default: 10m)\n"
           "  --drain T           time for what runs after SIGTERM (default: as long as it needs)\n"
           "  --drain-file F      under mpirun of MPICH, SIGUSR1 drains only if F exists\n"
           "  --rank-silence T    a rank that is silent for so long is dropped (default: 10s)\n"
           "  --prefetch N        most ranges held ahead of the slots (as a round trip needs)\n"
           "  --limit NAME=N      of each payload process: memory, file (bytes, k, m, g), files,\n"
           "                      processes, cpu (seconds); may be repeated\n"
           "  --with-parent       stop when the process that started it is gone\n"
           "  --help, --version\n"
           "\n"
           "$JUMBO_PROXY (host:port) is an HTTP proxy through which tcp and tls addresses are\n"
           "reached; it goes before the one that the access file may name.\n"
           "\n"
           "Durations: 90, 90s, 5m, 1h30m, HH:MM:SS. SIGTERM, SIGINT and SIGUSR1 drain; a second\n"
           "SIGTERM or SIGINT stops. Exit codes: 0 drained, 2 usage, 3 no access file, 4 key\n"
           "refused, 5 no engine, 7 identity taken over, 8 other protocol version, 74 outputs\n"
           "can't be kept, 130 stopped.\n";
}

//---------------------------------------------------------------------------//
unsigned free_cores()
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    unsigned cores = 1;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0)
    {
        cores = static_cast<unsigned>(CPU_COUNT(&mask));
    }
    double const quota = quota_cores();
    return quota > 0 ? std::max(1u, std::min(cores, static_cast<unsigned>(std::lround(quota))))
                     : cores;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
