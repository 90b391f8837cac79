/*!
 * \file pilot/Spool.cpp
 */
#include "pilot/Spool.hpp"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pilot/ExchangeRoom.hpp"
#include "pilot/Files.hpp"
#include "wire/Codec.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr char ending[] = ".spool";
//! Of a pilot that has ended: nobody will renew it.
constexpr char left_ending[] = ".left.spool";

bool ends_with(std::string const& text, char const* end)
{
    std::string const tail = end;
    return text.size() > tail.size()
           && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

double mtime_of(struct stat const& found)
{
    return static_cast<double>(found.st_mtim.tv_sec)
           + 1e-9 * static_cast<double>(found.st_mtim.tv_nsec);
}

//! The folder's own clock: nodes and file servers disagree about the time.
double folder_time(std::string const& folder)
{
    auto const path = folder + "/.time-" + std::to_string(getpid());
    int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct stat found;
    bool const known = file >= 0 && write(file, "t", 1) == 1 && fstat(file, &found) == 0;
    if (file >= 0)
    {
        close(file);
        unlink(path.c_str());
    }
    return known ? mtime_of(found) : 0;
}
}  // namespace

//---------------------------------------------------------------------------//
Spool::~Spool()
{
    if (exists_)
    {
        rename((path_ + ending).c_str(), (path_ + left_ending).c_str());
    }
}

//---------------------------------------------------------------------------//
bool Spool::write(SpoolContent const& content)
{
    std::vector<std::uint8_t> out;
    bool good = static_cast<bool>(wire::append_frame(out, content.hello));
    for (auto const& bundle : content.bundles)
    {
        good = good && wire::append_frame(out, bundle);
    }
    auto const& reports = content.reports;
    std::size_t at = 0;
    do
    {
        wire::Exchange exchange;
        for (ExchangeRoom room; at < reports.size() && room.take(&reports[at], 1); ++at)
        {
            exchange.reports.push_back(reports[at]);
        }
        good = good && wire::append_frame(out, exchange);
    } while (at < reports.size());
    auto const next = path_ + ".next";
    int const file = good ? open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (file < 0)
    {
        return false;
    }
    good = write_all(file, out.data(), out.size()) == 0 && fdatasync(file) == 0;
    close(file);
    exists_ = good && rename(next.c_str(), (path_ + ending).c_str()) == 0;
    return exists_;
}

//---------------------------------------------------------------------------//
void Spool::remove()
{
    if (exists_)
    {
        unlink((path_ + ending).c_str());
        exists_ = false;
    }
}

//---------------------------------------------------------------------------//
std::vector<std::string> find_spools(std::string const& folder, double age_seconds)
{
    std::vector<std::string> found;
    auto* entries = opendir(folder.c_str());
    if (!entries)
    {
        return found;
    }
    double now = -1;
    while (auto const* entry = readdir(entries))
    {
        std::string const name = entry->d_name;
        if (!ends_with(name, ending))
        {
            continue;
        }
        if (ends_with(name, left_ending))
        {
            found.push_back(folder + "/" + name);
            continue;
        }
        now = now < 0 ? folder_time(folder) : now;
        auto const path = folder + "/" + name;
        struct stat status;
        if (stat(path.c_str(), &status) == 0 && now - mtime_of(status) >= age_seconds)
        {
            found.push_back(path);
        }
    }
    closedir(entries);
    return found;
}

//---------------------------------------------------------------------------//
std::optional<SpoolContent> read_spool(std::string const& path)
{
    std::ifstream in{path, std::ios::binary};
    std::vector<std::uint8_t> const bytes{std::istreambuf_iterator<char>{in},
                                          std::istreambuf_iterator<char>{}};
    SpoolContent content;
    bool has_hello = false;
    bool has_exchange = false;
    wire::FrameSplitter splitter{wire::frame_bytes_max};
    splitter.feed({bytes.data(), bytes.size()});
    for (wire::BytesView payload; splitter.next(payload);)
    {
        auto decoded = wire::decode(payload, wire::Side::pilot);
        if (!decoded)
        {
            return std::nullopt;
        }
        if (auto* hello = std::get_if<wire::Hello>(&decoded.value()))
        {
            content.hello = *hello;
            has_hello = true;
        }
        else if (auto* bundle = std::get_if<wire::BundleNotice>(&decoded.value()))
        {
            content.bundles.push_back(*bundle);
        }
        else if (auto* exchange = std::get_if<wire::Exchange>(&decoded.value()))
        {
            content.reports.insert(content.reports.end(),
                                   std::make_move_iterator(exchange->reports.begin()),
                                   std::make_move_iterator(exchange->reports.end()));
            has_exchange = true;
        }
    }
    return has_hello && has_exchange ? std::optional<SpoolContent>{std::move(content)}
                                     : std::nullopt;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
