/*!
 * \file pilot/Dial.hpp
 * \brief A non-blocking socket on its way to an address.
 */
#pragma once

#include <string>

#include "pilot/Access.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! A socket whose connect is under way or done; -1, and why in \c problem, if there is none.
int start_dial(Address const& address, std::string& problem);

//! Whether the connect has succeeded, once the socket is writable.
bool dial_succeeded(int socket, std::string& problem);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
