/*!
 * \file pilot/Hearing.cpp
 */
#include "pilot/Hearing.hpp"

#include <algorithm>
#include <string>

#include "pilot/Log.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! Of the term. Ranks speak each second, so a word of each is at most so much older than the cut.
constexpr double deaf_share = 0.5;
constexpr double doubt_share = 0.25;
constexpr double ask_seconds = 1;
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool Hearing::has_others() const
{
    return heard_at_.size() > heard_at_.count(own_);
}

//---------------------------------------------------------------------------//
bool Hearing::cut_off(double now) const
{
    return this->has_others() && now - anyone_at_ > silence_;
}

//---------------------------------------------------------------------------//
void Hearing::rank(int rank, double now)
{
    if (rank != own_)
    {
        this->new_term(others_at_, now);
        anyone_at_ = std::max(anyone_at_, now);
    }
    heard_at_[rank] = now;
}

//---------------------------------------------------------------------------//
void Hearing::engine(double at)
{
    if (at > anyone_at_)
    {
        this->new_term(anyone_at_, at);
    }
}

//---------------------------------------------------------------------------//
//! A word has come, \c last of its kind until now: for all, if it was missed.
void Hearing::new_term(double& last, double now)
{
    if (this->has_others() && now - last > deaf_share * silence_)
    {
        log_line("heard no other rank for " + std::to_string(static_cast<long>(now - last))
                 + " s: silent ones get a new term");
        this->slept(now);
    }
    last = std::max(last, now);
}

//---------------------------------------------------------------------------//
void Hearing::slept(double now)
{
    for (auto& each : heard_at_)
    {
        each.second = now;
    }
    anyone_at_ = std::max(anyone_at_, now);
    others_at_ = std::max(others_at_, now);
}

//---------------------------------------------------------------------------//
std::vector<int> Hearing::gone(double now) const
{
    std::vector<int> ranks;
    if (now - anyone_at_ > deaf_share * silence_)
    {
        return ranks;
    }
    bool const all_silent = now - others_at_ > deaf_share * silence_;
    for (auto const& each : heard_at_)
    {
        if (now - each.second > (all_silent ? 2 : 1) * silence_)
        {
            ranks.push_back(each.first);
        }
    }
    return ranks;
}

//---------------------------------------------------------------------------//
bool Hearing::doubts(double now)
{
    if (!this->has_others() || now - anyone_at_ < doubt_share * silence_
        || now - asked_at_ < ask_seconds)
    {
        return false;
    }
    asked_at_ = now;
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
