/*!
 * \file wire/Utf8.cpp
 */
#include "wire/Utf8.hpp"

#include <cstddef>
#include <cstdint>

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
//! Bytes of the character at \c p, 0 if there is no valid one in \c left bytes (RFC 3629, 4).
std::size_t character_size(std::uint8_t const* p, std::size_t left)
{
    auto const head = p[0];
    if (head < 0x80)
    {
        return 1;
    }
    std::size_t const size = head < 0xc2 ? 0 : head < 0xe0 ? 2 : head < 0xf0 ? 3 : head < 0xf5 ? 4 : 0;
    if (size == 0 || size > left)
    {
        return 0;
    }
    // Only the second byte has bounds of its own: overlong forms, surrogates, above U+10FFFF.
    std::uint8_t const least = head == 0xe0 ? 0xa0 : head == 0xf0 ? 0x90 : 0x80;
    std::uint8_t const most = head == 0xed ? 0x9f : head == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < least || p[1] > most)
    {
        return 0;
    }
    for (std::size_t i = 2; i < size; ++i)
    {
        if ((p[i] & 0xc0) != 0x80)
        {
            return 0;
        }
    }
    return size;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool is_utf8(char const* text, std::size_t size)
{
    auto const* p = reinterpret_cast<std::uint8_t const*>(text);
    for (std::size_t at = 0; at < size;)
    {
        auto const step = character_size(p + at, size - at);
        if (step == 0)
        {
            return false;
        }
        at += step;
    }
    return true;
}

//---------------------------------------------------------------------------//
std::string clip_utf8(std::string const& text, std::size_t bytes_max)
{
    static char const replacement[] = "\xef\xbf\xbd";
    auto const* p = reinterpret_cast<std::uint8_t const*>(text.data());
    std::string result;
    for (std::size_t at = 0; at < text.size();)
    {
        auto const step = character_size(p + at, text.size() - at);
        auto const size = step == 0 ? std::size_t{3} : step;
        if (result.size() + size > bytes_max)
        {
            break;
        }
        if (step == 0)
        {
            result.append(replacement);
        }
        else
        {
            result.append(text, at, step);
        }
        at += step == 0 ? 1 : step;
    }
    return result;
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
