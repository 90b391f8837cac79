/*!
 * \file pilot/Figures.hpp
 * \brief What a rank measures of itself, for `npm run bench:mpi`.
 *
 * Off unless JUMBO_PILOT_FIGURES names a prefix of files: each rank then writes PREFIX.RANK.json
 * when it leaves, and PREFIX.RANK.first (when it began, when it got its first range). Times are
 * seconds since 1970.
 * JUMBO_PILOT_LATE=RANK:SECONDS has a rank sleep first, as one on a slow node would.
 */
#pragma once

#include <string>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Figures
{
  public:
    Figures(int rank, double began_at);

    bool on() const { return !prefix_.empty(); }

    //! An exchange that wants ranges leaves.
    void asked();
    //! Ranges have come.
    void granted();
    //! That many slots of so many are busy from now on, until the drain begins.
    void slots(std::size_t busy, std::size_t capacity);
    void drains();
    void wall_ends(double seconds_left) { wall_seconds_left_ = seconds_left; }

    void write();

    //! Sleep if this rank is to be late.
    void be_late() const;

  private:
    int rank_;
    std::string prefix_;
    double began_at_;
    double first_grant_at_{-1};
    double last_grant_at_{-1};
    double drain_at_{-1};
    double wall_seconds_left_{-1};
    double asked_at_{-1};
    double slots_at_{-1};
    double busy_{0};
    double capacity_{0};
    double busy_seconds_{0};
    double slot_seconds_{0};
    std::vector<float> grant_ms_;
    double woken_at_{-1};
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
