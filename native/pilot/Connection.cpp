/*!
 * \file pilot/Connection.cpp
 */
#include "pilot/Connection.hpp"

#include <algorithm>

#include "pilot/Log.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr double backoff_seconds = 0.05;
constexpr double backoff_seconds_max = 5;
constexpr double dial_seconds_max = 5;
constexpr double welcome_seconds_max = 10;
//! A new engine writes its access file a moment after it listens, so one refusal is not final.
constexpr int refusals_max = 3;
constexpr double silent_heartbeats_max = 2;
constexpr std::size_t read_bytes = 256 * 1024;
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Connection::Connection(Host host)
    : host_{std::move(host)}
    , splitter_{wire::frame_bytes_max}
    , heard_at_{monotonic_seconds()}
    , gone_since_{heard_at_}
    , polled_at_{heard_at_}
    , random_{std::random_device{}()}
{
}

Connection::~Connection()
{
    this->close();
}

//---------------------------------------------------------------------------//
void Connection::close()
{
    channel_.reset();
    state_ = State::closed;
}

//---------------------------------------------------------------------------//
bool Connection::poll(double now)
{
    // After a stop of this process (SIGSTOP, a frozen node) what came meanwhile is to be read. While
    // there is no session, nothing can have come: pauses between dials are longer than heartbeats.
    bool const has_session = state_ == State::greeting || state_ == State::ready;
    if (has_session && now - polled_at_ > heartbeat_seconds_ / 2)
    {
        heard_at_ = std::max(heard_at_, now);
    }
    polled_at_ = now;
    bool moved = false;
    if (state_ == State::waiting && now >= deadline_)
    {
        this->dial(now);
        moved = true;
    }
    else if (state_ == State::dialling)
    {
        this->dialled(now);
        moved = state_ != State::dialling;
    }
    if (state_ == State::greeting || state_ == State::ready)
    {
        moved = this->read_some(now) || moved;
        moved = this->write_some(now) || moved;
    }
    if (state_ == State::greeting && now >= deadline_)
    {
        this->lost("no welcome came in time");
    }
    if (state_ == State::ready)
    {
        this->beat(now);
    }
    return moved;
}

//---------------------------------------------------------------------------//
//! Go on opening a channel.
void Connection::dialled(double now)
{
    auto const step = channel_->open(now);
    if (step == Channel::Step::open)
    {
        this->connected(now);
        return;
    }
    if (step == Channel::Step::failed)
    {
        bool const refused = channel_->refused();
        this->again(channel_->problem());
        this->count_refusal(refused);
    }
    else if (now >= deadline_)
    {
        auto const& why = channel_->problem();
        this->again(why.empty() ? "no answer within 5 s" : why);
    }
}

//---------------------------------------------------------------------------//
//! One refusal is not final: see refusals_max.
void Connection::count_refusal(bool refused)
{
    refusals_ += refused ? 1 : 0;
    if (refused && refusals_ >= refusals_max && !ending_)
    {
        ending_ = Ending{Exit::refused, problem_};
    }
}

//---------------------------------------------------------------------------//
//! Read the access file and try its first address.
void Connection::dial(double now)
{
    Access access;
    Ending problem;
    addresses_.clear();
    next_address_ = 0;
    if (!read_access(host_.access_path, access, problem))
    {
        this->again(problem.reason);
        return;
    }
    access_ = access;
    problem_ = "its access file has no address for pilots";
    for (auto const& text : access.pilots)
    {
        Address address;
        if (parse_address(text, address))
        {
            addresses_.push_back(address);
        }
    }
    if (!this->open_next(now))
    {
        this->again(problem_);
    }
}

//---------------------------------------------------------------------------//
bool Connection::open_next(double now)
{
    while (next_address_ < addresses_.size())
    {
        channel_ = open_channel(addresses_[next_address_++], access_, problem_);
        if (channel_)
        {
            state_ = State::dialling;
            deadline_ = now + dial_seconds_max;
            return true;
        }
    }
    return false;
}

//---------------------------------------------------------------------------//
void Connection::connected(double now)
{
    splitter_ = wire::FrameSplitter{wire::frame_bytes_max};
    outbox_.clear();
    written_ = 0;
    auto hello = host_.hello();
    hello.credential = access_.credential();
    auto const framed = wire::append_frame(outbox_, hello);
    if (!framed)
    {
        this->again(framed.error().message);
        return;
    }
    state_ = State::greeting;
    deadline_ = now + welcome_seconds_max;
}

//---------------------------------------------------------------------------//
void Connection::restart(std::string const& why)
{
    if (channel_)
    {
        this->lost(why);
    }
}

//---------------------------------------------------------------------------//
void Connection::lost(std::string const& why)
{
    bool const was_ready = state_ == State::ready;
    if (was_ready)
    {
        gone_since_ = monotonic_seconds();
        log_line("connection lost: " + why);
    }
    next_address_ = addresses_.size();
    this->again(why);
    if (was_ready)
    {
        host_.on_lost();
    }
}

