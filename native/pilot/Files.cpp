/*!
 * \file pilot/Files.cpp
 */
#include "pilot/Files.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t chunk_bytes = 256 * 1024;
//! Times travel in milliseconds; what a file system keeps below that is not compared.
constexpr double mtime_tolerance_ms = 1;

int remove_one(char const* path, struct stat const*, int, FTW*)
{
    std::remove(path);
    return 0;
}

int copy_place(int from, int to, std::uint64_t offset, std::uint64_t length)
{
    std::vector<char> chunk(std::min<std::uint64_t>(length, chunk_bytes));
    for (std::uint64_t done = 0; done < length;)
    {
        auto const wanted = std::min<std::uint64_t>(length - done, chunk.size());
        auto const got = pread(from, chunk.data(), wanted, static_cast<off_t>(offset + done));
        if (got <= 0)
        {
            if (got < 0 && errno == EINTR)
            {
                continue;
            }
            return got == 0 ? ENODATA : errno;
        }
        if (int const code = write_all(to, chunk.data(), static_cast<std::size_t>(got)))
        {
            return code;
        }
        done += static_cast<std::uint64_t>(got);
    }
    return 0;
}

int write_pieces(std::vector<wire::SlicePiece> const& pieces, int from, int to)
{
    for (auto const& piece : pieces)
    {
        auto const* place = std::get_if<wire::FilePiece>(&piece);
        auto const* blob = std::get_if<wire::Blob>(&piece);
        int const code = place ? copy_place(from, to, place->offset, place->length)
                               : write_all(to, blob->data(), blob->size());
        if (code != 0)
        {
            return code;
        }
    }
    return 0;
}

//! Lines with at least one byte above space.
class LineCounter
{
  public:
    void push(char const* data, std::size_t size)
    {
        for (std::size_t i = 0; i < size; ++i)
        {
            if (data[i] == '\n')
            {
                this->finish();
            }
            else
            {
                filled_ = filled_ || static_cast<unsigned char>(data[i]) > ' ';
            }
        }
    }
    std::uint64_t finish()
    {
        count_ += filled_ ? 1 : 0;
        filled_ = false;
        return count_;
    }

  private:
    std::uint64_t count_{0};
    bool filled_{false};
};

//! Lines that begin with a prefix.
class PrefixCounter
{
  public:
    explicit PrefixCounter(std::string const& prefix) : prefix_{prefix} {}

    void push(char const* data, std::size_t size)
    {
        for (std::size_t i = 0; i < size; ++i)
        {
            if (agrees_ && at_ < prefix_.size() && data[i] == prefix_[at_])
            {
                count_ += ++at_ == prefix_.size() ? 1 : 0;
            }
            else
            {
                agrees_ = false;
            }
            if (data[i] == '\n')
            {
                at_ = 0;
                agrees_ = true;
            }
        }
    }
    std::uint64_t finish() const { return count_; }

  private:
    std::string const& prefix_;
    std::size_t at_{0};
    bool agrees_{true};
    std::uint64_t count_{0};
};
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
int make_folder(std::string const& path)
{
    for (std::size_t at = 1; at <= path.size(); ++at)
    {
        if (at == path.size() || path[at] == '/')
        {
            if (mkdir(path.substr(0, at).c_str(), 0777) != 0 && errno != EEXIST)
            {
                // A parent that may not be written but is there shows up as the child's success.
                int const code = errno;
                struct stat found;
                if (stat(path.substr(0, at).c_str(), &found) != 0)
                {
                    return code;
                }
            }
        }
    }
    struct stat found;
    return stat(path.c_str(), &found) != 0 ? errno : S_ISDIR(found.st_mode) ? 0 : ENOTDIR;
}

