/*!
 * \file pilot/Flusher.hpp
 * \brief A thread that waits for disks, so that the rank's loop never does.
 *
 * A sync on a shared folder may take from 0.1 ms to seconds. The loop hands a descriptor over and
 * finds the answer later; an eventfd wakes it. The thread touches nothing else (and no MPI).
 */
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
class Flusher
{
  public:
    struct Order
    {
        std::uint64_t id{0};
        int file{-1};
        std::string folder;  //!< To be synced too; "" for none.
    };
    struct Answer
    {
        std::uint64_t id{0};
        int code{0};  //!< 0 or the errno.
    };

    Flusher();
    //! Waits for the order under way.
    ~Flusher();

    void submit(Order order);
    std::vector<Answer> take_answers();

    //! Readable while answers wait.
    int descriptor() const { return event_; }

  private:
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Order> orders_;
    std::vector<Answer> answers_;
    bool ending_{false};
    int event_{-1};
    std::thread thread_;

    void run();
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
