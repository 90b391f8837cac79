/*!
 * \file pilot/SpoolDelivery.hpp
 * \brief Delivers what earlier pilots left in their spools, each under its own identity.
 *
 * A session of its own with the engine for each pilot that left something: hello as that pilot with
 * a higher generation, holding what its reports are about; its bundles; its reports; then bye. The
 * files go when the verdicts are there. It runs beside the pilot's own work and delays nothing.
 */
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "pilot/Connection.hpp"
#include "pilot/ReportLine.hpp"
#include "pilot/Spool.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class SpoolDelivery
{
  public:
    SpoolDelivery(std::string access_path, std::string folder);

    //! False when there is nothing (more) to do.
    bool poll(double now);
    void add_descriptors(std::vector<pollfd>& out) const;

  private:
    struct Batch
    {
        SpoolContent content;  //!< Of all spools of one pilot.
        std::vector<std::string> paths;
    };

    std::string access_path_;
    std::vector<Batch> batches_;
    std::unique_ptr<Connection> connection_;
    ReportLine line_;
    std::uint64_t sequence_{0};
    double deadline_{0};

    void start(double now);
    void send_reports();
    void finish(bool delivered);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
