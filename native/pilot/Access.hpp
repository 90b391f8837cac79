/*!
 * \file pilot/Access.hpp
 * \brief The access file: where the engine listens, and the key that pilots show it.
 */
#pragma once

#include <string>
#include <vector>

#include "pilot/Exit.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct Access
{
    std::vector<std::string> pilots;  //!< Addresses, in order of preference.
    std::string pilot_key;
    std::string pilot_identity{"jumbo"};  //!< What the key is good for: "jumbo" for the store's own.
    std::string proxy;  //!< host:port of an HTTP proxy for tcp and tls; "" for none.

    //! What hello carries.
    std::string credential() const;
};

struct Address
{
    enum class Kind
    {
        unix_socket,
        tcp,
        tls,
        folder,  //!< A shared folder that a relay serves.
    };
    Kind kind{Kind::tcp};
    std::string path;  //!< Of a unix socket or a folder.
    std::string host;
    std::string port;
};

//! Read an access file of schema access/1; false, with the ending that it means, if it is not one.
bool read_access(std::string const& path, Access& access, Ending& problem);

//! Parse `unix:/path`, `tcp://host:port`, `tls://host:port`, `spool:///folder`; false for others.
bool parse_address(std::string const& text, Address& address);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
