/*!
 * \file pilot/Files.hpp
 * \brief Small file work: folders, whole writes, slices, checks of inputs, counts of records.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
//! Make a folder and its parents; 0 or the errno.
int make_folder(std::string const& path);

//! Remove a folder and all in it, links not followed; nothing is said if that fails.
void remove_tree(std::string const& path);

//! Write all bytes; 0 or the errno.
int write_all(int file, void const* data, std::size_t size);

//! Write all bytes at a place; 0 or the errno.
int write_all_at(int file, void const* data, std::size_t size, std::uint64_t at);

/*!
 * Write {slice}: header + the range's bytes + footer, a small valid file of the input's format.
 *
 * 0 and its path, or the errno (ENODATA where the input is shorter) and the path that it is about.
 */
int write_slice(RangeWork const& work, std::string& path);

//! "" if the input is as it was scanned, else a reason that begins with "input changed: ".
std::string input_problem(wire::FileInfo const& file);

//! Records in a file; nothing if the rule says that they can't be counted, or it can't be read.
std::optional<std::uint64_t> count_records(std::string const& path, wire::CountRule const& rule);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
