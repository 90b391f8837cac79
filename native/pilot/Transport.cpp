/*!
 * \file pilot/Transport.cpp
 */
#include "pilot/Transport.hpp"

#include "base/Assert.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
void Transport::send(int to, Lane lane, wire::Message message)
{
    JUMBO_EXPECT(to == this->rank());
    own_.push_back({to, lane, std::move(message), {}});
}

//---------------------------------------------------------------------------//
void Transport::send(int to, HubState const& state)
{
    JUMBO_EXPECT(to == this->rank());
    own_.push_back({to, Lane::state, {}, state});
}

//---------------------------------------------------------------------------//
bool Transport::poll(std::vector<Mail>& out)
{
    bool const moved = !own_.empty();
    for (auto& mail : own_)
    {
        out.push_back(std::move(mail));
    }
    own_.clear();
    return moved;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
