/*!
 * \file wire/Codec.hpp
 * \brief Messages <-> bytes. docs/reference/protocol.md is the standard, test/vectors the proof.
 */
#pragma once

#include <cstdint>
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
 * Append the frame of a message, length first.
 *
 * Fails, with \c out as it was, where data is too large for the protocol or no UTF-8. A value
 * outside its domain is a programmer's error and aborts.
 */
Result<Done> append_frame(std::vector<std::uint8_t>& out, Message const& message);

/*!
 * The message of a payload that came from \c side.
 *
 * Code "version" for a hello or welcome of another protocol version, whatever its shape; "protocol"
 * for everything malformed or sent by the wrong side. Nothing is thrown (but out of memory).
 */
Result<Message> decode(BytesView payload, Side side);
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
