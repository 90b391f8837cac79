/*!
 * \file pilot/NodeHealth.cpp
 */
#include "pilot/NodeHealth.hpp"

#include <algorithm>
#include <cstdint>

#include <sys/statvfs.h>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr double spare_bytes = 64.0 * 1024 * 1024;
constexpr double spare_share = 0.01;
constexpr unsigned long long spare_files = 64;

std::string folder_problem(std::string const& folder)
{
    struct statvfs found;
    if (statvfs(folder.c_str(), &found) != 0)
    {
        // Not there yet, or gone for a moment: who writes there says what is wrong.
        return "";
    }
    double const block = static_cast<double>(found.f_frsize);
    double const whole = block * static_cast<double>(found.f_blocks);
    double const free = block * static_cast<double>(found.f_bavail);
    if (free < std::min(spare_bytes, spare_share * whole))
    {
        return "no space is left in " + folder;
    }
    // File systems that make inodes as they need them count none.
    if (found.f_files > spare_files && found.f_favail < spare_files)
    {
        return "no files can be made in " + folder;
    }
    return "";
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool NodeHealth::look()
{
    std::string problem;
    for (auto const& folder : folders_)
    {
        problem = problem.empty() ? folder_problem(folder) : problem;
    }
    bool const changed = problem != problem_;
    problem_ = problem;
    return changed;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
