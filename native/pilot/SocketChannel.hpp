/*!
 * \file pilot/SocketChannel.hpp
 * \brief A TCP or unix socket to the engine, if need be through a proxy, if need be in TLS.
 *
 *   connecting -> [asking the proxy -> its answer] -> [TLS handshake] -> open
 */
#pragma once

#include "pilot/Channel.hpp"
#include "pilot/Tls.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class SocketChannel final : public Channel
{
  public:
    static std::unique_ptr<Channel>
    make(Address const& address, Access const& access, std::string& problem);

    SocketChannel(int socket, Address address, Access access, bool has_proxy);
    ~SocketChannel() override;
    SocketChannel(SocketChannel const&) = delete;
    SocketChannel& operator=(SocketChannel const&) = delete;

    Step open(double now) override;
    std::ptrdiff_t read(std::uint8_t* to, std::size_t size, double now) override;
    std::ptrdiff_t write(std::uint8_t const* from, std::size_t size, double now) override;
    void add_descriptors(std::vector<pollfd>& out, bool writes) const override;

  private:
    enum class Stage
    {
        connecting,
        asking,
        answered,
        securing,
        open,
    };

    int socket_;
    Address address_;
    Access access_;
    Stage stage_{Stage::connecting};
    bool has_proxy_;
    std::string request_;
    std::string answer_;
    std::unique_ptr<Tls> tls_;

    Step fail(std::string problem);
    Step connect();
    Step ask_proxy();
    Step hear_proxy();
    Step secure();
    std::ptrdiff_t receive(std::uint8_t* to, std::size_t size);
    std::ptrdiff_t send(std::uint8_t const* from, std::size_t size);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
