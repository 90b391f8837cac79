/*!
 * \file payload/Events.hpp
 * \brief Events of a HepMC2 or HepMC3 ASCII file, by place in bytes or whole.
 */
#pragma once

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <HepMC3/Reader.h>
#include <fastjet/PseudoJet.hh>

namespace jumbo
{
namespace payload
{
//---------------------------------------------------------------------------//
/*!
 * Reads header + [offset, offset + bytes) + footer: the usual loop loses the last event of a text
 * without a footer. Throws std::runtime_error for what is no HepMC.
 */
class Events
{
  public:
    //! \c bytes 0: the whole file, which is a slice with its own header and footer.
    Events(std::string const& path, std::uint64_t offset, std::uint64_t bytes);

    //! Final-state particles of the next event; false behind the last.
    bool next(std::vector<fastjet::PseudoJet>& particles);

  private:
    std::istringstream text_;
    std::unique_ptr<HepMC3::Reader> reader_;
};
//---------------------------------------------------------------------------//
}  // namespace payload
}  // namespace jumbo
