/*!
 * \file pilot/SpoolDelivery.cpp
 */
#include "pilot/SpoolDelivery.hpp"

#include <algorithm>

#include <unistd.h>

#include "pilot/HeldSpan.hpp"
#include "pilot/Log.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//! A living pilot renews its spool each second; this allows for slow file servers.
constexpr double age_seconds = 30;
constexpr double deliver_seconds_max = 60;
}  // namespace

//---------------------------------------------------------------------------//
SpoolDelivery::SpoolDelivery(std::string access_path, std::string folder)
    : access_path_{std::move(access_path)}
{
    for (auto const& path : find_spools(folder, age_seconds))
    {
        auto content = read_spool(path);
        if (!content)
        {
            log_line("spool " + path + " can't be read: it is left alone");
            continue;
        }
        auto const same = std::find_if(batches_.begin(), batches_.end(), [&](Batch const& batch) {
            return batch.content.hello.pilot_id == content->hello.pilot_id;
        });
        if (same == batches_.end())
        {
            batches_.push_back({std::move(*content), {path}});
            continue;
        }
        auto& into = same->content;
        into.hello.generation = std::max(into.hello.generation, content->hello.generation);
        auto const add = [](auto& to, auto const& from) {
            to.insert(to.end(), from.begin(), from.end());
        };
        add(into.hello.held, content->hello.held);
        add(into.bundles, content->bundles);
        add(into.reports, content->reports);
        same->paths.push_back(path);
    }
}

//---------------------------------------------------------------------------//
void SpoolDelivery::start(double now)
{
    auto& content = batches_.back().content;
    log_line("delivering what pilot " + content.hello.pilot_id + " left in its spool");
    ++content.hello.generation;
    content.hello.want = 0;
    line_ = ReportLine{};
    sequence_ = 0;
    deadline_ = now + deliver_seconds_max;
    // One parcel a report, so that an exchange takes as many as fit.
    for (auto const& report : content.reports)
    {
        line_.add({-1, 0, 0, {report}});
    }
    Connection::Host host;
    host.access_path = access_path_;
    host.hello = [this] { return batches_.back().content.hello; };
    host.heartbeat = [] { return wire::Heartbeat{}; };
    host.on_welcome = [this](wire::Welcome&) {
        sequence_ = 0;
        for (auto const& bundle : batches_.back().content.bundles)
        {
            connection_->send(bundle);
        }
        this->send_reports();
    };
    host.on_message = [this](wire::Message& message) {
        if (auto const* verdicts = std::get_if<wire::Verdicts>(&message))
        {
            line_.answer(verdicts->sequence, verdicts->runs, [](Parcel const&, auto) {});
            this->send_reports();
        }
    };
    host.on_lost = [this] { line_.take_back(); };
    connection_ = std::make_unique<Connection>(std::move(host));
}

//---------------------------------------------------------------------------//
void SpoolDelivery::send_reports()
{
    while (line_.waits() && !line_.full())
    {
        wire::Exchange exchange;
        exchange.sequence = ++sequence_;
        exchange.reports = line_.take(exchange.sequence);
        connection_->send(exchange);
    }
}

//---------------------------------------------------------------------------//
void SpoolDelivery::finish(bool delivered)
{
    if (delivered)
    {
        auto const& tally = line_.tally();
        log_line("spool of pilot " + batches_.back().content.hello.pilot_id + " is delivered: "
                 + std::to_string(tally.accepted) + " done, " + std::to_string(tally.unused)
                 + " of no use any more");
        for (auto const& path : batches_.back().paths)
        {
            unlink(path.c_str());
        }
        connection_->send(wire::Bye{"the spool is delivered"});
        connection_->poll(monotonic_seconds());
    }
    connection_.reset();
    batches_.pop_back();
}

//---------------------------------------------------------------------------//
bool SpoolDelivery::poll(double now)
{
    if (batches_.empty())
    {
        return false;
    }
    if (!connection_)
    {
        this->start(now);
    }
    connection_->poll(now);
    if (line_.empty())
    {
        this->finish(true);
    }
    else if (connection_->ending() || now > deadline_)
    {
        log_line("a spool could not be delivered now: it stays for the next pilot");
        this->finish(false);
    }
    return !batches_.empty();
}

//---------------------------------------------------------------------------//
void SpoolDelivery::add_descriptors(std::vector<pollfd>& out) const
{
    if (connection_)
    {
        connection_->add_descriptors(out);
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
