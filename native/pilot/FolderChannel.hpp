/*!
 * \file pilot/FolderChannel.hpp
 * \brief The stream to the engine as files in a shared folder, for nodes that have no network.
 *
 * docs/reference/spool.md is the standard; `jumbo pilot relay` is the other side. A connection is a
 * folder of its own, made here; each write is one numbered file, renamed into its name when it is
 * whole, and removed by its reader. Whatever dies, the connection ends, and the session goes on
 * over the next one as it does after a broken socket.
 */
#pragma once

#include "pilot/Channel.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class FolderChannel final : public Channel
{
  public:
    static std::unique_ptr<Channel> make(std::string const& folder, std::string& problem);

    explicit FolderChannel(std::string path) : path_{std::move(path)} {}
    ~FolderChannel() override;
    FolderChannel(FolderChannel const&) = delete;
    FolderChannel& operator=(FolderChannel const&) = delete;

    Step open(double now) override;
    std::ptrdiff_t read(std::uint8_t* to, std::size_t size, double now) override;
    std::ptrdiff_t write(std::uint8_t const* from, std::size_t size, double now) override;
    void add_descriptors(std::vector<pollfd>&, bool) const override {}
    double next_deadline() const override { return look_at_; }

  private:
    std::string path_;
    std::uint64_t read_number_{1};
    std::uint64_t write_number_{1};
    std::vector<std::uint8_t> unread_;
    std::size_t taken_{0};
    double look_at_{0};
    double pause_{0};
    bool over_{false};

    void looked(double now, bool found);
    std::string name(char const* side, std::uint64_t number) const;
    bool take_next();
    bool is_over();
    bool put(std::string const& name, std::uint8_t const* from, std::size_t size);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
