/*!
 * \file pilot/Crc32.hpp
 * \brief CRC-32 as zip has it (polynomial 0xedb88320, reflected).
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! Sum of \c size bytes that follow those summed in \c before.
std::uint32_t crc32(void const* data, std::size_t size, std::uint32_t before = 0);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
