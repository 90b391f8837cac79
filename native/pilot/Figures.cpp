/*!
 * \file pilot/Figures.cpp
 */
#include "pilot/Figures.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

#include "pilot/Clock.hpp"
#include "pilot/Json.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t samples_max = 1000000;
constexpr double idle_seconds = 5;

double quantile(std::vector<float> const& sorted, double share)
{
    if (sorted.empty())
    {
        return -1;
    }
    auto const last = static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<std::size_t>(share * last)];
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Figures::Figures(int rank, double began_at) : rank_{rank}, began_at_{began_at}
{
    if (char const* prefix = std::getenv("JUMBO_PILOT_FIGURES"))
    {
        prefix_ = prefix;
    }
}

//---------------------------------------------------------------------------//
void Figures::be_late() const
{
    char const* late = std::getenv("JUMBO_PILOT_LATE");
    int rank = -1;
    unsigned seconds = 0;
    if (late && std::sscanf(late, "%d:%u", &rank, &seconds) == 2 && rank == rank_)
    {
        sleep(seconds);
    }
}

//---------------------------------------------------------------------------//
void Figures::asked()
{
    if (this->on())
    {
        asked_at_ = monotonic_seconds();
    }
}

//---------------------------------------------------------------------------//
void Figures::granted()
{
    if (!this->on())
    {
        return;
    }
    auto const now = wall_seconds();
    if (first_grant_at_ < 0)
    {
        first_grant_at_ = now;
        std::ofstream first{prefix_ + "." + std::to_string(rank_) + ".first"};
        first << std::fixed << began_at_ << " " << now << "\n";
    }
    bool const idle = last_grant_at_ >= 0 && now - last_grant_at_ > idle_seconds;
    last_grant_at_ = now;
    woken_at_ = idle ? now : woken_at_;
    if (asked_at_ < 0)
    {
        return;
    }
    auto const ms = static_cast<float>(1e3 * (monotonic_seconds() - asked_at_));
    asked_at_ = -1;
    // What was asked for before a pause is granted when there is work: that says nothing.
    if (!idle && grant_ms_.size() < samples_max)
    {
        grant_ms_.push_back(ms);
    }
}

//---------------------------------------------------------------------------//
void Figures::slots(std::size_t busy, std::size_t capacity)
{
    if (!this->on() || first_grant_at_ < 0 || drain_at_ >= 0)
    {
        return;
    }
    auto const now = monotonic_seconds();
    if (slots_at_ >= 0)
    {
        busy_seconds_ += busy_ * (now - slots_at_);
        slot_seconds_ += capacity_ * (now - slots_at_);
    }
    slots_at_ = now;
    busy_ = static_cast<double>(busy);
    capacity_ = static_cast<double>(capacity);
}

//---------------------------------------------------------------------------//
void Figures::drains()
{
    if (drain_at_ < 0)
    {
        this->slots(0, 0);
        drain_at_ = wall_seconds();
    }
}

//---------------------------------------------------------------------------//
void Figures::write()
{
    if (!this->on())
    {
        return;
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    auto const seconds = [](timeval const& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    auto const now = wall_seconds();
    std::sort(grant_ms_.begin(), grant_ms_.end());
    std::ofstream out{prefix_ + "." + std::to_string(rank_) + ".json"};
    char const* comma = "{";
    auto const put = [&](char const* name, double value) {
        char text[64];
        std::snprintf(text, sizeof text, "%.17g", value);
        out << comma << '"' << name << "\":" << text;
        comma = ",";
    };
    put("rank", rank_);
    put("beganAt", began_at_);
    put("firstGrantAt", first_grant_at_);
    put("wokenAt", woken_at_);
    put("drainAt", drain_at_);
    put("endAt", now);
    put("wallEndAt", wall_seconds_left_ < 0 ? -1 : now + wall_seconds_left_);
    put("cpuSeconds", seconds(usage.ru_utime) + seconds(usage.ru_stime));
    put("busySlotSeconds", busy_seconds_);
    put("slotSeconds", slot_seconds_);
    put("grants", static_cast<double>(grant_ms_.size()));
    put("grantMsP50", quantile(grant_ms_, 0.5));
    put("grantMsP99", quantile(grant_ms_, 0.99));
    put("grantMsMax", quantile(grant_ms_, 1));
    out << "}\n";
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
