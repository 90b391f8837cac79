/*!
 * \file pilot/Text.hpp
 * \brief Text as the protocol, file names and reports may carry it.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! Valid UTF-8: every byte that is none becomes '?'.
std::string well_formed(std::string const& text);

//! A reason of a report: well-formed and at most 500 UTF-16 units, an ellipsis where it was cut.
std::string clip_reason(std::string const& text);

//! The last lines of the first tail that says anything, as the end of a reason.
std::string last_lines(std::vector<std::string> const& tails);

//! Only letters, digits, dot, underscore and minus; at most 100 characters.
std::string safe_name(std::string const& text);

//! `file:` URI of an absolute path.
std::string file_uri(std::string const& path);

//! Seconds of `90`, `90s`, `5m`, `1h30m`, `HH:MM:SS` or `MM:SS`; nothing for any other form.
std::optional<double> parse_duration(std::string const& text);

//! Whole decimal number in low .. high; nothing for any other text.
std::optional<std::uint64_t>
parse_whole(std::string const& text, std::uint64_t low, std::uint64_t high);

//! `strerror`, with the name of what it happened to.
std::string system_problem(std::string const& what, int code);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
