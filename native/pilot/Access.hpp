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
};

struct Address
{
    enum class Kind
    {
        unix_socket,
        tcp,
        tls,
    };
    Kind kind{Kind::tcp};
    std::string path;  //!< Of a unix socket.
    std::string host;
    std::string port;
};

//! Read an access file of schema access/1; false, with the ending that it means, if it is not one.
bool read_access(std::string const& path, Access& access, Ending& problem);

//! Parse `unix:/path`, `tcp://host:port` or `tls://host:port`; false for any other form.
bool parse_address(std::string const& text, Address& address);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
