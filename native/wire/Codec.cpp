/*!
 * \file wire/Codec.cpp
 */
#include "wire/Codec.hpp"

#include "wire/MessageCodec.hpp"

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
// The alternatives of Message stand in the order of the types' numbers.
static_assert(std::variant_size_v<Message> == 14, "a message type was added or lost");

template<class M, std::size_t I = 0>
constexpr std::uint64_t type_number()
{
    if constexpr (std::is_same_v<M, std::variant_alternative_t<I, Message>>)
    {
        return I + 1;
    }
    else
    {
        return type_number<M, I + 1>();
    }
}

//---------------------------------------------------------------------------//
void check_version(Reader& from, Side side)
{
    auto const version = from.u32("version");
    if (!from.failed() && version != protocol_version)
    {
        from.fail_version(version, side);
    }
}

//---------------------------------------------------------------------------//
//! Read the rest of the message if its type is M's; false if it is another.
template<class M>
bool read_if(Reader& from, std::uint64_t type, std::size_t length, Message& message)
{
    if (type != type_number<M>())
    {
        return false;
    }
    if (length != items<M>)
    {
        from.fail("message", "has " + std::to_string(length) + " items", "as many as its type has");
    }
    else
    {
        read(from, message.emplace<M>());
    }
    return true;
}

template<class... Ms>
bool read_any(Reader& from, std::uint64_t type, std::size_t length, Message& message)
{
    return (read_if<Ms>(from, type, length, message) || ...);
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Result<Done> append_frame(std::vector<std::uint8_t>& out, Message const& message)
{
    auto const start = out.size();
    out.resize(start + frame_prefix_bytes);
    Writer writer{out};
    std::visit(
        [&writer](auto const& alternative) {
            using M = std::decay_t<decltype(alternative)>;
            writer.array(items<M>);
            writer.unsigned_int(type_number<M>(), 0x7f);
            put(writer, alternative);
        },
        message);
    auto const size = out.size() - start - frame_prefix_bytes;
    writer.check_count("a frame", size, frame_bytes_max);
    if (writer.failed())
    {
        out.resize(start);
        return writer.error();
    }
    for (std::size_t i = 0; i < frame_prefix_bytes; ++i)
    {
        out[start + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
    }
    return Done{};
}

//---------------------------------------------------------------------------//
Result<Message> decode(BytesView payload, Side side)
{
    Reader from{payload};
    Message message;
    auto const length = from.array(u32_max, "message");
    auto const type = from.unsigned_int(0, u32_max, "message type");
    if (!from.failed() && (type == type_number<Hello>() || type == type_number<Welcome>()))
    {
        check_version(from, type == type_number<Hello>() ? Side::pilot : Side::engine);
    }
    if (!from.failed())
    {
        bool const known
            = side == Side::pilot
                  ? read_any<Exchange, Started, Heartbeat, BundleNotice, Hello, Resources, Drain, Bye>(
                      from, type, length, message)
                  : read_any<Grant, Verdicts, Pulse, Recall, Welcome, Fault, Drain, Bye>(
                      from, type, length, message);
        if (!known)
        {
            from.fail("message type", "is " + std::to_string(type), "one that this side sends");
        }
    }
    from.finish();
    if (from.failed())
    {
        return from.error();
    }
    return message;
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