//---------------------------------------------------------------------------//
//! Try the next address, or wait and dial again, or give up.
void Connection::again(std::string const& why)
{
    auto const now = monotonic_seconds();
    // The reason may be the channel's own text.
    problem_ = why;
    channel_.reset();
    if (state_ == State::closed)
    {
        return;
    }
    if (this->open_next(now))
    {
        return;
    }
    state_ = State::waiting;
    if (now - gone_since_ > host_.give_up_seconds && !ending_)
    {
        ending_ = Ending{Exit::unreachable,
                         "no engine for " + std::to_string(static_cast<long>(host_.give_up_seconds))
                             + " s (last try: " + problem_
                             + ") start the engine, or raise --give-up"};
    }
    std::uniform_real_distribution<double> share{0.5, 1.0};
    deadline_ = now + backoff_ * share(random_);
    backoff_ = std::min(2 * backoff_, backoff_seconds_max);
}

//---------------------------------------------------------------------------//
bool Connection::read_some(double now)
{
    chunk_.resize(read_bytes);
    bool moved = false;
    while (channel_)
    {
        auto const* reading = channel_.get();
        auto const got = channel_->read(chunk_.data(), chunk_.size(), now);
        if (got == 0)
        {
            return moved;
        }
        if (got < 0)
        {
            bool const refused = channel_->refused() && state_ == State::greeting;
            this->lost(channel_->problem());
            this->count_refusal(refused);
            return true;
        }
        moved = true;
        heard_at_ = now;
        splitter_.feed({chunk_.data(), static_cast<std::size_t>(got)});
        wire::BytesView payload;
        while (channel_.get() == reading && splitter_.next(payload))
        {
            this->on_payload(payload, now);
        }
        if (channel_.get() == reading && splitter_.broken())
        {
            this->lost(splitter_.error().message);
        }
    }
    return moved;
}

//---------------------------------------------------------------------------//
void Connection::on_payload(wire::BytesView payload, double now)
{
    auto decoded = wire::decode(payload, wire::Side::engine);
    if (!decoded)
    {
        if (decoded.error().code == ErrorCode::version)
        {
            ending_ = Ending{Exit::version, decoded.error().message};
        }
        this->lost(decoded.error().message);
        return;
    }
    auto& message = decoded.value();
    if (auto const* fault = std::get_if<wire::Fault>(&message))
    {
        this->on_fault(*fault);
    }
    else if (auto* welcome = std::get_if<wire::Welcome>(&message))
    {
        if (state_ == State::ready)
        {
            this->lost("a second welcome came (one opens a session)");
            return;
        }
        state_ = State::ready;
        refusals_ = 0;
        backoff_ = backoff_seconds;
        heartbeat_seconds_ = std::max(0.05, 1e-3 * welcome->heartbeat_ms);
        heartbeat_at_ = now + heartbeat_seconds_;
        host_.on_welcome(*welcome);
    }
    else if (state_ != State::ready)
    {
        this->lost("another message came before welcome");
    }
    else if (!std::get_if<wire::Pulse>(&message))
    {
        host_.on_message(message);
    }
}

//---------------------------------------------------------------------------//
void Connection::on_fault(wire::Fault const& fault)
{
    if (fault.code == "conflict")
    {
        ending_ = Ending{Exit::conflict, fault.message};
    }
    bool const refusal = fault.code == "unauthorized" || fault.code == "version";
    refusals_ += refusal ? 1 : 0;
    if (refusal && refusals_ >= refusals_max)
    {
        ending_ = Ending{fault.code == "version" ? Exit::version : Exit::refused, fault.message};
    }
    this->lost("the engine refused: " + fault.message);
}

//---------------------------------------------------------------------------//
void Connection::beat(double now)
{
    if (now - heard_at_ > silent_heartbeats_max * heartbeat_seconds_)
    {
        this->lost("the engine was silent for two heartbeats");
    }
    else if (now >= heartbeat_at_)
    {
        heartbeat_at_ = now + heartbeat_seconds_;
        this->send(host_.heartbeat());
    }
}

//---------------------------------------------------------------------------//
bool Connection::send(wire::Message const& message)
{
    if (state_ != State::ready)
    {
        return false;
    }
    auto const framed = wire::append_frame(outbox_, message);
    if (!framed)
    {
        log_line("a message could not be sent: " + framed.error().message);
    }
    return static_cast<bool>(framed);
}

//---------------------------------------------------------------------------//
bool Connection::write_some(double now)
{
    bool moved = false;
    while (channel_ && written_ < outbox_.size())
    {
        auto const done
            = channel_->write(outbox_.data() + written_, outbox_.size() - written_, now);
        if (done == 0)
        {
            return moved;
        }
        if (done < 0)
        {
            this->lost(channel_->problem());
            return true;
        }
        written_ += static_cast<std::size_t>(done);
        moved = true;
    }
    if (written_ == outbox_.size())
    {
        outbox_.clear();
        written_ = 0;
    }
    return moved;
}

//---------------------------------------------------------------------------//
void Connection::add_descriptors(std::vector<pollfd>& out) const
{
    if (channel_)
    {
        channel_->add_descriptors(out, written_ < outbox_.size());
    }
}

//---------------------------------------------------------------------------//
double Connection::next_deadline() const
{
    double const own = state_ == State::closed  ? never
                       : state_ == State::ready ? heartbeat_at_
                                                : deadline_;
    return channel_ ? std::min(own, channel_->next_deadline()) : own;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
