/*!
 * \file pilot/BundleWriter.hpp
 * \brief Appends whole output files to one bundle.
 *
 * \c bytes is the end of the last whole member; a failed append cuts the file back to it. After a
 * failed sync or a failed cut the writer is broken for good, since the kernel may have dropped what
 * it could not write and would report the next sync as a success.
 */
#pragma once

#include <string>
#include <vector>

#include "pilot/Zip.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct AppendEnd
{
    std::string problem;  //!< "" if it was appended.
    bool payload_fault{false};  //!< The source is no plain file, is gone or changed meanwhile.
};

class BundleWriter
{
  public:
    BundleWriter() = default;
    ~BundleWriter();
    BundleWriter(BundleWriter const&) = delete;
    BundleWriter& operator=(BundleWriter const&) = delete;

    //! Create the file, which must not exist; 0 or the errno.
    int create(std::string const& path);

    //! Append one file's content; name, size and sum of the member are filled in.
    AppendEnd append(Member member, std::string const& file_name, std::string const& source);

    //! Write the central directory, sync, close; 0 or the errno.
    int close();

    //! Take nothing more.
    void give_up() { broken_ = true; }

    std::string const& path() const { return path_; }
    int descriptor() const { return file_; }
    bool broken() const { return broken_; }
    //! Whether the name still leads to a file: somebody may have tidied the folder.
    bool has_name() const;
    std::size_t members() const { return members_.size(); }
    std::uint64_t bytes() const { return bytes_; }

  private:
    std::string path_;
    int file_{-1};
    std::uint64_t bytes_{0};
    bool broken_{false};
    std::vector<Member> members_;

    int append_small(Member& member, int source, std::size_t size, bool& changed);
    int append_large(Member& member, int source, bool& changed);
    void cut_back();
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
