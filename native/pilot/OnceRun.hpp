/*!
 * \file pilot/OnceRun.hpp
 * \brief One process for one range: folder, slice, exec, exit.
 */
#pragma once

#include <algorithm>
#include <optional>

#include "pilot/PayloadLog.hpp"
#include "pilot/Process.hpp"
#include "pilot/Work.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class OnceRun
{
  public:
    explicit OnceRun(RangeWork work) : work_{std::move(work)} {}

    //! Everything before exec; an end if it can't be started.
    std::optional<AttemptEnd> prepare();

    //! Exec; `started` was told before.
    void launch(double now);

    //! Whether it has ended; its end is final then.
    bool poll(double now);
    AttemptEnd end();

    //! End it with \c end: politely, or at once.
    void stop(AttemptEnd end, bool at_once);

    void bound_logs();
    RangeWork const& work() const { return work_; }
    bool launched() const { return process_.started(); }
    double next_deadline() const { return std::min(timeout_at_, process_.next_deadline()); }

  private:
    RangeWork work_;
    std::vector<std::string> argv_;
    PayloadLog out_;
    PayloadLog err_;
    Process process_;
    double started_at_{0};
    double ended_at_{0};
    double timeout_at_{never};
    //! How it ends whatever the process does; set by a stop or a timeout.
    std::optional<AttemptEnd> ordered_;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
