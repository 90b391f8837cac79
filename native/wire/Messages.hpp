/*!
 * \file wire/Messages.hpp
 * \brief Every message of the pilot protocol, version 1, as typed values.
 *
 * docs/reference/protocol.md is the standard; the order of members is the order on the wire.
 */
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "wire/Limits.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
// IDENTITIES
//---------------------------------------------------------------------------//
enum class TaskId : std::uint32_t
{
};
enum class Epoch : std::uint32_t
{
};
//! Index of a range inside its task.
using RangeIndex = std::uint64_t;
//! Lease number inside an epoch, from 1.
using LeaseNumber = std::uint32_t;
//! epoch * 2^32 + lease number: never issued twice.
enum class LeaseId : std::uint64_t
{
};

inline LeaseId lease_id(Epoch epoch, LeaseNumber number)
{
    return static_cast<LeaseId>((static_cast<std::uint64_t>(epoch) << 32) | number);
}

using Blob = std::vector<std::uint8_t>;

//---------------------------------------------------------------------------//
// SPANS
//---------------------------------------------------------------------------//
//! Consecutive ranges under one lease.
struct Span
{
    RangeIndex first{0};
    LeaseNumber lease{0};
    std::uint16_t count{0};
    std::uint16_t grant{0};  //!< How often they have been leased out; saturates.
    std::uint8_t attempt{0};  //!< Number that their next start carries.
};

//! Spans of one task and one lease epoch, at least one.
struct SpanBlock
{
    TaskId task{0};
    Epoch epoch{0};
    std::vector<Span> spans;
};

//---------------------------------------------------------------------------//
// PARTS
//---------------------------------------------------------------------------//
enum class Outcome : std::uint8_t
{
    done,
    failed,
    fatal,
    returned,  //!< Never started.
    lost,  //!< Started, and its process, rank or node is gone.
};

enum class Verdict : std::uint8_t
{
    accepted,
    duplicate,
    stale,
    closed,
    unknown,
};

//! Sums over the ranges of a report, in seconds; all finite and >= 0.
struct RangeCost
{
    float wall_sum{0};
    float wall_squares{0};
    float wall_max{0};
    float cpu_sum{0};
};

struct Report
{
    Outcome outcome{Outcome::done};
    SpanBlock spans;
    std::uint32_t bundle{0};  //!< Number of an announced bundle; 0: no output.
    std::string reason;
    RangeCost cost;
    std::uint32_t node{0};  //!< Row of Hello::nodes.
};

struct NodeResources
{
    std::string name;
    std::uint32_t cores{0};
    std::uint32_t gpus{0};
    std::uint64_t memory_mib{0};
    std::uint32_t slots{0};
};

enum class Mode : std::uint8_t
{
    once,
    stream,
};
enum class Channel : std::uint8_t
{
    stdio,
    fd3,
};
enum class CountKind : std::uint8_t
{
    none,
    lines,
    line_prefix,
};

//! How to count the records of an output.
struct CountRule
{
    CountKind kind{CountKind::none};
    std::uint32_t skip{0};
    std::string prefix;
};

struct TaskInfo
{
    TaskId task{0};
    std::string name;
    std::string task_dir;
    std::uint64_t events_per_range{1};
    std::vector<std::string> command;
    Mode mode{Mode::once};
    Channel channel{Channel::stdio};
    std::uint32_t cores{1};
    std::uint32_t gpus{0};
    std::uint32_t nodes{1};
    std::vector<std::string> environment;  //!< name, value, name, value ...
    std::vector<std::string> pass_environment;
    double timeout_seconds{0};  //!< 0: none.
    std::string output_name;
    bool allow_empty{false};
    std::int64_t records_per_event{-1};  //!< -1: not checked.
    CountRule count_rule;
};

//! Bytes [offset, offset + length) of a file.
struct FilePiece
{
    std::uint64_t offset{0};
    std::uint64_t length{0};
};
//! A piece of a slice: literal bytes, or a place in the file.
using SlicePiece = std::variant<Blob, FilePiece>;

struct FileInfo
{
    TaskId task{0};
    std::uint32_t file{0};
    RangeIndex first_range{0};
    std::uint64_t ranges{0};
    std::uint64_t events{0};
    std::string path;
    std::string tree;
    std::string format;
    std::int64_t size_bytes{-1};  //!< -1: not checked.
    double mtime_ms{-1};  //!< -1: not checked.
    std::string seed{"0"};  //!< Decimal u64.
    std::vector<SlicePiece> header;
    std::vector<SlicePiece> footer;
};

//! Bytes [begin, end) of a file.
struct ByteRange
{
    std::uint64_t begin{0};
    std::uint64_t end{0};
};

//! Byte ranges of the ranges first, first + 1, ...
struct OffsetColumn
{
    TaskId task{0};
    RangeIndex first{0};
    std::vector<ByteRange> offsets;
};

struct GrantBody
{
    std::vector<SpanBlock> spans;
    std::vector<TaskInfo> tasks;
    std::vector<FileInfo> files;
    std::vector<OffsetColumn> offsets;
};

struct VerdictRun
{
    std::uint32_t count{0};
    Verdict verdict{Verdict::accepted};
};

//---------------------------------------------------------------------------//
// MESSAGES
//---------------------------------------------------------------------------//
struct Hello
{
    std::string pilot_id;
    std::uint32_t generation{0};
    std::string credential;
    std::string software;
    std::string queue;
    std::string allocation;
    std::vector<NodeResources> nodes;
    double seconds_left{-1};
    std::vector<SpanBlock> held;
    std::uint64_t want{0};
    std::uint32_t free_slots{0};
};

struct Welcome
{
    std::string engine_id;
    Epoch epoch{0};
    std::uint32_t session{0};
    std::uint32_t heartbeat_ms{0};
    std::uint32_t lease_term_ms{0};
    std::uint32_t frame_bytes_max{0};
    std::vector<SpanBlock> refused;
    GrantBody grant;
};

struct Exchange
{
    std::uint64_t sequence{1};
    std::vector<Report> reports;
    std::uint64_t want{0};
    std::uint32_t free_slots{0};
    double seconds_left{-1};
};

struct Grant
{
    std::uint64_t sequence{0};  //!< The exchange it answers; 0: pushed.
    GrantBody body;
};

struct Verdicts
{
    std::uint64_t sequence{1};
    std::vector<VerdictRun> runs;
};

struct Started
{
    std::vector<SpanBlock> spans;
};

struct Heartbeat
{
    std::uint32_t free_slots{0};
    double seconds_left{-1};
};

struct Pulse
{
};

struct BundleNotice
{
    std::uint32_t number{1};
    std::uint32_t node{0};
    std::string uri;
};

struct Drain
{
    std::string reason;
    double seconds_left{-1};
};

struct Recall
{
    std::vector<SpanBlock> spans;
    bool stop{false};
};

struct Bye
{
    std::string reason;
};

struct Fault
{
    std::string code;
    std::string message;
};

struct Resources
{
    std::vector<NodeResources> nodes;
    double seconds_left{-1};
};

//! In the order of the types' numbers on the wire, from 1.
using Message = std::variant<Hello,
                             Welcome,
                             Exchange,
                             Grant,
                             Verdicts,
                             Started,
                             Heartbeat,
                             Pulse,
                             BundleNotice,
                             Drain,
                             Recall,
                             Bye,
                             Fault,
                             Resources>;

//! Who sent a payload.
enum class Side : std::uint8_t
{
    pilot,
    engine,
};
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
