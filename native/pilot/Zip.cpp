/*!
 * \file pilot/Zip.cpp
 */
#include "pilot/Zip.hpp"

#include <algorithm>
#include <cstring>

#include "pilot/Crc32.hpp"
#include "wire/Utf8.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::uint64_t u32_full = 0xffffffffu;
constexpr std::uint64_t u16_full = 0xffff;
constexpr std::uint16_t note_id = 0x4a42;
constexpr std::uint16_t zip64_id = 0x0001;
constexpr std::uint16_t flag_utf8 = 0x0800;
constexpr std::uint16_t date_1980 = 0x0021;
constexpr std::uint16_t made_by_unix = 0x0300;
constexpr std::uint32_t mode_file_644 = 0100644;
constexpr std::size_t node_bytes_max = 255;

//! Append the low \c size bytes, little-endian.
void put(Bytes& out, std::uint64_t value, int size)
{
    for (int i = 0; i < size; ++i)
    {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

void put(Bytes& out, double value)
{
    std::uint64_t bits = 0;
    static_assert(sizeof bits == sizeof value, "doubles have 64 bits");
    std::memcpy(&bits, &value, sizeof bits);
    put(out, bits, 8);
}

void put(Bytes& out, std::string const& text)
{
    out.insert(out.end(), text.begin(), text.end());
}

//! The note as an extra field, its id and length included.
Bytes make_note(Member const& member)
{
    auto const node = wire::clip_utf8(member.node, node_bytes_max);
    Bytes note;
    put(note, 1, 1);
    put(note, static_cast<std::uint32_t>(member.span.task), 4);
    put(note, member.span.first, 8);
    put(note, member.span.lease, 4);
    put(note, static_cast<std::uint32_t>(member.span.epoch), 4);
    put(note, member.span.attempt, 2);
    put(note, member.wall_seconds);
    put(note, member.cpu_seconds);
    put(note, node.size(), 1);
    put(note, node);
    Bytes tail;
    put(tail, member.crc, 4);
    put(tail, member.bytes, 8);
    auto sum = crc32(note.data(), note.size());
    sum = crc32(member.name.data(), member.name.size(), sum);
    put(note, crc32(tail.data(), tail.size(), sum), 4);
    Bytes field;
    put(field, note_id, 2);
    put(field, note.size(), 2);
    field.insert(field.end(), note.begin(), note.end());
    return field;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::string member_name(HeldSpan const& span, std::string const& file)
{
    return "t" + std::to_string(static_cast<std::uint32_t>(span.task)) + "/r"
           + std::to_string(span.first) + ".e"
           + std::to_string(static_cast<std::uint32_t>(span.epoch)) + ".l"
           + std::to_string(span.lease) + "/" + file;
}

//---------------------------------------------------------------------------//
void put_local(Bytes& out, Member const& member)
{
    bool const big = member.bytes >= u32_full;
    auto const note = make_note(member);
    put(out, 0x04034b50, 4);
    put(out, big ? 45 : 10, 2);
    put(out, flag_utf8, 2);
    put(out, 0, 4);
    put(out, date_1980, 2);
    put(out, member.crc, 4);
    put(out, std::min(member.bytes, u32_full), 4);
    put(out, std::min(member.bytes, u32_full), 4);
    put(out, member.name.size(), 2);
    put(out, (big ? 20 : 0) + note.size(), 2);
    put(out, member.name);
    if (big)
    {
        put(out, zip64_id, 2);
        put(out, 16, 2);
        put(out, member.bytes, 8);
        put(out, member.bytes, 8);
    }
    out.insert(out.end(), note.begin(), note.end());
}

//---------------------------------------------------------------------------//
void put_central(Bytes& out, Member const& member)
{
    bool const big = member.bytes >= u32_full;
    bool const far = member.header_at >= u32_full;
    std::size_t const wide = (big ? 16 : 0) + (far ? 8 : 0);
    std::uint64_t const version = wide > 0 ? 45 : 10;
    auto const note = make_note(member);
    put(out, 0x02014b50, 4);
    put(out, made_by_unix | version, 2);
    put(out, version, 2);
    put(out, flag_utf8, 2);
    put(out, 0, 4);
    put(out, date_1980, 2);
    put(out, member.crc, 4);
    put(out, std::min(member.bytes, u32_full), 4);
    put(out, std::min(member.bytes, u32_full), 4);
    put(out, member.name.size(), 2);
    put(out, (wide > 0 ? 4 + wide : 0) + note.size(), 2);
    put(out, 0, 2);
    put(out, 0, 2);
    put(out, 0, 2);
    put(out, std::uint64_t{mode_file_644} << 16, 4);
    put(out, std::min(member.header_at, u32_full), 4);
    put(out, member.name);
    if (wide > 0)
    {
        put(out, zip64_id, 2);
        put(out, wide, 2);
        if (big)
        {
            put(out, member.bytes, 8);
            put(out, member.bytes, 8);
        }
        if (far)
        {
            put(out, member.header_at, 8);
        }
    }
    out.insert(out.end(), note.begin(), note.end());
}

//---------------------------------------------------------------------------//
void put_end(Bytes& out,
             std::uint64_t members,
             std::uint64_t directory_at,
             std::uint64_t directory_bytes)
{
    if (members >= u16_full || directory_at >= u32_full || directory_bytes >= u32_full)
    {
        put(out, 0x06064b50, 4);
        put(out, 44, 8);
        put(out, made_by_unix | 45, 2);
        put(out, 45, 2);
        put(out, 0, 8);
        put(out, members, 8);
        put(out, members, 8);
        put(out, directory_bytes, 8);
        put(out, directory_at, 8);
        put(out, 0x07064b50, 4);
        put(out, 0, 4);
        put(out, directory_at + directory_bytes, 8);
        put(out, 1, 4);
    }
    put(out, 0x06054b50, 4);
    put(out, 0, 4);
    put(out, std::min(members, u16_full), 2);
    put(out, std::min(members, u16_full), 2);
    put(out, std::min(directory_bytes, u32_full), 4);
    put(out, std::min(directory_at, u32_full), 4);
    put(out, 0, 2);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
