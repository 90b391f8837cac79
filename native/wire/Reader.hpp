/*!
 * \file wire/Reader.hpp
 * \brief The strict decoder's ground floor.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/Result.hpp"
#include "wire/Frame.hpp"
#include "wire/Messages.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
/*!
 * Check and decode the values of a payload in one forward pass.
 *
 * The caller asks for what the protocol has at this position; anything else is refused: nil, maps,
 * ext types, signed forms, forms longer than needed, other arities. A length is checked against
 * its limit and the bytes that are left before anything is allocated from it. No function recurses.
 *
 * The first refusal sticks: every later read returns an empty value at once, so that callers need
 * to ask \c failed only before they loop or build on a value.
 */
class Reader
{
  public:
    explicit Reader(BytesView payload) : data_{payload.data}, end_{payload.size} {}

    //! Length of an array, at most \c max and at most the bytes that are left.
    std::size_t array(std::size_t max, char const* what);
    //! An array of exactly \c length items.
    void tuple(std::size_t length, char const* what);
    std::uint64_t unsigned_int(std::uint64_t min, std::uint64_t max, char const* what);
    std::uint32_t u32(char const* what);
    //! Finite and >= 0, or -1.
    double real(char const* what);
    std::int64_t whole_or_minus_one(char const* what);
    bool flag(char const* what);
    std::string string(char const* what, std::size_t bytes_max = string_bytes_max);
    std::vector<std::string> strings(char const* what);
    Blob bin(std::size_t bytes_max, char const* what);
    //! Where a bin of any size up to \c bytes_max lies; steps over it.
    BytesView bin_view(std::size_t bytes_max, char const* what);
    //! Where a bin of exactly \c size bytes lies; steps over it. Null if there is none.
    std::uint8_t const* column(std::size_t size, char const* what);

    //! The byte that comes next, or -1.
    int peek() const { return failed_ || at_ >= end_ ? -1 : data_[at_]; }

    //! Nothing may follow the message.
    void finish();

    //! Spans and ranges of this message so far.
    void count_spans(std::size_t spans);
    std::uint64_t ranges{0};

    void fail(char const* what, std::string const& why, char const* right);
    void fail_version(std::uint64_t version, Side peer);
    bool failed() const { return failed_; }
    Error const& error() const { return error_; }

  private:
    std::uint8_t const* data_;
    std::size_t end_;
    std::size_t at_{0};
    std::size_t spans_{0};
    bool failed_{false};
    Error error_;

    std::size_t left() const { return end_ - at_; }
    bool take_head(std::uint8_t& head, char const* what);
    std::uint64_t big_endian(int bytes);
    bool fits(std::size_t bytes, char const* what);
    std::size_t size(int width, char const* what);
    double float64(char const* what);
    std::uint64_t long_unsigned(std::uint8_t head, char const* what);
};

//---------------------------------------------------------------------------//
// Little-endian values inside bins.
inline std::uint16_t load_u16le(std::uint8_t const* p)
{
    return static_cast<std::uint16_t>(p[0] | (p[1] << 8));
}
inline std::uint32_t load_u32le(std::uint8_t const* p)
{
    return std::uint32_t{p[0]} | (std::uint32_t{p[1]} << 8) | (std::uint32_t{p[2]} << 16)
           | (std::uint32_t{p[3]} << 24);
}
inline std::uint64_t load_u64le(std::uint8_t const* p)
{
    return load_u32le(p) | (std::uint64_t{load_u32le(p + 4)} << 32);
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
