/*!
 * \file payload/echo.cpp
 * \brief `jumbo-echo`: the smallest stream payload, for tests and measurements.
 *
 * Writes one line `{"i":N}` for each event of a range, after `--sleep MS` milliseconds a range.
 */
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include <unistd.h>

#include "pilot/Json.hpp"

using namespace jumbo::pilot;

namespace
{
void say(std::string const& line)
{
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}
}  // namespace

//---------------------------------------------------------------------------//
int main(int argc, char** argv)
{
    double const sleep_ms = argc == 3 && std::string{argv[1]} == "--sleep" ? std::atof(argv[2]) : 0;
    say("{\"hello\":{\"protocol\":1,\"slots\":1,\"slice\":false}}");
    say("{\"ready\":1}");
    for (std::string line; std::getline(std::cin, line);)
    {
        auto const message = parse_json(line);
        if (!message || message->has("stop"))
        {
            break;
        }
        if (!message->has("range"))
        {
            continue;
        }
        auto const& range = message->at("range");
        usleep(static_cast<useconds_t>(1000 * sleep_ms));
        auto const start = static_cast<std::uint64_t>(range.at("start").number);
        auto const count = static_cast<std::uint64_t>(range.at("count").number);
        std::ofstream out{range.at("output").text};
        for (auto i = start; i < start + count; ++i)
        {
            out << "{\"i\":" << i << "}\n";
        }
        out.close();
        say("{\"done\":{\"id\":" + json_quote(range.at("id").text)
            + ",\"events\":" + std::to_string(count) + "}}");
        say("{\"ready\":1}");
    }
    return 0;
}
