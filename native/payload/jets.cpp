/*!
 * \file payload/jets.cpp
 * \brief `jumbo-jets`: a payload that finds jets in HepMC events, once or as a stream.
 *
 * \code
    jumbo-jets --file F --offset O --bytes B --start N --seed S --output OUT     (once)
    jumbo-jets --file SLICE --start N --seed S --output OUT                      (once, a slice)
    jumbo-jets --stream
 * \endcode
 * Knobs: --antikt R, --durham JETS, --ghost-area A (active areas: smaller costs more).
 */
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>

#include <fastjet/ClusterSequence.hh>

#include "payload/Events.hpp"
#include "payload/Jets.hpp"
#include "pilot/Json.hpp"

using namespace jumbo;
using namespace jumbo::payload;
using Flags = std::map<std::string, std::string>;

namespace
{
//---------------------------------------------------------------------------//
struct Range
{
    std::string file;
    std::uint64_t offset{0};
    std::uint64_t bytes{0};
    std::uint64_t start{0};
    std::uint64_t seed{0};
    std::string output;
};

//! Write one line an event; the number of events.
std::uint64_t find_jets(Range const& range, JetOptions const& options)
{
    Events events{range.file, range.offset, range.bytes};
    std::ofstream out{range.output, std::ios::binary};
    std::vector<fastjet::PseudoJet> particles;
    std::uint64_t count = 0;
    for (; events.next(particles); ++count)
    {
        auto const index = range.start + count;
        out << jets_line(particles, options, index, event_seed(range.seed, index));
    }
    out.close();
    if (!out)
    {
        throw std::runtime_error(range.output + " can't be written");
    }
    return count;
}

std::uint64_t whole(std::string const& text)
{
    return std::strtoull(text.c_str(), nullptr, 10);
}

void say(std::string const& line)
{
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

//---------------------------------------------------------------------------//
void answer(pilot::JsonValue const& message, JetOptions const& options)
{
    auto const id = pilot::json_quote(message.at("id").text);
    try
    {
        Range range;
        range.file = message.at("file").text;
        range.offset = static_cast<std::uint64_t>(message.at("offset").number);
        range.bytes = static_cast<std::uint64_t>(message.at("bytes").number);
        range.start = static_cast<std::uint64_t>(message.at("start").number);
        range.seed = whole(message.at("seed").text);
        range.output = message.at("output").text;
        auto const before = std::clock();
        auto const events = find_jets(range, options);
        double const cpu = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
        say("{\"done\":{\"id\":" + id + ",\"events\":" + std::to_string(events)
            + ",\"cpu\":" + pilot::json_number(cpu) + "}}");
    }
    catch (std::exception const& problem)
    {
        say("{\"failed\":{\"id\":" + id + ",\"message\":" + pilot::json_quote(problem.what())
            + "}}");
    }
}

int stream(JetOptions const& options)
{
    say("{\"hello\":{\"protocol\":1,\"slots\":1,\"slice\":false}}");
    say("{\"ready\":1}");
    for (std::string line; std::getline(std::cin, line);)
    {
        auto const message = pilot::parse_json(line);
        if (message && message->has("stop"))
        {
            break;
        }
        if (message && message->has("range"))
        {
            answer(message->at("range"), options);
            say("{\"ready\":1}");
        }
    }
    return 0;
}

//---------------------------------------------------------------------------//
bool parse_flags(int argc, char** argv, Flags& flags)
{
    static char const* const known[] = {"--file", "--offset", "--bytes", "--start", "--seed",
                                        "--output", "--antikt", "--durham", "--ghost-area"};
    for (int i = 1; i < argc; ++i)
    {
        std::string const name = argv[i];
        if (name == "--stream")
        {
            flags[name] = "";
            continue;
        }
        bool found = false;
        for (auto const* each : known)
        {
            found = found || name == each;
        }
        if (!found || i + 1 == argc)
        {
            std::fprintf(stderr, "jumbo-jets: flag %s is unknown or has no value\n", name.c_str());
            return false;
        }
        flags[name] = argv[++i];
    }
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
int main(int argc, char** argv)
{
    Flags flags;
    if (!parse_flags(argc, argv, flags))
    {
        return 2;
    }
    // FastJet greets on standard output, which belongs to the protocol.
    fastjet::ClusterSequence::set_fastjet_banner_stream(nullptr);
    JetOptions options;
    options.durham = flags.count("--antikt") == 0;
    if (flags.count("--durham"))
    {
        options.jets = static_cast<int>(whole(flags["--durham"]));
    }
    options.radius = options.durham ? 0 : std::atof(flags["--antikt"].c_str());
    options.ghost_area = std::atof(flags["--ghost-area"].c_str());
    if (flags.count("--stream"))
    {
        return stream(options);
    }
    try
    {
        find_jets({flags["--file"],
                   whole(flags["--offset"]),
                   whole(flags["--bytes"]),
                   whole(flags["--start"]),
                   whole(flags["--seed"]),
                   flags["--output"]},
                  options);
    }
    catch (std::exception const& problem)
    {
        std::fprintf(stderr, "jumbo-jets: %s\n", problem.what());
        return 1;
    }
    return 0;
}
