/*!
 * \file pilot/Bundles.hpp
 * \brief One node's bundles: one open for each task it works on, synced in groups.
 *
 *   store -> append -> waits for a sync -> (Flusher) -> done(number)
 *
 * So the engine may delete a task's bundles when the task is finished although others go on. One
 * sync serves all who wait: what is stored while one is under way shares the next. An output that
 * can't be read is its payload's fault; a bundle that can't be written is given up at once.
 */
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "pilot/BundleWriter.hpp"
#include "pilot/Flusher.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct StoreEnd
{
    std::uint32_t bundle{0};
    std::string problem;  //!< "" if the output is durable.
    bool payload_fault{false};
};

class Bundles
{
  public:
    using Done = std::function<void(StoreEnd const&)>;

    //! Numbers are rank + 1, rank + 1 + step, ...: unique over the ranks of a pilot.
    Bundles(std::uint32_t rank, std::uint32_t step);

    //! Folder and the beginning of file names, unique for pilot, generation and rank.
    void place(std::string folder, std::string prefix);

    //! Make the output durable in the task's bundle; \c done is called later, always.
    void store(Member const& member,
               std::string const& file_name,
               std::string const& source,
               Done done);

    //! Take the flusher's answers.
    void poll();
    int descriptor() const { return flusher_.descriptor(); }

    //! Outputs that wait for their sync.
    std::size_t pending() const;

    //! URI of a bundle that was made here; "" for any other number.
    std::string uri(std::uint32_t number) const;

    //! Write the central directories. Nothing may be stored afterwards.
    void close_all();

  private:
    struct Waiting
    {
        StoreEnd end;
        Done done;
    };
    struct Open
    {
        std::uint32_t number{0};
        wire::TaskId task{0};
        BundleWriter writer;
        bool retired{false};
        bool folder_synced{false};
        std::uint64_t used{0};
        std::vector<Waiting> waiting;  //!< For the next sync.
        std::vector<Waiting> syncing;  //!< For the one under way.
    };

    std::uint32_t next_;
    std::uint32_t step_;
    std::string folder_;
    std::string prefix_;
    std::uint32_t made_{0};
    std::uint64_t clock_{0};
    std::list<Open> open_;
    std::map<std::uint32_t, std::string> uris_;
    Flusher flusher_;

    Open* bundle_of(wire::TaskId task, std::string& problem);
    void start_sync(Open& bundle);
    void synced(Open& bundle, int code);
    void tidy();
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
