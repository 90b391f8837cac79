/*!
 * \file pilot/PayloadLog.hpp
 * \brief Where a payload's standard output or error goes: a file of which only the tail is kept.
 *
 * Not a pipe: a payload can never block on a slow reader, and 100 MB of messages cost the pilot
 * nothing. A file that grows too large is cut to nothing after its tail was kept in memory; the
 * payload goes on at the new end, since it appends.
 */
#pragma once

#include <string>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class PayloadLog
{
  public:
    PayloadLog() = default;
    ~PayloadLog() { this->close(); }
    PayloadLog(PayloadLog const&) = delete;
    PayloadLog& operator=(PayloadLog const&) = delete;

    //! Create the file; 0 or the errno.
    int open(std::string const& path);

    //! To hand to a payload.
    int descriptor() const { return file_; }

    //! The last 64 KiB that were written.
    std::string tail() const;

    //! Cut the file if it has grown too large.
    void bound();

    //! Remove the file; the tail stays readable.
    void close();

  private:
    std::string path_;
    std::string kept_;
    int file_{-1};

    std::string file_tail() const;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
