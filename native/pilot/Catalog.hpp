/*!
 * \file pilot/Catalog.hpp
 * \brief What grants told about tasks, files and byte places, each once a session.
 */
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "pilot/HeldSpan.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
/*!
 * A range finds its file by the file table's first ranges; byte places are kept while a range that
 * they cover is held.
 */
class Catalog
{
  public:
    void learn(wire::GrantBody const& body);

    //! Null if the task was never told.
    wire::TaskInfo const* task(wire::TaskId task) const;
    //! The file of a range; null if it was never told.
    wire::FileInfo const* file(wire::TaskId task, wire::RangeIndex range) const;
    //! Some file of the task, for what all its files share; null if there is none.
    wire::FileInfo const* any_file(wire::TaskId task) const;
    //! Byte place of a range; null where the format has none.
    wire::ByteRange const* bytes_of(wire::TaskId task, wire::RangeIndex range) const;

    //! Columns of byte places that are kept.
    std::size_t columns() const;

    using IsHeld = std::function<bool(wire::TaskId, wire::RangeIndex, wire::RangeIndex)>;
    //! Forget byte places in whose first .. end no range is held.
    void prune(IsHeld const& is_held);

    //! Put what \c span needs to be understood into a grant; false if it isn't known here.
    bool describe(HeldSpan const& span,
                  std::function<bool(wire::TaskId, std::uint32_t const*)> const& tell_once,
                  wire::GrantBody& out) const;

  private:
    struct Known
    {
        wire::TaskInfo info;
        std::map<wire::RangeIndex, wire::FileInfo> files;
        //! By first range; columns of one task don't overlap but where a range was granted again.
        std::multimap<wire::RangeIndex, wire::OffsetColumn> offsets;
    };
    std::map<wire::TaskId, Known> tasks_;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
