/*!
 * \file pilot/Limits.hpp
 * \brief What a payload may take at most: the system's limits (setrlimit) of its processes.
 *
 * Cores are dumped by none, however the pilot itself was started.
 */
#pragma once

#include <string>
#include <vector>

#include <sys/resource.h>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct Limit
{
    int resource;
    rlim_t value;
};

//! Parse `memory=4g`, `file=100m`, `files=1024`, `processes=64`, `cpu=3600`; false if it is none.
bool parse_limit(std::string const& text, std::vector<Limit>& limits);

//! Of all payloads of this process; set once, before the first starts.
std::vector<Limit>& payload_limits();

//! For the calling process; only system calls. A limit above the allowed one becomes that.
void apply_limits(Limit const* limits, std::size_t count);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
