/*!
 * \file pilot/SocketChannel.cpp
 */
#include "pilot/SocketChannel.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

#include "pilot/Dial.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr std::size_t answer_bytes_max = 8192;

//! The proxy's address from the environment, else from the access file; "" for none.
std::string proxy_of(Access const& access)
{
    char const* text = std::getenv("JUMBO_PROXY");
    return text ? text : access.proxy;
}
}  // namespace

//---------------------------------------------------------------------------//
std::unique_ptr<Channel>
SocketChannel::make(Address const& address, Access const& access, std::string& problem)
{
    auto proxy = proxy_of(access);
    bool const has_proxy = address.kind != Address::Kind::unix_socket && !proxy.empty();
    Address first = address;
    if (has_proxy)
    {
        proxy = proxy.compare(0, 7, "http://") == 0 ? proxy.substr(7) : proxy;
        if (!proxy.empty() && proxy.back() == '/')
        {
            proxy.pop_back();
        }
        if (!parse_address("tcp://" + proxy, first))
        {
            problem = "proxy " + proxy + " is no host:port";
            return nullptr;
        }
    }
    int const socket = start_dial(first, problem);
    return socket < 0 ? nullptr
                      : std::make_unique<SocketChannel>(socket, address, access, has_proxy);
}

//---------------------------------------------------------------------------//
SocketChannel::SocketChannel(int socket, Address address, Access access, bool has_proxy)
    : socket_{socket}
    , address_{std::move(address)}
    , access_{std::move(access)}
    , has_proxy_{has_proxy}
{
}

SocketChannel::~SocketChannel()
{
    tls_.reset();
    ::close(socket_);
}

//---------------------------------------------------------------------------//
Channel::Step SocketChannel::fail(std::string problem)
{
    problem_ = std::move(problem);
    return Step::failed;
}

//---------------------------------------------------------------------------//
Channel::Step SocketChannel::open(double)
{
    // Each stage goes on to the next at once where it can.
    Step step = Step::open;
    if (stage_ == Stage::connecting)
    {
        step = this->connect();
    }
    if (stage_ == Stage::asking && step == Step::open)
    {
        step = this->ask_proxy();
    }
    if (stage_ == Stage::answered && step == Step::open)
    {
        step = this->hear_proxy();
    }
    if (stage_ == Stage::securing && step == Step::open)
    {
        step = this->secure();
    }
    return step;
}

//---------------------------------------------------------------------------//
Channel::Step SocketChannel::connect()
{
    pollfd probe{socket_, POLLOUT, 0};
    if (::poll(&probe, 1, 0) <= 0)
    {
        return Step::pending;
    }
    if (!dial_succeeded(socket_, problem_))
    {
        return Step::failed;
    }
    if (!has_proxy_)
    {
        stage_ = address_.kind == Address::Kind::tls ? Stage::securing : Stage::open;
        return Step::open;
    }
    bool const v6 = address_.host.find(':') != std::string::npos;
    auto const place = (v6 ? "[" + address_.host + "]" : address_.host) + ":" + address_.port;
    request_ = "CONNECT " + place + " HTTP/1.1\r\nHost: " + place + "\r\n\r\n";
    stage_ = Stage::asking;
    return Step::open;
}

//---------------------------------------------------------------------------//
Channel::Step SocketChannel::ask_proxy()
{
    auto const* bytes = reinterpret_cast<std::uint8_t const*>(request_.data());
    auto const sent = this->send(bytes, request_.size());
    if (sent < 0)
    {
        return Step::failed;
    }
    request_.erase(0, static_cast<std::size_t>(sent));
    if (!request_.empty())
    {
        return Step::pending;
    }
    stage_ = Stage::answered;
    return Step::open;
}

//---------------------------------------------------------------------------//
//! The engine says nothing before the pilot does, so nothing can follow the proxy's answer.
Channel::Step SocketChannel::hear_proxy()
{
    std::uint8_t chunk[1024];
    auto const got = this->receive(chunk, sizeof chunk);
    if (got < 0)
    {
        return this->fail("the proxy gives no tunnel (" + problem_ + ")");
    }
    answer_.append(reinterpret_cast<char const*>(chunk), static_cast<std::size_t>(got));
    auto const end = answer_.find("\r\n\r\n");
    if (end == std::string::npos && answer_.size() <= answer_bytes_max)
    {
        return Step::pending;
    }
    auto const status = answer_.substr(0, std::min(answer_.find("\r\n"), std::size_t{100}));
    bool const is_http = status.compare(0, 7, "HTTP/1.") == 0 && status.size() >= 12;
    if (!is_http || status.compare(8, 2, " 2") != 0)
    {
        return this->fail("the proxy gives no tunnel (it answered " + status + ")");
    }
    if (end + 4 != answer_.size())
    {
        return this->fail("the proxy gives no tunnel (it said more than its answer)");
    }
    stage_ = address_.kind == Address::Kind::tls ? Stage::securing : Stage::open;
    return Step::open;
}

//---------------------------------------------------------------------------//
Channel::Step SocketChannel::secure()
{
    if (!tls_)
    {
        tls_ = Tls::make(socket_, access_.pilot_identity, access_.pilot_key, problem_);
        if (!tls_)
        {
            return Step::failed;
        }
    }
    int const done = tls_->shake_hands();
    if (done < 0)
    {
        refused_ = tls_->refused();
        return this->fail(tls_->problem());
    }
    if (done == 0)
    {
        return Step::pending;
    }
    stage_ = Stage::open;
    return Step::open;
}

//---------------------------------------------------------------------------//
std::ptrdiff_t SocketChannel::receive(std::uint8_t* to, std::size_t size)
{
    for (;;)
    {
        auto const got = ::recv(socket_, to, size, 0);
        if (got > 0)
        {
            return got;
        }
        if (got < 0 && errno == EINTR)
        {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        {
            return 0;
        }
        problem_ = got == 0 ? "the other side closed the connection" : std::strerror(errno);
        return -1;
    }
}

//---------------------------------------------------------------------------//
std::ptrdiff_t SocketChannel::send(std::uint8_t const* from, std::size_t size)
{
    for (;;)
    {
        auto const sent = ::send(socket_, from, size, MSG_NOSIGNAL);
        if (sent >= 0)
        {
            return sent;
        }
        if (errno == EINTR)
        {
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
        {
            return 0;
        }
        problem_ = std::strerror(errno);
        return -1;
    }
}

//---------------------------------------------------------------------------//
std::ptrdiff_t SocketChannel::read(std::uint8_t* to, std::size_t size, double)
{
    if (!tls_)
    {
        return this->receive(to, size);
    }
    auto const got = tls_->read(to, size);
    problem_ = tls_->problem();
    // An alert after the handshake may also be about the key: the server speaks last in TLS 1.3.
    refused_ = got < 0 && tls_->refused();
    return got;
}

//---------------------------------------------------------------------------//
std::ptrdiff_t SocketChannel::write(std::uint8_t const* from, std::size_t size, double)
{
    if (!tls_)
    {
        return this->send(from, size);
    }
    auto const sent = tls_->write(from, size);
    problem_ = tls_->problem();
    return sent;
}

//---------------------------------------------------------------------------//
void SocketChannel::add_descriptors(std::vector<pollfd>& out, bool writes) const
{
    bool const sends = stage_ == Stage::connecting || stage_ == Stage::asking
                       || (stage_ == Stage::open && writes) || (tls_ && tls_->wants_write());
    out.push_back({socket_, static_cast<short>(POLLIN | (sends ? POLLOUT : 0)), 0});
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
