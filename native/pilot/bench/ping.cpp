/*!
 * \file pilot/bench/ping.cpp
 * \brief Round trips between rank 0 and all others: of bare MPI, and of the pilot's mail.
 *
 *   mpi-ping floor|mail SECONDS [IDLE_SECONDS]
 *
 * All other ranks ask rank 0 in closed loops, everybody sleeps between looks as the pilot does.
 * `floor` is MPI_Isend and MPI_Improbe of 64 bytes and nothing else; `mail` is an exchange and its
 * grant through MpiTransport, encoded, framed and checked. With IDLE_SECONDS everybody idles
 * so long first (in `mail` with the word a second that hub and ranks have for each other), and the
 * first round trip behind it is told on its own. Rank 0 prints one line.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/prctl.h>
#include <time.h>

#include "pilot/Clock.hpp"
#include "pilot/MpiTransport.hpp"
#include "pilot/Pace.hpp"

using namespace jumbo;
using namespace jumbo::pilot;

namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t bytes = 64;
constexpr int tag_ping = 100;

constexpr double linger_seconds = 1;
constexpr double beat_seconds = 1;

struct Result
{
    double trips{0};
    double p50{0};
    double p99{0};
    double first{-1};
};

void nap(double seconds)
{
    timespec const time{0, static_cast<long>(1e9 * seconds)};
    nanosleep(&time, nullptr);
}

//! What both kinds do: ask, answer, take what has come, wait.
class Line
{
  public:
    virtual ~Line() = default;
    //! What is said without being asked.
    virtual void beat(double) {}
    virtual void wait(Pace& pace) { nap(pace.next()); }
    virtual void ask() = 0;
    //! Ranks whose questions (on rank 0) or answers have come.
    virtual void take(std::vector<int>& from) = 0;
    virtual void answer(int to) = 0;
};

class BareLine final : public Line
{
  public:
    void ask() override { this->send(0); }
    void answer(int to) override { this->send(to); }
    void take(std::vector<int>& from) override
    {
        int there = 1;
        while (there)
        {
            MPI_Message message;
            MPI_Status status;
            MPI_Improbe(MPI_ANY_SOURCE, tag_ping, MPI_COMM_WORLD, &there, &message, &status);
            if (there)
            {
                // It is here whole: so short a message never waits.
                MPI_Mrecv(room_, bytes, MPI_BYTE, &message, MPI_STATUS_IGNORE);
                from.push_back(status.MPI_SOURCE);
            }
        }
    }

  private:
    char room_[bytes]{};

    void send(int to)
    {
        MPI_Request request;
        MPI_Isend(room_, bytes, MPI_BYTE, to, tag_ping, MPI_COMM_WORLD, &request);
        MPI_Request_free(&request);
    }
};

class MailLine final : public Line
{
  public:
    explicit MailLine(MpiTransport& transport) : transport_{transport} {}
    void ask() override
    {
        wire::Exchange exchange;
        exchange.sequence = ++sequence_;
        exchange.want = 1;
        transport_.send(0, Lane::to_hub, std::move(exchange));
    }
    void answer(int to) override
    {
        wire::Grant grant;
        grant.sequence = ++sequence_;
        transport_.send(to, Lane::to_node, std::move(grant));
    }
    void take(std::vector<int>& from) override
    {
        std::vector<Mail> mails;
        transport_.poll(mails);
        for (auto const& mail : mails)
        {
            if (mail.lane != Lane::state && !std::get_if<wire::Heartbeat>(&mail.message))
            {
                from.push_back(mail.from);
            }
        }
    }
    void beat(double now) override
    {
        if (now < beat_at_)
        {
            return;
        }
        beat_at_ = now + beat_seconds;
        if (transport_.rank() != 0)
        {
            transport_.send(0, Lane::to_hub, wire::Heartbeat{1, -1});
            return;
        }
        for (int to = 1; to < transport_.size(); ++to)
        {
            transport_.send(to, HubState{});
        }
    }
    void wait(Pace& pace) override
    {
        auto const now = monotonic_seconds();
        std::vector<pollfd> waits;
        transport_.add_descriptors(waits, now);
        auto const longest = pace.slow() ? transport_.longest_wait(now) : Pace::seconds_max;
        timespec const time{0, static_cast<long>(1e9 * pace.next(longest))};
        if (ppoll(waits.data(), waits.size(), &time, nullptr) > 0)
        {
            pace.moved();
        }
    }

  private:
    double beat_at_{0};
    MpiTransport& transport_;
    std::uint64_t sequence_{0};
};

//---------------------------------------------------------------------------//
void serve(Line& line, double seconds)
{
    Pace pace;
    std::vector<int> from;
    auto const end = monotonic_seconds() + seconds + linger_seconds;
    while (monotonic_seconds() < end)
    {
        from.clear();
        line.take(from);
        line.beat(monotonic_seconds());
        for (int const rank : from)
        {
            line.answer(rank);
        }
        if (from.empty())
        {
            line.wait(pace);
        }
        else
        {
            pace.moved();
        }
    }
}

Result ask(Line& line, double seconds, double idle)
{
    Pace pace;
    std::vector<double> trips;
    std::vector<int> from;
    Result result;
    auto const begin = monotonic_seconds() + idle;
    double asked = 0;
    while (monotonic_seconds() < begin + seconds || asked > 0)
    {
        from.clear();
        line.take(from);
        auto const now = monotonic_seconds();
        line.beat(now);
        if (asked > 0 && !from.empty())
        {
            trips.push_back(now - asked);
            asked = 0;
        }
        if (asked == 0 && now >= begin && now < begin + seconds)
        {
            asked = monotonic_seconds();
            line.ask();
            pace.moved();
        }
        else if (asked > 0 && now - asked > linger_seconds)
        {
            break;
        }
        line.wait(pace);
    }
    if (trips.empty())
    {
        return result;
    }
    result.first = trips[0];
    std::sort(trips.begin(), trips.end());
    result.trips = static_cast<double>(trips.size());
    result.p50 = trips[trips.size() / 2];
    result.p99 = trips[trips.size() * 99 / 100];
    return result;
}

void print(std::vector<double> const& all, int size, double seconds)
{
    double trips = 0, p50 = 0, p99 = 0, first = 0;
    for (int i = 1; i < size; ++i)
    {
        auto const* each = &all[4 * static_cast<std::size_t>(i)];
        trips += each[0];
        p50 += each[1] / (size - 1);
        p99 = std::max(p99, each[2]);
        first = std::max(first, each[3]);
    }
    std::printf("{\"ranks\":%d,\"tripsPerSecond\":%.1f,\"p50Ms\":%.4f,\"p99Ms\":%.4f,"
                "\"firstMs\":%.4f}\n",
                size,
                trips / seconds,
                1e3 * p50,
                1e3 * p99,
                1e3 * first);
    std::fflush(stdout);
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
int main(int argc, char** argv)
{
    MpiTransport transport{argc, argv};
    bool const mail = argc > 1 && std::strcmp(argv[1], "mail") == 0;
    double const seconds = argc > 2 ? std::atof(argv[2]) : 2;
    double const idle = argc > 3 ? std::atof(argv[3]) : 0;
    prctl(PR_SET_TIMERSLACK, 1000ul);
    BareLine bare;
    MailLine mails{transport};
    Line& line = mail ? static_cast<Line&>(mails) : bare;
    Result result;
    // All at once, and connections made, before anything is measured.
    MPI_Barrier(MPI_COMM_WORLD);
    if (transport.rank() == 0)
    {
        serve(line, idle + seconds);
    }
    else
    {
        result = ask(line, seconds, idle);
    }
    double const mine[4] = {result.trips, result.p50, result.p99, result.first};
    std::vector<double> all(4 * static_cast<std::size_t>(transport.size()));
    MPI_Gather(mine, 4, MPI_DOUBLE, all.data(), 4, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    if (transport.rank() == 0)
    {
        print(all, transport.size(), seconds);
    }
    transport.finalize(0);
}
