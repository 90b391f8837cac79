/*!
 * \file pilot/Limits.cpp
 */
#include "pilot/Limits.hpp"

#include <algorithm>

#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
struct Kind
{
    char const* name;
    int resource;
    bool bytes;
};

// Memory is what a process writes to, not address space: libraries map far more than they use.
constexpr Kind kinds[] = {{"memory", RLIMIT_DATA, true},
                          {"file", RLIMIT_FSIZE, true},
                          {"files", RLIMIT_NOFILE, false},
                          {"processes", RLIMIT_NPROC, false},
                          {"cpu", RLIMIT_CPU, false}};
constexpr std::uint64_t number_max = 1ull << 40;

//! Shift of a unit at the end of a number; -1 if there is none.
int unit_shift(char last)
{
    switch (last)
    {
        case 'k': return 10;
        case 'm': return 20;
        case 'g': return 30;
        default: return -1;
    }
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool parse_limit(std::string const& text, std::vector<Limit>& limits)
{
    auto const equals = text.find('=');
    if (equals == std::string::npos || equals + 1 == text.size())
    {
        return false;
    }
    auto const name = text.substr(0, equals);
    auto const kind = std::find_if(
        std::begin(kinds), std::end(kinds), [&](Kind const& each) { return name == each.name; });
    if (kind == std::end(kinds))
    {
        return false;
    }
    auto digits = text.substr(equals + 1);
    int const shift = kind->bytes ? unit_shift(digits.back()) : -1;
    if (shift >= 0)
    {
        digits.pop_back();
    }
    auto const number = parse_whole(digits, 1, number_max);
    if (!number || (shift > 0 && *number > (number_max << 10) >> shift))
    {
        return false;
    }
    limits.push_back({kind->resource, static_cast<rlim_t>(*number) << std::max(shift, 0)});
    return true;
}

//---------------------------------------------------------------------------//
std::vector<Limit>& payload_limits()
{
    static std::vector<Limit> limits;
    return limits;
}

//---------------------------------------------------------------------------//
void apply_limits(Limit const* limits, std::size_t count)
{
    rlimit const no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (std::size_t i = 0; i < count; ++i)
    {
        rlimit now{};
        if (getrlimit(limits[i].resource, &now) == 0)
        {
            auto const value = std::min(limits[i].value, now.rlim_max);
            rlimit const wanted{value, value};
            setrlimit(limits[i].resource, &wanted);
        }
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
