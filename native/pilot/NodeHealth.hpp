/*!
 * \file pilot/NodeHealth.hpp
 * \brief Whether a node can work: room in its own folder and in the shared one.
 *
 * A node whose disk is full would fail one range after the other, and eat everybody's attempts. It
 * starts nothing instead, gives back what had not started, and works on when there is room again.
 */
#pragma once

#include <string>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class NodeHealth
{
  public:
    explicit NodeHealth(std::vector<std::string> folders) : folders_{std::move(folders)} {}

    //! Look; true if the problem is another one than before.
    bool look();

    //! Why nothing may start; "" if all is well.
    std::string const& problem() const { return problem_; }

  private:
    std::vector<std::string> folders_;
    std::string problem_;
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