//---------------------------------------------------------------------------//
void remove_tree(std::string const& path)
{
    nftw(path.c_str(), remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

//---------------------------------------------------------------------------//
int write_all(int file, void const* data, std::size_t size)
{
    auto const* bytes = static_cast<char const*>(data);
    while (size > 0)
    {
        auto const done = write(file, bytes, size);
        if (done <= 0)
        {
            if (done < 0 && errno == EINTR)
            {
                continue;
            }
            return done == 0 ? EIO : errno;
        }
        bytes += done;
        size -= static_cast<std::size_t>(done);
    }
    return 0;
}

//---------------------------------------------------------------------------//
int write_all_at(int file, void const* data, std::size_t size, std::uint64_t at)
{
    auto const* bytes = static_cast<char const*>(data);
    while (size > 0)
    {
        auto const done = pwrite(file, bytes, size, static_cast<off_t>(at));
        if (done <= 0)
        {
            if (done < 0 && errno == EINTR)
            {
                continue;
            }
            return done == 0 ? EIO : errno;
        }
        bytes += done;
        at += static_cast<std::uint64_t>(done);
        size -= static_cast<std::size_t>(done);
    }
    return 0;
}

//---------------------------------------------------------------------------//
int write_slice(RangeWork const& work, std::string& path)
{
    auto const& input = work.file.path;
    // Programs look at extensions, so the input's name stays at the end.
    auto name = "slice-" + input.substr(input.rfind('/') + 1);
    while (name == work.task->output_name)
    {
        name = "_" + name;
    }
    path = work.folder + "/" + name;
    int const from = open(input.c_str(), O_RDONLY | O_CLOEXEC);
    if (from < 0)
    {
        int const code = errno;
        path = input;
        return code;
    }
    int const to = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int code = to < 0 ? errno : 0;
    if (code == 0)
    {
        code = write_pieces(work.file.header, from, to);
    }
    if (code == 0)
    {
        code = copy_place(from, to, work.bytes.begin, work.bytes.end - work.bytes.begin);
    }
    if (code == 0)
    {
        code = write_pieces(work.file.footer, from, to);
    }
    close(from);
    if (to >= 0 && close(to) != 0 && code == 0)
    {
        code = errno;
    }
    return code;
}

//---------------------------------------------------------------------------//
std::string input_problem(wire::FileInfo const& file)
{
    if (file.path.empty() || (file.size_bytes < 0 && file.mtime_ms < 0))
    {
        return "";
    }
    struct stat found;
    if (stat(file.path.c_str(), &found) != 0)
    {
        return "input changed: " + file.path + " can't be found any more (" + std::strerror(errno)
               + ")";
    }
    if (file.size_bytes >= 0 && found.st_size != file.size_bytes)
    {
        return "input changed: " + file.path + " has " + std::to_string(found.st_size)
               + " bytes (it had " + std::to_string(file.size_bytes) + " when scanned)";
    }
    double const mtime_ms = 1e3 * static_cast<double>(found.st_mtim.tv_sec)
                            + 1e-6 * static_cast<double>(found.st_mtim.tv_nsec);
    if (file.mtime_ms >= 0 && std::fabs(mtime_ms - file.mtime_ms) >= mtime_tolerance_ms)
    {
        return "input changed: " + file.path + " was written again after it was scanned";
    }
    return "";
}

//---------------------------------------------------------------------------//
std::optional<std::uint64_t> count_records(std::string const& path, wire::CountRule const& rule)
{
    if (rule.kind == wire::CountKind::none)
    {
        return std::nullopt;
    }
    int const file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
    {
        return std::nullopt;
    }
    LineCounter lines;
    PrefixCounter prefixes{rule.prefix};
    bool const by_prefix = rule.kind == wire::CountKind::line_prefix;
    std::vector<char> chunk(chunk_bytes);
    ssize_t got = 0;
    while ((got = read(file, chunk.data(), chunk.size())) > 0 || (got < 0 && errno == EINTR))
    {
        auto const size = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
        by_prefix ? prefixes.push(chunk.data(), size) : lines.push(chunk.data(), size);
    }
    close(file);
    auto const count = by_prefix ? prefixes.finish() : lines.finish();
    if (got < 0)
    {
        return std::nullopt;
    }
    return count - std::min<std::uint64_t>(count, rule.skip);
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
