/*!
 * \file wire/Spans.hpp
 * \brief Span blocks on the wire, and making them.
 *
 * A block takes one of three forms by its number of spans alone:
 *
 *   run      1        [task, epoch, first, count, attempt, grant, lease]
 *   tuples   2 .. 4   [task, epoch, then five numbers a span]
 *   columns  5 ..     [task, epoch, base, offsets, counts, attempts, grants, leases]
 */
#pragma once

#include <vector>

#include "wire/Messages.hpp"
#include "wire/Reader.hpp"
#include "wire/Writer.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
void put(Writer& out, SpanBlock const& block);
SpanBlock read_block(Reader& from);

//! Arrays of blocks, as most messages hold them.
void put(Writer& out, std::vector<SpanBlock> const& blocks, char const* what);
std::vector<SpanBlock> read_blocks(Reader& from, char const* what);

//! Ranges of a block: the sum of its counts.
std::uint64_t count_ranges(SpanBlock const& block);

//---------------------------------------------------------------------------//
/*!
 * Gather spans of any tasks and epochs into blocks that keep their order.
 *
 * A new block begins at another task or epoch, or where firsts lie 2^32 ranges or more apart.
 */
class SpanBlockBuilder
{
  public:
    void add(TaskId task, Epoch epoch, Span const& span);

    //! The blocks so far; the builder is empty afterwards.
    std::vector<SpanBlock> build();

  private:
    std::vector<SpanBlock> blocks_;
    RangeIndex least_{0};
    RangeIndex most_{0};
};
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
