/*!
 * \file pilot/Log.cpp
 */
#include "pilot/Log.hpp"

#include <cstdio>
#include <ctime>

#include <unistd.h>

namespace jumbo
{
namespace pilot
{
namespace
{
int shown_rank = -1;
}

//---------------------------------------------------------------------------//
void log_rank(int rank)
{
    shown_rank = rank;
}

//---------------------------------------------------------------------------//
void log_line(std::string const& text)
{
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    std::tm parts{};
    gmtime_r(&now.tv_sec, &parts);
    char stamp[40];
    auto const used = std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(stamp + used, sizeof stamp - used, ".%03ldZ", now.tv_nsec / 1000000);
    std::string line = stamp;
    if (shown_rank >= 0)
    {
        line += " rank " + std::to_string(shown_rank);
    }
    line += " " + text + "\n";
    // One write a line, so that lines of ranks that share a terminal stay whole.
    if (write(STDERR_FILENO, line.data(), line.size()) < 0)
    {
        // Nobody reads any more; there is no better place to say so.
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
