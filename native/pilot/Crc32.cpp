/*!
 * \file pilot/Crc32.cpp
 */
#include "pilot/Crc32.hpp"

#include <array>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t steps = 4;
using Tables = std::array<std::array<std::uint32_t, 256>, steps>;

//! Table k holds the sum of one byte followed by k zero bytes.
Tables make_tables()
{
    Tables tables{};
    for (std::uint32_t i = 0; i < 256; ++i)
    {
        std::uint32_t sum = i;
        for (int bit = 0; bit < 8; ++bit)
        {
            sum = (sum >> 1) ^ (sum & 1 ? 0xedb88320u : 0u);
        }
        tables[0][i] = sum;
    }
    for (std::size_t k = 1; k < steps; ++k)
    {
        for (std::size_t i = 0; i < 256; ++i)
        {
            auto const before = tables[k - 1][i];
            tables[k][i] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
    return tables;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::uint32_t crc32(void const* data, std::size_t size, std::uint32_t before)
{
    static Tables const tables = make_tables();
    auto const* p = static_cast<std::uint8_t const*>(data);
    std::uint32_t sum = ~before;
    for (; size >= steps; size -= steps, p += steps)
    {
        sum ^= p[0] | (std::uint32_t{p[1]} << 8) | (std::uint32_t{p[2]} << 16)
               | (std::uint32_t{p[3]} << 24);
        sum = tables[3][sum & 0xff] ^ tables[2][(sum >> 8) & 0xff] ^ tables[1][(sum >> 16) & 0xff]
              ^ tables[0][sum >> 24];
    }
    for (; size > 0; --size, ++p)
    {
        sum = (sum >> 8) ^ tables[0][(sum ^ *p) & 0xff];
    }
    return ~sum;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
