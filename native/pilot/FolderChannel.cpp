/*!
 * \file pilot/FolderChannel.cpp
 */
#include "pilot/FolderChannel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pilot/Files.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! Pauses between two looks: short while frames come and go, longer in silence.
constexpr double pause_seconds_min = 0.005;
constexpr double pause_seconds_max = 0.2;
constexpr double pause_growth = 1.3;
constexpr std::size_t file_bytes_max = 1 << 20;
constexpr std::size_t prefix_bytes = 4;
//! Files that may wait for the relay.
constexpr std::uint64_t files_unread_max = 64;

bool exists(std::string const& path)
{
    struct stat found;
    return stat(path.c_str(), &found) == 0;
}

std::string read_text(std::string const& path)
{
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::unique_ptr<Channel> FolderChannel::make(std::string const& folder, std::string& problem)
{
    struct stat found;
    if (stat(folder.c_str(), &found) != 0)
    {
        problem = "no spool folder (" + std::string{std::strerror(errno)}
                  + ") start `jumbo pilot relay --folder " + folder + "` on the login node";
        return nullptr;
    }
    if (found.st_uid != geteuid() || (found.st_mode & 077) != 0)
    {
        problem = "spool folder " + folder + " is open to others (keys lie in it) chmod 700 it";
        return nullptr;
    }
    std::random_device random;
    char name[32];
    std::snprintf(name, sizeof name, "/c-%08x%08x", random(), random());
    auto const path = folder + name;
    if (mkdir(path.c_str(), 0700) != 0)
    {
        problem = "no folder can be made in " + folder + " (" + std::strerror(errno) + ")";
        return nullptr;
    }
    return std::make_unique<FolderChannel>(path);
}

//---------------------------------------------------------------------------//
//! What was written is the relay's to carry on and to clear up; without a relay it is nobody's.
FolderChannel::~FolderChannel()
{
    std::uint8_t const nothing{0};
    bool const is_open = exists(path_ + "/open") && !exists(path_ + "/down-end");
    if (over_ || !is_open || !this->put("up-end", &nothing, 0))
    {
        remove_tree(path_);
    }
}

//---------------------------------------------------------------------------//
std::string FolderChannel::name(char const* side, std::uint64_t number) const
{
    char text[32];
    std::snprintf(text, sizeof text, "%s-%08llu", side, static_cast<unsigned long long>(number));
    return text;
}

//---------------------------------------------------------------------------//
void FolderChannel::looked(double now, bool found)
{
    pause_ = found ? pause_seconds_min
                   : std::min(std::max(pause_ * pause_growth, pause_seconds_min), pause_seconds_max);
    look_at_ = now + pause_;
}

//---------------------------------------------------------------------------//
Channel::Step FolderChannel::open(double now)
{
    if (now < look_at_)
    {
        return Step::pending;
    }
    if (this->is_over())
    {
        return Step::failed;
    }
    bool const is_open = exists(path_ + "/open");
    this->looked(now, is_open);
    problem_ = is_open ? "" : "no relay has answered within 5 s (is `jumbo pilot relay` running?)";
    return is_open ? Step::open : Step::pending;
}

//---------------------------------------------------------------------------//
//! Whether the relay has ended it, or the folder is gone.
bool FolderChannel::is_over()
{
    auto const end = path_ + "/down-end";
    if (exists(end))
    {
        // The relay wrote its last bytes before this.
        if (exists(path_ + "/" + this->name("down", read_number_)))
        {
            return false;
        }
        auto const why = read_text(end);
        problem_ = why.size() > prefix_bytes ? why.substr(prefix_bytes) : "the relay has ended it";
        over_ = true;
    }
    else if (!exists(path_))
    {
        problem_ = "the relay was started anew";
        over_ = true;
    }
    return over_;
}

//---------------------------------------------------------------------------//
bool FolderChannel::take_next()
{
    auto const path = path_ + "/" + this->name("down", read_number_);
    std::ifstream in{path, std::ios::binary};
    if (!in)
    {
        return false;
    }
    unread_.assign(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
    std::size_t size = 0;
    for (std::size_t i = 0; i < prefix_bytes && i < unread_.size(); ++i)
    {
        size = 256 * size + unread_[i];
    }
    if (unread_.size() < prefix_bytes || unread_.size() - prefix_bytes != size)
    {
        // Some file systems show a file before all of it.
        unread_.clear();
        return false;
    }
    unlink(path.c_str());
    ++read_number_;
    taken_ = prefix_bytes;
    return true;
}

//---------------------------------------------------------------------------//
std::ptrdiff_t FolderChannel::read(std::uint8_t* to, std::size_t size, double now)
{
    if (taken_ == unread_.size())
    {
        if (now < look_at_)
        {
            return 0;
        }
        unread_.clear();
        taken_ = 0;
        bool const found = this->take_next();
        this->looked(now, found);
        if (!found)
        {
            return this->is_over() ? -1 : 0;
        }
        // The next file may be there already.
        look_at_ = now;
    }
    auto const count = std::min(size, unread_.size() - taken_);
    std::memcpy(to, unread_.data() + taken_, count);
    taken_ += count;
    return static_cast<std::ptrdiff_t>(count);
}

//---------------------------------------------------------------------------//
std::ptrdiff_t FolderChannel::write(std::uint8_t const* from, std::size_t size, double now)
{
    if (write_number_ > files_unread_max
        && exists(path_ + "/" + this->name("up", write_number_ - files_unread_max)))
    {
        return 0;
    }
    auto const count = std::min(size, file_bytes_max);
    if (!this->put(this->name("up", write_number_), from, count))
    {
        return this->is_over() ? -1 : 0;
    }
    ++write_number_;
    // An answer may come soon.
    this->looked(now, true);
    return static_cast<std::ptrdiff_t>(count);
}

//---------------------------------------------------------------------------//
//! One file, whole or not at all; false (its errno in problem_) if it could not be written.
bool FolderChannel::put(std::string const& name, std::uint8_t const* from, std::size_t size)
{
    std::vector<std::uint8_t> bytes(prefix_bytes);
    for (std::size_t i = 0; i < prefix_bytes; ++i)
    {
        bytes[i] = static_cast<std::uint8_t>(size >> 8 * (prefix_bytes - 1 - i));
    }
    bytes.insert(bytes.end(), from, from + size);
    auto const next = path_ + "/.up";
    int const file = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int code = file < 0 ? errno : write_all(file, bytes.data(), bytes.size());
    if (file >= 0 && ::close(file) != 0 && code == 0)
    {
        code = errno;
    }
    if (code == 0 && rename(next.c_str(), (path_ + "/" + name).c_str()) != 0)
    {
        code = errno;
    }
    problem_ = code == 0 ? "" : std::strerror(code);
    return code == 0;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
