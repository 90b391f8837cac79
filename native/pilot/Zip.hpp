/*!
 * \file pilot/Zip.hpp
 * \brief The bytes of a bundle's records: docs/reference/bundles.md, format version 1.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pilot/HeldSpan.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct Member
{
    HeldSpan span;  //!< One range: task, range, lease, epoch and attempt.
    std::string name;
    std::string node;
    double wall_seconds{0};
    double cpu_seconds{0};
    std::uint64_t bytes{0};
    std::uint32_t crc{0};
    std::uint64_t header_at{0};
};

using Bytes = std::vector<std::uint8_t>;

//! `t<task>/r<range>.e<epoch>.l<lease>/<file>`.
std::string member_name(HeldSpan const& span, std::string const& file);

//! Local header, name and extra fields, ready to be followed by the data.
void put_local(Bytes& out, Member const& member);

//! Central record of a member.
void put_central(Bytes& out, Member const& member);

//! What closes a bundle: zip64 records where a number needs them, then the plain end record.
void put_end(Bytes& out,
             std::uint64_t members,
             std::uint64_t directory_at,
             std::uint64_t directory_bytes);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
