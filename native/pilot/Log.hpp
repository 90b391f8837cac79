/*!
 * \file pilot/Log.hpp
 * \brief Lines for people on standard error: time, rank, text.
 */
#pragma once

#include <string>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! Put "rank N" into every line from now on; a negative rank leaves it out.
void log_rank(int rank);

void log_line(std::string const& text);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
