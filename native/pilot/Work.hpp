/*!
 * \file pilot/Work.hpp
 * \brief One range about to run, and how its attempt ended.
 *
 * The attempt's folder carries the fence e<epoch>-l<lease>-r<range>-a<attempt>, so an orphan of an
 * earlier life can never write into a newer attempt.
 */
#pragma once

#include <cstdint>
#include <string>

#include "pilot/HeldSpan.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct RangeWork
{
    HeldSpan span;  //!< One range.
    wire::TaskInfo const* task{nullptr};
    wire::FileInfo file;
    std::uint64_t start{0};  //!< First event inside its file, 0-based.
    std::uint64_t count{0};  //!< Events.
    bool has_bytes{false};  //!< Whether the format has byte places.
    wire::ByteRange bytes{};
    std::string folder;
    std::string output;

    wire::RangeIndex range() const { return span.first; }
};

//! Where a granted range's events are. \c bytes is null where the format has no byte places.
RangeWork make_work(HeldSpan const& span,
                    wire::TaskInfo const& task,
                    wire::FileInfo const& file,
                    wire::ByteRange const* bytes,
                    std::string const& work_dir);

//! Opaque to payloads; whole ids are compared.
std::string range_id(HeldSpan const& span);

//---------------------------------------------------------------------------//
//! How an attempt ended, before its output was looked at.
struct AttemptEnd
{
    enum class Kind
    {
        output,  //!< The program says that it is done.
        failed,
        fatal,
        lost,  //!< The pilot's doing: the wall, a stop.
        returned,  //!< Never started: the engine wants it back, or there is no room for it.
        broken,  //!< Never started: this node's disk is of no use.
    };
    Kind kind{Kind::returned};
    std::string reason;
    std::string path;  //!< Of the output.
    double claimed_bytes{-1};  //!< What the payload said of its length; -1: nothing.
    double wall_seconds{0};
    double cpu_seconds{0};
};

AttemptEnd failed_end(std::string reason, double wall_seconds = 0, double cpu_seconds = 0);
AttemptEnd fatal_end(std::string reason);
AttemptEnd lost_end(std::string reason);

//! What an error before exec means: this node's trouble, or this range's.
AttemptEnd preparation_end(std::string const& what, std::string const& path, int code);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
