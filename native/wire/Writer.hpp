/*!
 * \file wire/Writer.hpp
 * \brief Write the msgpack values of the protocol, each in its one byte form.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/Result.hpp"
#include "wire/Messages.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
/*!
 * Append values to a growing buffer.
 *
 * A number outside its documented domain is a programmer's error (assertion). What data can make
 * too large, or no UTF-8, is remembered as the first error; the caller asks \c error at the end.
 */
class Writer
{
  public:
    explicit Writer(std::vector<std::uint8_t>& bytes) : bytes_{bytes} {}

    void array(std::size_t length);
    void unsigned_int(std::uint64_t value, std::uint64_t max);
    //! Finite and >= 0, or -1.
    void real(double value);
    void whole_or_minus_one(std::int64_t value);
    void flag(bool value);
    void string(std::string const& value, char const* what, std::size_t bytes_max = string_bytes_max);
    void bin(Blob const& value, char const* what, std::size_t bytes_max);
    void strings(std::vector<std::string> const& values, char const* what);

    //! Header of a bin of \c size bytes; exactly so many raw bytes must follow.
    void bin_header(std::size_t size);
    void raw_u8(std::uint8_t value) { bytes_.push_back(value); }
    void raw_u16le(std::uint16_t value);
    void raw_u32le(std::uint32_t value);
    void raw_u64le(std::uint64_t value);

    //! Remember that something does not fit; only the first is kept.
    void too_large(char const* what, std::size_t size, std::size_t limit);
    void check_count(char const* what, std::size_t size, std::size_t limit);

    bool failed() const { return failed_; }
    Error const& error() const { return error_; }

  private:
    std::vector<std::uint8_t>& bytes_;
    bool failed_{false};
    Error error_;

    void size_header(std::size_t size, std::uint8_t first);
    void header(std::size_t size, std::uint8_t first);
    void smallest(std::uint32_t value);
    void float64(double value);
    void fail(std::string message);
};
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
