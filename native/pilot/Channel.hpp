/*!
 * \file pilot/Channel.hpp
 * \brief A stream of bytes to the engine, whatever carries it. Never blocks.
 *
 *   socket (TCP, unix) [through a proxy's CONNECT] [in TLS]      SocketChannel
 *   files in a shared folder that a relay serves                 FolderChannel
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "pilot/Access.hpp"
#include "pilot/Clock.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Channel
{
  public:
    enum class Step
    {
        pending,
        open,
        failed,
    };

    virtual ~Channel() = default;

    //! Go on opening; \c problem() says why it failed.
    virtual Step open(double now) = 0;
    //! Bytes read; 0: none now; -1: it is over, \c problem() says why.
    virtual std::ptrdiff_t read(std::uint8_t* to, std::size_t size, double now) = 0;
    //! Bytes taken; 0: none now; -1: it is over. Call again with the same bytes after a 0.
    virtual std::ptrdiff_t write(std::uint8_t const* from, std::size_t size, double now) = 0;
    //! What to poll; \c writes: bytes wait to be written.
    virtual void add_descriptors(std::vector<pollfd>& out, bool writes) const = 0;
    //! When to look again although no descriptor is ready.
    virtual double next_deadline() const { return never; }

    std::string const& problem() const { return problem_; }
    //! The other side has said that it does not accept the key.
    bool refused() const { return refused_; }

  protected:
    std::string problem_;
    bool refused_{false};
};

//! A channel on its way to an address; none, and why in \c problem, if it can't even begin.
std::unique_ptr<Channel>
open_channel(Address const& address, Access const& access, std::string& problem);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
