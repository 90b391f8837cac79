/*!
 * \file pilot/Tls.cpp
 */
#include "pilot/Tls.hpp"

#include <cerrno>
#include <cstring>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
//! TLS_AES_128_GCM_SHA256: external keys are bound to SHA-256 unless agreed otherwise.
constexpr unsigned char cipher_id[] = {0x13, 0x01};
constexpr char cipher_name[] = "TLS_AES_128_GCM_SHA256";

int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool parse_hex(std::string const& text, std::vector<unsigned char>& out)
{
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    {
        int const high = digit(text[i]);
        int const low = digit(text[i + 1]);
        if (high < 0 || low < 0)
        {
            return false;
        }
        out.push_back(static_cast<unsigned char>(16 * high + low));
    }
    return text.size() % 2 == 0 && !out.empty();
}

struct Free
{
    void operator()(SSL_CTX* each) const { SSL_CTX_free(each); }
    void operator()(SSL* each) const { SSL_free(each); }
};

class OpenSsl final : public Tls
{
  public:
    OpenSsl(std::string identity, std::vector<unsigned char> key)
        : identity_{std::move(identity)}, key_{std::move(key)}
    {
    }
    ~OpenSsl() override { OPENSSL_cleanse(key_.data(), key_.size()); }

    bool start(int socket)
    {
        context_.reset(SSL_CTX_new(TLS_client_method()));
        if (!context_ || SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION) != 1
            || SSL_CTX_set_ciphersuites(context_.get(), cipher_name) != 1)
        {
            return this->fail("TLS can't be set up");
        }
        // There is no authority whose certificate would be taken.
        SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_mode(context_.get(),
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_psk_use_session_callback(context_.get(), &OpenSsl::use_key);
        ssl_.reset(SSL_new(context_.get()));
        if (!ssl_ || SSL_set_fd(ssl_.get(), socket) != 1)
        {
            return this->fail("TLS can't be set up");
        }
        SSL_set_app_data(ssl_.get(), this);
        SSL_set_connect_state(ssl_.get());
        return true;
    }

    int shake_hands() override
    {
        ERR_clear_error();
        errno = 0;
        int const done = SSL_do_handshake(ssl_.get());
        if (done == 1)
        {
            // Only a handshake in which the key was taken resumes a session.
            return SSL_session_reused(ssl_.get()) == 1
                       ? 1
                       : (this->fail("the other side did not prove that it knows the key"), -1);
        }
        return this->waits(done) ? 0 : (this->fail("no TLS handshake"), -1);
    }

    std::ptrdiff_t read(std::uint8_t* to, std::size_t size) override
    {
        ERR_clear_error();
        errno = 0;
        std::size_t got = 0;
        int const done = SSL_read_ex(ssl_.get(), to, size, &got);
        return this->result(done, got);
    }

    std::ptrdiff_t write(std::uint8_t const* from, std::size_t size) override
    {
        ERR_clear_error();
        errno = 0;
        std::size_t sent = 0;
        int const done = SSL_write_ex(ssl_.get(), from, size, &sent);
        return this->result(done, sent);
    }

    bool wants_write() const override { return SSL_want_write(ssl_.get()); }
    std::string const& problem() const override { return problem_; }
    bool refused() const override { return refused_; }

  private:
    std::unique_ptr<SSL_CTX, Free> context_;
    std::unique_ptr<SSL, Free> ssl_;
    std::string identity_;
    std::vector<unsigned char> key_;
    std::string problem_;
    bool refused_{false};

    static int use_key(SSL* ssl,
                       EVP_MD const*,
                       unsigned char const** id,
                       std::size_t* id_size,
                       SSL_SESSION** session)
    {
        auto* self = static_cast<OpenSsl*>(SSL_get_app_data(ssl));
        auto* made = SSL_SESSION_new();
        auto const* cipher = SSL_CIPHER_find(ssl, cipher_id);
        if (!made || !cipher
            || SSL_SESSION_set1_master_key(made, self->key_.data(), self->key_.size()) != 1
            || SSL_SESSION_set_cipher(made, cipher) != 1
            || SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) != 1)
        {
            SSL_SESSION_free(made);
            return 0;
        }
        *id = reinterpret_cast<unsigned char const*>(self->identity_.data());
        *id_size = self->identity_.size();
        *session = made;
        return 1;
    }

    bool waits(int done) const
    {
        int const code = SSL_get_error(ssl_.get(), done);
        return code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE;
    }

    std::ptrdiff_t result(int done, std::size_t bytes)
    {
        if (done == 1)
        {
            return static_cast<std::ptrdiff_t>(bytes);
        }
        if (this->waits(done))
        {
            return 0;
        }
        if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_ZERO_RETURN)
        {
            problem_ = "the engine closed the connection";
            return -1;
        }
        this->fail("TLS has ended");
        return -1;
    }

    bool fail(std::string const& what)
    {
        int const system = errno;
        auto const code = ERR_peek_error();
        // Reasons above this are alerts of the other side (SSL_AD_REASON_OFFSET + alert).
        refused_ = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > 1000
                   && ERR_GET_REASON(code) < 1256;
        char const* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
        problem_ = what;
        if (refused_)
        {
            problem_ += " (the engine does not accept the key: " + std::string{reason ? reason : "?"}
                        + ") use the access file of its store";
        }
        else if (reason)
        {
            problem_ += std::string{" ("} + reason + ")";
        }
        else
        {
            problem_ += system != 0 ? std::string{" ("} + std::strerror(system) + ")"
                                    : " (the other side closed the connection)";
        }
        return false;
    }
};
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool has_tls()
{
    return true;
}

std::string tls_name()
{
    std::string const whole = OpenSSL_version(OPENSSL_VERSION);
    return whole.substr(0, whole.find(' ', whole.find(' ') + 1));
}

//---------------------------------------------------------------------------//
std::unique_ptr<Tls> Tls::make(int socket,
                               std::string const& identity,
                               std::string const& key,
                               std::string& problem)
{
    std::vector<unsigned char> bytes;
    if (!parse_hex(key, bytes))
    {
        problem = "the pilot key is no hexadecimal text";
        return nullptr;
    }
    auto made = std::make_unique<OpenSsl>(identity, std::move(bytes));
    if (!made->start(socket))
    {
        problem = made->problem();
        return nullptr;
    }
    return made;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
