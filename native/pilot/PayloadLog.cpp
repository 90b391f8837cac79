/*!
 * \file pilot/PayloadLog.cpp
 */
#include "pilot/PayloadLog.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr off_t tail_bytes_max = 64 * 1024;
constexpr off_t file_bytes_max = 4 * 1024 * 1024;

off_t size_of(int file)
{
    struct stat found;
    return fstat(file, &found) == 0 ? found.st_size : 0;
}
}  // namespace

//---------------------------------------------------------------------------//
int PayloadLog::open(std::string const& path)
{
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    path_ = path;
    kept_.clear();
    return file_ < 0 ? errno : 0;
}

//---------------------------------------------------------------------------//
std::string PayloadLog::tail() const
{
    auto text = kept_ + this->file_tail();
    auto const most = static_cast<std::size_t>(tail_bytes_max);
    return text.size() <= most ? text : text.substr(text.size() - most);
}

//---------------------------------------------------------------------------//
std::string PayloadLog::file_tail() const
{
    if (file_ < 0)
    {
        return "";
    }
    auto const size = size_of(file_);
    auto const wanted = std::min(size, tail_bytes_max);
    std::string text(static_cast<std::size_t>(wanted), '\0');
    auto const got = pread(file_, text.data(), text.size(), size - wanted);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return text;
}

//---------------------------------------------------------------------------//
void PayloadLog::bound()
{
    if (file_ >= 0 && size_of(file_) > file_bytes_max)
    {
        kept_ = this->tail();
        if (ftruncate(file_, 0) != 0)
        {
            // It stays large until the attempt's end removes it.
        }
    }
}

//---------------------------------------------------------------------------//
void PayloadLog::close()
{
    if (file_ < 0)
    {
        return;
    }
    kept_ = this->tail();
    ::close(file_);
    unlink(path_.c_str());
    file_ = -1;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
