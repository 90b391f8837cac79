/*!
 * \file wire/Utf8.hpp
 * \brief Text on the wire is valid UTF-8; what comes from payloads and file systems need not be.
 */
#pragma once

#include <string>

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
//! Whether bytes are UTF-8 without overlong forms and surrogates (RFC 3629).
bool is_utf8(char const* text, std::size_t size);

//! Valid UTF-8 of at most \c bytes_max bytes: bad bytes become U+FFFD, characters stay whole.
std::string clip_utf8(std::string const& text, std::size_t bytes_max);
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
