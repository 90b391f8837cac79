/*!
 * \file pilot/Dial.cpp
 */
#include "pilot/Dial.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
int begin(int family, sockaddr const* name, socklen_t size, std::string& problem)
{
    int const fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
    {
        problem = std::strerror(errno);
        return -1;
    }
    if (family != AF_UNIX)
    {
        int const on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (connect(fd, name, size) != 0 && errno != EINPROGRESS)
    {
        problem = std::strerror(errno);
        close(fd);
        return -1;
    }
    return fd;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
int start_dial(Address const& address, std::string& problem)
{
    if (address.kind == Address::Kind::unix_socket)
    {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        if (address.path.size() >= sizeof name.sun_path)
        {
            problem = "its path is too long for a unix socket";
            return -1;
        }
        std::memcpy(name.sun_path, address.path.data(), address.path.size());
        return begin(AF_UNIX, reinterpret_cast<sockaddr*>(&name), sizeof name, problem);
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int const code = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
    if (code != 0)
    {
        problem = gai_strerror(code);
        return -1;
    }
    int fd = -1;
    for (auto* each = found; each && fd < 0; each = each->ai_next)
    {
        fd = begin(each->ai_family, each->ai_addr, each->ai_addrlen, problem);
    }
    freeaddrinfo(found);
    return fd;
}

//---------------------------------------------------------------------------//
bool dial_succeeded(int socket, std::string& problem)
{
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0)
    {
        problem = std::strerror(code);
    }
    return code == 0;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
