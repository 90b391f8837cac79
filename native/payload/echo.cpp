/*!
 * \file payload/echo.cpp
 * \brief `jumbo-echo`: the smallest stream payload, for tests and measurements.
 *
 * Writes one line `{"i":N}` for each event of a range, after `--sleep MS` milliseconds a range. With
 * `--starts PREFIX` it adds the first event of each range that it starts to the file PREFIX.HOST.
 */
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include <fcntl.h>
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

//! Lines of many processes, each whole: a file that is appended to.
int open_starts(std::string const& prefix)
{
    char host[256] = "host";
    gethostname(host, sizeof host - 1);
    return open((prefix + "." + host).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}
}  // namespace

//---------------------------------------------------------------------------//
int main(int argc, char** argv)
{
    double sleep_ms = 0;
    int starts = -1;
    for (int i = 1; i + 1 < argc; i += 2)
    {
        if (std::string{argv[i]} == "--sleep")
        {
            sleep_ms = std::atof(argv[i + 1]);
        }
        else if (std::string{argv[i]} == "--starts")
        {
            starts = open_starts(argv[i + 1]);
        }
    }
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
        auto const start = static_cast<std::uint64_t>(range.at("start").number);
        if (starts >= 0)
        {
            auto const note = std::to_string(start) + "\n";
            if (write(starts, note.data(), note.size()) < 0)
            {
                return 1;
            }
        }
        usleep(static_cast<useconds_t>(1000 * sleep_ms));
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
