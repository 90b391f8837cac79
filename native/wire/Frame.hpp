/*!
 * \file wire/Frame.hpp
 * \brief Framing: u32 big-endian length, then the payload.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/Result.hpp"
#include "wire/Limits.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
//! Bytes that belong to somebody else.
struct BytesView
{
    std::uint8_t const* data{nullptr};
    std::size_t size{0};
};

//---------------------------------------------------------------------------//
/*!
 * Cut a stream of bytes into payloads.
 *
 * A length is checked against the limit before a byte of its frame is kept. Frames that lie whole
 * in what is fed are handed out as views of it; a frame cut by its borders is gathered in a buffer
 * that grows with what has really arrived.
 *
 * \code
    splitter.feed({data, size});
    for (BytesView payload; splitter.next(payload);) { ... }
    if (splitter.broken()) { close the connection }
 * \endcode
 */
class FrameSplitter
{
  public:
    explicit FrameSplitter(std::size_t limit_bytes);

    //! Largest payload accepted from the next frame on.
    void limit(std::size_t bytes);

    //! Take the next bytes of the stream; the last ones must have been cut to the end by \c next.
    void feed(BytesView chunk);

    //! The next whole payload, valid until the next call or the end of the fed bytes' life.
    bool next(BytesView& payload);

    //! Whether a length was 0 or above the limit: the stream has lost its borders for good.
    bool broken() const { return broken_; }

    //! The reason, where \c broken.
    Error error() const;

  private:
    std::size_t limit_bytes_;
    BytesView chunk_;
    std::vector<std::uint8_t> gathered_;
    bool handed_out_{false};
    bool broken_{false};
    std::size_t bad_size_{0};

    void gather(std::size_t count);
    bool gather_until(std::size_t total);
    bool check_size(std::size_t size);
};
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
