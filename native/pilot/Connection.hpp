/*!
 * \file pilot/Connection.hpp
 * \brief The session with the engine, over as many connections as it takes. Never blocks.
 *
 *   waiting -> dialling -> greeting -> ready -- lost --> waiting ...
 *
 * The access file is read anew at each round, since an engine replaces it when it starts. Waits are
 * drawn from 0.5 .. 1 of 50 ms doubled up to 5 s, so a thousand pilots don't come at once. A peer
 * that is silent for two heartbeats is gone, whatever its socket says.
 */
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <poll.h>

#include "pilot/Access.hpp"
#include "pilot/Channel.hpp"
#include "pilot/Clock.hpp"
#include "pilot/Exit.hpp"
#include "wire/Codec.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Connection
{
  public:
    struct Host
    {
        std::string access_path;
        double give_up_seconds{600};
        //! Asked for each connection; the credential is put in here.
        std::function<wire::Hello()> hello;
        std::function<wire::Heartbeat()> heartbeat;
        std::function<void(wire::Welcome&)> on_welcome;
        std::function<void(wire::Message&)> on_message;
        std::function<void()> on_lost;
    };

    explicit Connection(Host host);
    ~Connection();
    Connection(Connection const&) = delete;
    Connection& operator=(Connection const&) = delete;

    //! Dial, read, write, send heartbeats; true if anything moved.
    bool poll(double now);
    void add_descriptors(std::vector<pollfd>& out) const;
    double next_deadline() const;

    //! Between a welcome and the loss of its connection.
    bool ready() const { return state_ == State::ready; }
    //! When the engine was last heard.
    double heard_at() const { return heard_at_; }
    //! Set where there is no hope: refused for good, or no engine for too long.
    std::optional<Ending> const& ending() const { return ending_; }

    //! Have the engine say something: its heartbeat is due now.
    void ask() { heartbeat_at_ = 0; }

    //! Send one frame; false if there is no session.
    bool send(wire::Message const& message);
    //! Whether everything was handed to the kernel.
    bool flushed() const { return outbox_.size() == written_; }
    void restart(std::string const& why);
    void close();

  private:
    enum class State
    {
        waiting,
        dialling,
        greeting,
        ready,
        closed,
    };

    Host host_;
    State state_{State::waiting};
    std::unique_ptr<Channel> channel_;
    std::vector<Address> addresses_;
    std::size_t next_address_{0};
    Access access_;
    std::string problem_;
    std::vector<std::uint8_t> chunk_;
    std::vector<std::uint8_t> outbox_;
    std::size_t written_{0};
    wire::FrameSplitter splitter_;
    double backoff_{0.05};
    double deadline_{0};  //!< Of the state: next dial, end of a dial, end of waiting for welcome.
    double heard_at_;
    double gone_since_;
    double heartbeat_seconds_{5};
    double heartbeat_at_{never};
    double polled_at_;
    int refusals_{0};
    std::optional<Ending> ending_;
    std::minstd_rand random_;

    void dial(double now);
    bool open_next(double now);
    void connected(double now);
    void dialled(double now);
    void count_refusal(bool refused);
    void lost(std::string const& why);
    void again(std::string const& why);
    bool read_some(double now);
    bool write_some(double now);
    void on_payload(wire::BytesView payload, double now);
    void on_fault(wire::Fault const& fault);
    void beat(double now);
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
