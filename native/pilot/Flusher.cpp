/*!
 * \file pilot/Flusher.cpp
 */
#include "pilot/Flusher.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/Assert.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
int sync_order(Flusher::Order const& order)
{
    if (fdatasync(order.file) != 0)
    {
        return errno;
    }
    if (order.folder.empty())
    {
        return 0;
    }
    // The name must survive too.
    int const folder = open(order.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
    {
        return errno;
    }
    int const code = fsync(folder) == 0 || errno == EINVAL ? 0 : errno;
    close(folder);
    return code;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Flusher::Flusher()
{
    event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    JUMBO_ASSERT(event_ >= 0);
    // Signals are for the loop.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { this->run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

//---------------------------------------------------------------------------//
Flusher::~Flusher()
{
    {
        std::lock_guard<std::mutex> lock{mutex_};
        ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
    close(event_);
}

//---------------------------------------------------------------------------//
void Flusher::submit(Order order)
{
    {
        std::lock_guard<std::mutex> lock{mutex_};
        orders_.push_back(std::move(order));
    }
    wake_.notify_one();
}

//---------------------------------------------------------------------------//
std::vector<Flusher::Answer> Flusher::take_answers()
{
    std::uint64_t count = 0;
    if (read(event_, &count, sizeof count) < 0)
    {
        return {};
    }
    std::lock_guard<std::mutex> lock{mutex_};
    return std::move(answers_);
}

//---------------------------------------------------------------------------//
void Flusher::run()
{
    std::unique_lock<std::mutex> lock{mutex_};
    for (;;)
    {
        wake_.wait(lock, [this] { return ending_ || !orders_.empty(); });
        if (ending_)
        {
            return;
        }
        auto const order = orders_.front();
        orders_.pop_front();
        lock.unlock();
        int const code = sync_order(order);
        lock.lock();
        answers_.push_back({order.id, code});
        std::uint64_t const one = 1;
        JUMBO_ASSERT(write(event_, &one, sizeof one) == sizeof one);
    }
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
