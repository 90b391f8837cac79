/*!
 * \file pilot/BundleWriter.cpp
 */
#include "pilot/BundleWriter.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pilot/Crc32.hpp"
#include "pilot/Files.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! Larger sources are summed first and copied second, instead of being held in memory.
constexpr off_t whole_bytes_max = 1024 * 1024;
constexpr std::size_t chunk_bytes = 1024 * 1024;

//! As many bytes as there are up to \c size; -1 and errno where reading fails.
ssize_t read_up_to(int file, void* data, std::size_t size, std::uint64_t at)
{
    std::size_t done = 0;
    while (done < size)
    {
        auto const got = pread(
            file, static_cast<char*>(data) + done, size - done, static_cast<off_t>(at + done));
        if (got < 0 && errno == EINTR)
        {
            continue;
        }
        if (got <= 0)
        {
            return got < 0 ? -1 : static_cast<ssize_t>(done);
        }
        done += static_cast<std::size_t>(got);
    }
    return static_cast<ssize_t>(done);
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
BundleWriter::~BundleWriter()
{
    if (file_ >= 0)
    {
        ::close(file_);
    }
}

//---------------------------------------------------------------------------//
int BundleWriter::create(std::string const& path)
{
    path_ = path;
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return file_ < 0 ? errno : 0;
}

//---------------------------------------------------------------------------//
AppendEnd
BundleWriter::append(Member member, std::string const& file_name, std::string const& source)
{
    if (broken_)
    {
        return {"bundle " + path_ + " takes nothing more", false};
    }
    // An output is a plain file: a link would lead out of its folder, a FIFO would block.
    int const from = open(source.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat found;
    if (from < 0 || fstat(from, &found) != 0 || !S_ISREG(found.st_mode))
    {
        if (from >= 0)
        {
            ::close(from);
        }
        return {source + " can't go into a bundle (it can't be read, or is no regular file) an "
                         "output is one plain file",
                true};
    }
    member.name = member_name(member.span, file_name);
    member.header_at = bytes_;
    bool changed = false;
    int const code = found.st_size <= whole_bytes_max
                         ? this->append_small(
                             member, from, static_cast<std::size_t>(found.st_size), changed)
                         : this->append_large(member, from, changed);
    ::close(from);
    if (changed || code != 0)
    {
        this->cut_back();
    }
    if (changed)
    {
        return {member.name
                    + " was not put into the bundle (its length or content changed while it was "
                      "read) an output is final once its range is done",
                true};
    }
    if (code != 0)
    {
        return {system_problem(path_, code), false};
    }
    members_.push_back(std::move(member));
    return {};
}

//---------------------------------------------------------------------------//
int BundleWriter::append_small(Member& member, int source, std::size_t size, bool& changed)
{
    // Room for one byte more shows that it still grows.
    Bytes content(size + 1);
    auto const got = read_up_to(source, content.data(), content.size(), 0);
    changed = got != static_cast<ssize_t>(size);
    if (changed)
    {
        return 0;
    }
    member.bytes = size;
    member.crc = crc32(content.data(), size);
    Bytes out;
    put_local(out, member);
    out.insert(out.end(), content.begin(), content.end() - 1);
    int const code = write_all_at(file_, out.data(), out.size(), bytes_);
    if (code == 0)
    {
        bytes_ += out.size();
    }
    return code;
}

//---------------------------------------------------------------------------//
int BundleWriter::append_large(Member& member, int source, bool& changed)
{
    Bytes chunk(chunk_bytes);
    ssize_t got = 0;
    while ((got = read_up_to(source, chunk.data(), chunk.size(), member.bytes)) > 0)
    {
        member.crc = crc32(chunk.data(), static_cast<std::size_t>(got), member.crc);
        member.bytes += static_cast<std::uint64_t>(got);
    }
    if (got < 0)
    {
        changed = true;
        return 0;
    }
    Bytes header;
    put_local(header, member);
    int code = write_all_at(file_, header.data(), header.size(), bytes_);
    std::uint64_t done = 0;
    std::uint32_t sum = 0;
    while (code == 0 && (got = read_up_to(source, chunk.data(), chunk.size(), done)) > 0)
    {
        auto const size = static_cast<std::size_t>(got);
        sum = crc32(chunk.data(), size, sum);
        code = write_all_at(file_, chunk.data(), size, bytes_ + header.size() + done);
        done += size;
    }
    changed = code == 0 && (done != member.bytes || sum != member.crc);
    if (code == 0 && !changed)
    {
        bytes_ += header.size() + done;
    }
    return code;
}

//---------------------------------------------------------------------------//
void BundleWriter::cut_back()
{
    if (ftruncate(file_, static_cast<off_t>(bytes_)) != 0)
    {
        broken_ = true;
    }
}

//---------------------------------------------------------------------------//
bool BundleWriter::has_name() const
{
    struct stat found;
    return stat(path_.c_str(), &found) == 0;
}

//---------------------------------------------------------------------------//
int BundleWriter::close()
{
    if (file_ < 0)
    {
        return 0;
    }
    int code = 0;
    if (!broken_)
    {
        Bytes directory;
        for (auto const& member : members_)
        {
            put_central(directory, member);
        }
        put_end(directory, members_.size(), bytes_, directory.size());
        code = write_all_at(file_, directory.data(), directory.size(), bytes_);
        if (code != 0)
        {
            // Without its directory the bundle still reads front to back, if nothing torn follows.
            this->cut_back();
        }
        else if (fdatasync(file_) != 0)
        {
            code = errno;
        }
    }
    ::close(file_);
    file_ = -1;
    return code;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
