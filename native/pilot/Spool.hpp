/*!
 * \file pilot/Spool.hpp
 * \brief A node's reports without a verdict, kept on the shared folder while the engine is away.
 *
 * A spool is a file of frames: hello (whose reports they are), the bundles that they name, and as
 * many exchanges as the reports need, since each is as limited as on the wire. It is written under another name and renamed, so it is whole or not there. A living
 * pilot renews its time; one that is old belongs to nobody any more, and the next pilot delivers it
 * under the same identity (docs/operating/hpc.md).
 */
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wire/Messages.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct SpoolContent
{
    wire::Hello hello;  //!< Identity, and the spans of all reports as held.
    std::vector<wire::BundleNotice> bundles;
    std::vector<wire::Report> reports;
};

class Spool
{
  public:
    //! \c path without its ending; "" for none.
    explicit Spool(std::string path) : path_{std::move(path)} {}
    //! What is left by a pilot that ends is marked so: the next one need not wait for its death.
    ~Spool();
    Spool(Spool&& other) noexcept { this->swap(other); }
    Spool& operator=(Spool&& other) noexcept
    {
        this->swap(other);
        return *this;
    }

    //! Replace the file; true if it is durable.
    bool write(SpoolContent const& content);
    //! Nothing waits any more.
    void remove();
    bool exists() const { return exists_; }

  private:
    std::string path_;
    bool exists_{false};

    void swap(Spool& other) noexcept
    {
        std::swap(path_, other.path_);
        std::swap(exists_, other.exists_);
    }
};

//! Spools of the folder whose pilots have ended, or that nobody renewed for \c age_seconds.
std::vector<std::string> find_spools(std::string const& folder, double age_seconds);

//! Read a spool; nothing if it is none.
std::optional<SpoolContent> read_spool(std::string const& path);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
