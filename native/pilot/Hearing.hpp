/*!
 * \file pilot/Hearing.hpp
 * \brief Whom the hub has heard of late, and so whom it may think gone.
 *
 * A rank that is silent for a term while others are heard is gone. When all others are silent it is
 * rather this rank that is cut off: they get a second term, in which those that live take the session
 * over, since to them this rank was silent for the first. When the engine is silent too, it judges
 * nobody. Who was silent gets a whole new term as soon as anyone is heard again, since the words of
 * all come back one after the other.
 *
 * The engine speaks when it is asked, and it is asked when all other ranks are silent: else two ranks,
 * one of them dead, would look like a cut for ever.
 */
#pragma once

#include <map>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Hearing
{
  public:
    //! \c own is this rank: it always hears itself.
    Hearing(int own, double silence_seconds, double now)
        : own_{own}, silence_{silence_seconds}, anyone_at_{now}, others_at_{now}
    {
    }

    //! A word of a rank; its first makes it one that is listened for.
    void rank(int rank, double now);
    //! When the engine was last heard.
    void engine(double at);
    //! Not listened for any more.
    void forget(int rank) { heard_at_.erase(rank); }
    //! This process was stopped: silence of others meanwhile means nothing.
    void slept(double now);

    //! Nobody but itself was heard for a whole term: the others have done without it since.
    bool cut_off(double now) const;

    //! Ranks that are gone.
    std::vector<int> gone(double now) const;
    //! Whether the engine is to be asked for a word now; true once a while.
    bool doubts(double now);

  private:
    int own_;
    double silence_;
    double anyone_at_;  //!< When the engine or another rank was last heard.
    double others_at_;  //!< When another rank was last heard.
    double asked_at_{0};
    std::map<int, double> heard_at_;

    bool has_others() const;
    void new_term(double& last, double now);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
