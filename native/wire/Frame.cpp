/*!
 * \file wire/Frame.cpp
 */
#include "wire/Frame.hpp"

#include <algorithm>

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
std::size_t size_at(std::uint8_t const* p)
{
    return (std::size_t{p[0]} << 24) | (std::size_t{p[1]} << 16) | (std::size_t{p[2]} << 8) | p[3];
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
FrameSplitter::FrameSplitter(std::size_t limit_bytes) : limit_bytes_{limit_bytes}
{
    this->limit(limit_bytes);
}

//---------------------------------------------------------------------------//
void FrameSplitter::limit(std::size_t bytes)
{
    JUMBO_EXPECT(bytes >= 1 && bytes <= frame_bytes_max);
    limit_bytes_ = bytes;
}

//---------------------------------------------------------------------------//
void FrameSplitter::feed(BytesView chunk)
{
    JUMBO_EXPECT(chunk_.size == 0 || broken_);
    chunk_ = chunk;
}

//---------------------------------------------------------------------------//
bool FrameSplitter::next(BytesView& payload)
{
    if (handed_out_)
    {
        gathered_.clear();
        handed_out_ = false;
    }
    if (broken_)
    {
        return false;
    }
    if (gathered_.empty() && chunk_.size >= frame_prefix_bytes)
    {
        auto const size = size_at(chunk_.data);
        if (!this->check_size(size))
        {
            return false;
        }
        auto const total = frame_prefix_bytes + size;
        if (total <= chunk_.size)
        {
            payload = {chunk_.data + frame_prefix_bytes, size};
            chunk_.data += total;
            chunk_.size -= total;
            return true;
        }
    }
    if (!this->gather_until(frame_prefix_bytes))
    {
        return false;
    }
    auto const size = size_at(gathered_.data());
    if (!this->check_size(size) || !this->gather_until(frame_prefix_bytes + size))
    {
        return false;
    }
    payload = {gathered_.data() + frame_prefix_bytes, size};
    handed_out_ = true;
    return true;
}

//---------------------------------------------------------------------------//
Error FrameSplitter::error() const
{
    JUMBO_EXPECT(broken_);
    return {ErrorCode::protocol,
            "bad frame: its length is " + std::to_string(bad_size_) + " (1 .. "
                + std::to_string(limit_bytes_)
                + " bytes are allowed here) the peer speaks something else, or must split its "
                  "message"};
}

//---------------------------------------------------------------------------//
//! Move bytes from the chunk until \c total are gathered; false if there are not enough.
bool FrameSplitter::gather_until(std::size_t total)
{
    if (gathered_.size() < total)
    {
        this->gather(std::min(total - gathered_.size(), chunk_.size));
    }
    return gathered_.size() >= total;
}

//---------------------------------------------------------------------------//
void FrameSplitter::gather(std::size_t count)
{
    gathered_.insert(gathered_.end(), chunk_.data, chunk_.data + count);
    chunk_.data += count;
    chunk_.size -= count;
}

//---------------------------------------------------------------------------//
bool FrameSplitter::check_size(std::size_t size)
{
    if (size == 0 || size > limit_bytes_)
    {
        broken_ = true;
        bad_size_ = size;
        chunk_ = {};
    }
    return !broken_;
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
