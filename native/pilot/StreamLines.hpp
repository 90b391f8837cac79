/*!
 * \file pilot/StreamLines.hpp
 * \brief Lines of a stream payload -> what they say (docs/concepts/payloads.md).
 *
 * A line that is no JSON object, or an object with none of the protocol's keys, is log text; a line
 * with a key of the protocol and a wrong value is a breach.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct PayloadLine
{
    enum class Kind
    {
        hello,
        ready,
        done,
        failed,
        progress,
        log,
        breach,
    };
    Kind kind{Kind::log};
    bool slice{true};  //!< hello: it wants slices.
    std::uint32_t credits{0};  //!< ready.
    std::string id;  //!< done, failed, progress.
    bool has_output{false};  //!< done: it names its output.
    std::string path;
    double bytes{-1};  //!< Of the output; -1: it said nothing.
    double events{0};
    double cpu_seconds{0};
    bool fatal{false};  //!< failed.
    std::string text;  //!< log: the text; failed: the reason; breach: the problem.
};

PayloadLine parse_payload_line(std::string const& line, bool cut);

//! Cuts chunks into lines of at most 1 MiB; longer ones are cut off there.
class LineSplitter
{
  public:
    struct Line
    {
        std::string text;
        bool cut{false};
    };

    std::vector<Line> push(char const* data, std::size_t size);
    //! What is left without a newline at the end of the stream.
    std::vector<Line> finish();

  private:
    std::string line_;
    bool cut_{false};
};
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
