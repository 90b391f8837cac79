/*!
 * \file pilot/Text.cpp
 */
#include "pilot/Text.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "wire/Utf8.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t reason_units_max = 500;
constexpr std::size_t lines_in_reason = 3;
constexpr std::size_t line_bytes_in_reason = 200;

//! Bytes of the UTF-8 character that begins here; 0 if none does.
std::size_t character_bytes(char const* at, std::size_t left)
{
    auto const lead = static_cast<unsigned char>(*at);
    std::size_t const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > left)
    {
        return 0;
    }
    return wire::is_utf8(at, size) ? size : 0;
}

//! Without escape sequences, control characters as blanks, without blanks at both ends.
std::string plain_line(std::string const& line)
{
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i)
    {
        if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[')
        {
            for (i += 2; i < line.size() && (line[i] < '@' || line[i] > '~'); ++i) {}
            continue;
        }
        auto const c = static_cast<unsigned char>(line[i]);
        out += c < 0x20 || c == 0x7f ? ' ' : line[i];
    }
    auto const first = out.find_first_not_of(' ');
    return first == std::string::npos ? ""
                                      : out.substr(first, out.find_last_not_of(' ') - first + 1);
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::string well_formed(std::string const& text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size();)
    {
        auto const size = character_bytes(text.data() + i, text.size() - i);
        out += size == 0 ? "?" : text.substr(i, size);
        i += size == 0 ? 1 : size;
    }
    return out;
}

//---------------------------------------------------------------------------//
std::string clip_reason(std::string const& text)
{
    auto const whole = well_formed(text);
    std::size_t units = 0;
    std::size_t fits = 0;
    for (std::size_t i = 0; i < whole.size();)
    {
        auto const size = character_bytes(whole.data() + i, whole.size() - i);
        units += size == 4 ? 2 : 1;
        i += size;
        if (units < reason_units_max)
        {
            fits = i;
        }
    }
    return units <= reason_units_max ? whole : whole.substr(0, fits) + "\xe2\x80\xa6";
}

//---------------------------------------------------------------------------//
std::string last_lines(std::vector<std::string> const& tails)
{
    for (auto const& tail : tails)
    {
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < tail.size();)
        {
            auto const end = std::min(tail.find('\n', at), tail.size());
            auto const line = plain_line(tail.substr(at, end - at));
            if (!line.empty())
            {
                auto const skip = line.size() - std::min(line.size(), line_bytes_in_reason);
                lines.push_back(line.substr(skip));
            }
            at = end + 1;
        }
        std::string joined;
        auto const from = lines.size() - std::min(lines.size(), lines_in_reason);
        for (auto i = from; i < lines.size(); ++i)
        {
            joined += (joined.empty() ? "" : " | ") + lines[i];
        }
        if (!joined.empty())
        {
            return clip_reason(joined);
        }
    }
    return "";
}

//---------------------------------------------------------------------------//
std::string safe_name(std::string const& text)
{
    std::string out = text.substr(0, 100);
    for (char& c : out)
    {
        bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool const plain = letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        c = plain ? c : '_';
    }
    return out;
}

//---------------------------------------------------------------------------//
std::string file_uri(std::string const& path)
{
    std::string out = "file://";
    for (char const c : path)
    {
        bool const plain = safe_name(std::string(1, c))[0] == c || c == '/' || c == '~';
        char code[4];
        unsigned const byte = static_cast<unsigned char>(c);
        std::snprintf(code, sizeof code, "%%%02X", byte);
        out += plain ? std::string(1, c) : std::string(code);
    }
    return out;
}

//---------------------------------------------------------------------------//
std::optional<std::uint64_t>
parse_whole(std::string const& text, std::uint64_t low, std::uint64_t high)
{
    if (text.empty() || text.size() > 19
        || text.find_first_not_of("0123456789") != std::string::npos)
    {
        return std::nullopt;
    }
    auto const value = std::strtoull(text.c_str(), nullptr, 10);
    return value < low || value > high ? std::nullopt : std::optional<std::uint64_t>{value};
}

//---------------------------------------------------------------------------//
std::optional<double> parse_duration(std::string const& text)
{
    constexpr std::uint64_t part_max = 1000000000;
    double seconds = 0;
    if (text.find(':') != std::string::npos)
    {
        int parts = 0;
        for (std::size_t at = 0; at <= text.size(); ++parts)
        {
            auto const end = std::min(text.find(':', at), text.size());
            auto const part = parse_whole(text.substr(at, end - at), 0, part_max);
            if (!part)
            {
                return std::nullopt;
            }
            seconds = 60 * seconds + static_cast<double>(*part);
            at = end + 1;
        }
        return parts == 2 || parts == 3 ? std::optional<double>{seconds} : std::nullopt;
    }
    if (text.empty())
    {
        return std::nullopt;
    }
    char last = 'z';
    for (std::size_t at = 0; at < text.size();)
    {
        auto const end = std::min(text.find_first_not_of("0123456789", at), text.size());
        auto const part = parse_whole(text.substr(at, end - at), 0, part_max);
        char const unit = end < text.size() ? text[end] : 's';
        static char const order[] = "dhms";
        auto const* place = std::strchr(order, unit);
        auto const* before = std::strchr(order, last);
        if (!part || !place || *place == '\0' || (before && place <= before))
        {
            return std::nullopt;
        }
        static double const factor[] = {86400, 3600, 60, 1};
        seconds += static_cast<double>(*part) * factor[place - order];
        last = unit;
        at = end + 1;
    }
    return seconds;
}

//---------------------------------------------------------------------------//
std::string system_problem(std::string const& what, int code)
{
    return what + ": " + std::strerror(code);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
