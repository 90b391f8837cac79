/*!
 * \file pilot/Stopped.hpp
 * \brief Whose doing a payload's bad end is: its own, or that of whoever ends the allocation.
 *
 * Slurm sends SIGTERM to every process of a step, payloads included. A payload that dies of one
 * that the pilot did not send has done nothing wrong: its range is lost, which costs a loss and no
 * attempt.
 */
#pragma once

#include <csignal>
#include <string>

#include "pilot/Process.hpp"
#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! The end of a payload that was not stopped by the pilot and did not succeed.
inline AttemptEnd ended_badly(ProcessEnd const& process, std::string reason)
{
    bool const outside = process.signal == SIGTERM && !process.asked;
    return outside ? lost_end(std::move(reason)) : failed_end(std::move(reason));
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
