/*!
 * \file payload/Events.cpp
 */
#include "payload/Events.hpp"

#include <fstream>
#include <stdexcept>

#include <HepMC3/GenEvent.h>
#include <HepMC3/GenParticle.h>
#include <HepMC3/ReaderAscii.h>
#include <HepMC3/ReaderAsciiHepMC2.h>

namespace jumbo
{
namespace payload
{
namespace
{
//---------------------------------------------------------------------------//
constexpr int final_state = 1;

//! Everything before the first event.
std::string read_header(std::istream& file)
{
    std::string header;
    for (std::string line; std::getline(file, line) && line.compare(0, 2, "E ") != 0;)
    {
        header += line + "\n";
    }
    return header;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Events::Events(std::string const& path, std::uint64_t offset, std::uint64_t bytes)
{
    std::ifstream file{path, std::ios::binary};
    if (!file)
    {
        throw std::runtime_error(path + " can't be read");
    }
    auto text = read_header(file);
    bool const version2 = text.find("HepMC::IO_GenEvent") != std::string::npos;
    if (!version2 && text.find("HepMC::Asciiv3") == std::string::npos)
    {
        throw std::runtime_error(path + " is no HepMC2 or HepMC3 ASCII file");
    }
    file.clear();
    if (bytes == 0)
    {
        offset = text.size();
        file.seekg(0, std::ios::end);
        bytes = static_cast<std::uint64_t>(file.tellg()) - offset;
    }
    std::string events(bytes, '\0');
    file.seekg(static_cast<std::streamoff>(offset));
    if (!file.read(events.data(), static_cast<std::streamsize>(bytes)))
    {
        throw std::runtime_error(path + " ends before the range's last byte");
    }
    text += events;
    if (text.find("END_EVENT_LISTING") == std::string::npos)
    {
        text += version2 ? "HepMC::IO_GenEvent-END_EVENT_LISTING\n"
                         : "HepMC::Asciiv3-END_EVENT_LISTING\n";
    }
    text_.str(std::move(text));
    if (version2)
    {
        reader_ = std::make_unique<HepMC3::ReaderAsciiHepMC2>(text_);
    }
    else
    {
        reader_ = std::make_unique<HepMC3::ReaderAscii>(text_);
    }
}

//---------------------------------------------------------------------------//
bool Events::next(std::vector<fastjet::PseudoJet>& particles)
{
    HepMC3::GenEvent event;
    particles.clear();
    if (!reader_->read_event(event) || reader_->failed())
    {
        return false;
    }
    for (auto const& particle : event.particles())
    {
        if (particle->status() == final_state)
        {
            auto const& p = particle->momentum();
            particles.emplace_back(p.px(), p.py(), p.pz(), p.e());
        }
    }
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace payload
}  // namespace jumbo
