/*!
 * \file wire/Limits.hpp
 * \brief Every limit of the pilot protocol (docs/reference/protocol.md), units last.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
constexpr std::uint32_t protocol_version = 1;

constexpr std::size_t frame_prefix_bytes = 4;
constexpr std::size_t frame_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t hello_frame_bytes_max = 256 * 1024;
constexpr std::size_t string_bytes_max = 64 * 1024;
constexpr std::size_t reason_bytes_max = 1500;
constexpr std::size_t array_items_max = 65536;
constexpr std::size_t spans_per_message_max = 65536;
constexpr std::size_t tuples_max = 4;
constexpr std::uint64_t ranges_per_exchange_max = 1048576;
constexpr std::size_t verdict_items_max = 2 * ranges_per_exchange_max;

constexpr std::uint64_t u32_max = 0xffffffffu;
//! Largest integer on the wire: the largest that a float64 counts up to without a gap.
constexpr std::uint64_t u53_max = (std::uint64_t{1} << 53) - 1;
constexpr std::uint64_t epoch_max = 0x1fffff;
constexpr std::uint64_t ranges_per_span_max = 65535;
constexpr std::uint64_t attempt_max = 255;
constexpr std::uint64_t grant_max = 65535;
constexpr std::uint64_t node_index_max = array_items_max - 1;
constexpr std::uint64_t file_index_max = 999999;
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
