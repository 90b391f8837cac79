/*!
 * \file pilot/Channel.cpp
 */
#include "pilot/Channel.hpp"

#include "pilot/FolderChannel.hpp"
#include "pilot/SocketChannel.hpp"
#include "pilot/Tls.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
std::unique_ptr<Channel>
open_channel(Address const& address, Access const& access, std::string& problem)
{
    if (address.kind == Address::Kind::folder)
    {
        return FolderChannel::make(address.path, problem);
    }
    if (address.kind == Address::Kind::tls && !has_tls())
    {
        problem = "this pilot was built without TLS; install libssl-dev and build it again, or let "
                  "the engine listen on tcp as well";
        return nullptr;
    }
    return SocketChannel::make(address, access, problem);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
