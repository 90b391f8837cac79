/*!
 * \file wire/Writer.cpp
 */
#include "wire/Writer.hpp"

#include <cmath>
#include <cstring>

#include "wire/Utf8.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
void Writer::array(std::size_t length)
{
    if (length < 16)
    {
        bytes_.push_back(static_cast<std::uint8_t>(0x90 | length));
    }
    else
    {
        this->header(length, 0xdc);
    }
}

//---------------------------------------------------------------------------//
void Writer::unsigned_int(std::uint64_t value, std::uint64_t max)
{
    JUMBO_EXPECT(value <= max && max <= u53_max);
    if (value <= u32_max)
    {
        this->smallest(static_cast<std::uint32_t>(value));
    }
    else
    {
        this->float64(static_cast<double>(value));
    }
}

//---------------------------------------------------------------------------//
void Writer::real(double value)
{
    JUMBO_EXPECT(std::isfinite(value) && (value >= 0 || value == -1));
    if (value == -1)
    {
        bytes_.push_back(0xff);
    }
    else if (value <= static_cast<double>(u32_max) && value == std::floor(value))
    {
        this->smallest(static_cast<std::uint32_t>(value));
    }
    else
    {
        this->float64(value);
    }
}

//---------------------------------------------------------------------------//
void Writer::whole_or_minus_one(std::int64_t value)
{
    JUMBO_EXPECT(value >= -1 && value <= static_cast<std::int64_t>(u53_max));
    this->real(static_cast<double>(value));
}

//---------------------------------------------------------------------------//
void Writer::flag(bool value)
{
    bytes_.push_back(value ? 0xc3 : 0xc2);
}

//---------------------------------------------------------------------------//
void Writer::string(std::string const& value, char const* what, std::size_t bytes_max)
{
    auto const size = value.size();
    if (size > bytes_max)
    {
        return this->too_large(what, size, bytes_max);
    }
    if (!is_utf8(value.data(), size))
    {
        return this->fail(std::string{what}
                          + " can't be sent (it is not valid UTF-8) rename it, or clip it with "
                            "clip_utf8");
    }
    if (size < 32)
    {
        bytes_.push_back(static_cast<std::uint8_t>(0xa0 | size));
    }
    else
    {
        this->size_header(size, 0xd9);
    }
    bytes_.insert(bytes_.end(), value.begin(), value.end());
}

//---------------------------------------------------------------------------//
void Writer::bin(Blob const& value, char const* what, std::size_t bytes_max)
{
    if (value.size() > bytes_max)
    {
        return this->too_large(what, value.size(), bytes_max);
    }
    this->bin_header(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
}

//---------------------------------------------------------------------------//
void Writer::strings(std::vector<std::string> const& values, char const* what)
{
    this->check_count(what, values.size(), array_items_max);
    this->array(values.size());
    for (auto const& value : values)
    {
        this->string(value, what);
    }
}

//---------------------------------------------------------------------------//
void Writer::bin_header(std::size_t size)
{
    this->size_header(size, 0xc4);
}

//---------------------------------------------------------------------------//
void Writer::raw_u16le(std::uint16_t value)
{
    bytes_.push_back(static_cast<std::uint8_t>(value));
    bytes_.push_back(static_cast<std::uint8_t>(value >> 8));
}

//---------------------------------------------------------------------------//
void Writer::raw_u32le(std::uint32_t value)
{
    this->raw_u16le(static_cast<std::uint16_t>(value));
    this->raw_u16le(static_cast<std::uint16_t>(value >> 16));
}

//---------------------------------------------------------------------------//
void Writer::raw_u64le(std::uint64_t value)
{
    this->raw_u32le(static_cast<std::uint32_t>(value));
    this->raw_u32le(static_cast<std::uint32_t>(value >> 32));
}

//---------------------------------------------------------------------------//
void Writer::check_count(char const* what, std::size_t size, std::size_t limit)
{
    if (size > limit)
    {
        this->too_large(what, size, limit);
    }
}

//---------------------------------------------------------------------------//
void Writer::too_large(char const* what, std::size_t size, std::size_t limit)
{
    this->fail(std::string{what} + " can't be sent (its size is " + std::to_string(size)
               + ", the limit " + std::to_string(limit) + ") make it smaller or split it");
}

//---------------------------------------------------------------------------//
void Writer::fail(std::string message)
{
    if (!failed_)
    {
        failed_ = true;
        error_ = {ErrorCode::protocol, std::move(message)};
    }
}

//---------------------------------------------------------------------------//
//! 8-, 16- or 32-bit sizes under the type bytes first, first + 1, first + 2.
void Writer::size_header(std::size_t size, std::uint8_t first)
{
    if (size < 0x100)
    {
        bytes_.push_back(first);
        bytes_.push_back(static_cast<std::uint8_t>(size));
    }
    else
    {
        this->header(size, static_cast<std::uint8_t>(first + 1));
    }
}

//---------------------------------------------------------------------------//
//! 16- or 32-bit sizes under the type bytes first, first + 1.
void Writer::header(std::size_t size, std::uint8_t first)
{
    if (size < 0x10000)
    {
        bytes_.push_back(first);
    }
    else
    {
        bytes_.push_back(static_cast<std::uint8_t>(first + 1));
        bytes_.push_back(static_cast<std::uint8_t>(size >> 24));
        bytes_.push_back(static_cast<std::uint8_t>(size >> 16));
    }
    bytes_.push_back(static_cast<std::uint8_t>(size >> 8));
    bytes_.push_back(static_cast<std::uint8_t>(size));
}

//---------------------------------------------------------------------------//
void Writer::smallest(std::uint32_t value)
{
    if (value < 0x80)
    {
        bytes_.push_back(static_cast<std::uint8_t>(value));
    }
    else if (value < 0x100)
    {
        bytes_.push_back(0xcc);
        bytes_.push_back(static_cast<std::uint8_t>(value));
    }
    else
    {
        this->header(value, 0xcd);
    }
}

//---------------------------------------------------------------------------//
void Writer::float64(double value)
{
    std::uint64_t bits;
    static_assert(sizeof bits == sizeof value, "float64 is IEEE 754 binary64");
    std::memcpy(&bits, &value, sizeof bits);
    bytes_.push_back(0xcb);
    for (int shift = 56; shift >= 0; shift -= 8)
    {
        bytes_.push_back(static_cast<std::uint8_t>(bits >> shift));
    }
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
