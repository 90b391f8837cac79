/*!
 * \file pilot/Tls.hpp
 * \brief TLS 1.3 with the pilot key as external PSK, over a connected socket. OpenSSL >= 1.1.1.
 *
 * Both sides prove that they know the key; no certificate takes part, and a side that shows one is
 * turned away. Builds without OpenSSL have NoTls.cpp in its place.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
bool has_tls();
//! For people: "OpenSSL 3.0.19", "none".
std::string tls_name();

class Tls
{
  public:
    virtual ~Tls() = default;

    //! 1: done; 0: under way; -1: failed, \c problem() says why.
    virtual int shake_hands() = 0;
    //! As Channel::read and Channel::write.
    virtual std::ptrdiff_t read(std::uint8_t* to, std::size_t size) = 0;
    virtual std::ptrdiff_t write(std::uint8_t const* from, std::size_t size) = 0;
    //! The last call waits for the socket to be writable, not readable.
    virtual bool wants_write() const = 0;
    virtual std::string const& problem() const = 0;
    //! The other side ended the handshake with an alert: it does not know the key.
    virtual bool refused() const = 0;

    //! \c key in hex. Nothing, and why in \c problem, if it is none or TLS is not built in.
    static std::unique_ptr<Tls> make(int socket,
                                     std::string const& identity,
                                     std::string const& key,
                                     std::string& problem);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
