/*!
 * \file pilot/Exit.hpp
 * \brief Exit codes, those of `jumbo`, and one of its own for another protocol version.
 */
#pragma once

#include <string>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
enum class Exit : int
{
    ok = 0,
    usage = 2,
    not_found = 3,  //!< No access file.
    refused = 4,  //!< The engine does not know the key.
    unreachable = 5,
    conflict = 7,  //!< Another process has taken the identity over.
    version = 8,  //!< The engine speaks another protocol version.
    store_io = 74,  //!< Outputs can't be kept.
    interrupted = 130,
};

//! Why a program ends, for people, and with which code.
struct Ending
{
    Exit code{Exit::ok};
    std::string reason;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
