/*!
 * \file pilot/StreamLines.cpp
 */
#include "pilot/StreamLines.hpp"

#include <algorithm>
#include <cstring>

#include "pilot/Json.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t line_bytes_max = 1024 * 1024;
constexpr double credits_max = 1024;
using Kind = JsonValue::Kind;

PayloadLine breach(std::string problem)
{
    PayloadLine line;
    line.kind = PayloadLine::Kind::breach;
    line.text = std::move(problem);
    return line;
}

PayloadLine parse_hello(JsonValue const& value)
{
    auto const& protocol = value.at("protocol");
    if (!protocol.is(Kind::number) || protocol.number != 1)
    {
        return breach("hello asks for another protocol than 1");
    }
    PayloadLine line;
    line.kind = PayloadLine::Kind::hello;
    line.slice = !value.at("slice").is(Kind::boolean) || value.at("slice").boolean;
    return line;
}

PayloadLine parse_ready(JsonValue const& value)
{
    if (!value.is_whole() || value.number < 1 || value.number > credits_max)
    {
        return breach("ready gives no whole number of credits from 1");
    }
    PayloadLine line;
    line.kind = PayloadLine::Kind::ready;
    line.credits = static_cast<std::uint32_t>(value.number);
    return line;
}

PayloadLine parse_done(JsonValue const& value)
{
    PayloadLine line;
    line.kind = PayloadLine::Kind::done;
    if (!value.at("id").is(Kind::text))
    {
        return breach("done has no id");
    }
    if (!value.at("events").is_whole())
    {
        return breach("done has no whole number of events");
    }
    line.id = value.at("id").text;
    line.events = value.at("events").number;
    if (value.has("outputs"))
    {
        auto const& outputs = value.at("outputs");
        if (!outputs.is(Kind::array) || outputs.items.size() > 1)
        {
            return breach("done has outputs that are not one {path, bytes}");
        }
        if (outputs.items.size() == 1)
        {
            auto const& output = outputs.items[0];
            if (!output.at("path").is(Kind::text))
            {
                return breach("done has an output without a path");
            }
            line.has_output = true;
            line.path = output.at("path").text;
            line.bytes = output.at("bytes").is(Kind::number) ? output.at("bytes").number : -1;
        }
    }
    auto const& cpu = value.at("cpu");
    line.cpu_seconds = cpu.is(Kind::number) ? std::max(0.0, cpu.number) : 0;
    return line;
}

PayloadLine parse_failed(JsonValue const& value)
{
    if (!value.at("id").is(Kind::text))
    {
        return breach("failed has no id");
    }
    PayloadLine line;
    line.kind = PayloadLine::Kind::failed;
    line.id = value.at("id").text;
    auto const& code = value.at("code");
    line.text = "payload reported failure";
    if (code.is(Kind::number))
    {
        line.text += " " + json_number(code.number);
    }
    else if (code.is(Kind::text))
    {
        line.text += " " + code.text;
    }
    auto const& message = value.at("message");
    if (message.is(Kind::text) && !message.text.empty())
    {
        line.text += ": " + message.text;
    }
    line.fatal = value.at("fatal").is(Kind::boolean) && value.at("fatal").boolean;
    return line;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
PayloadLine parse_payload_line(std::string const& text, bool cut)
{
    PayloadLine log;
    log.text = text;
    auto const first = text.find_first_not_of(" \t\r\n\v\f");
    if (first == std::string::npos || text[first] != '{')
    {
        return log;
    }
    if (cut)
    {
        return breach("a line is longer than " + std::to_string(line_bytes_max) + " bytes");
    }
    auto const value = parse_json(text);
    if (!value || !value->is(Kind::object))
    {
        return log;
    }
    if (value->has("hello"))
    {
        return parse_hello(value->at("hello"));
    }
    if (value->has("ready"))
    {
        return parse_ready(value->at("ready"));
    }
    if (value->has("done"))
    {
        return parse_done(value->at("done"));
    }
    if (value->has("failed"))
    {
        return parse_failed(value->at("failed"));
    }
    if (value->has("progress"))
    {
        log.kind = PayloadLine::Kind::progress;
        return value->at("progress").at("id").is(Kind::text) ? log : breach("progress has no id");
    }
    return log;
}

//---------------------------------------------------------------------------//
std::vector<LineSplitter::Line> LineSplitter::push(char const* data, std::size_t size)
{
    std::vector<Line> lines;
    for (std::size_t at = 0; at < size;)
    {
        auto const* newline = static_cast<char const*>(std::memchr(data + at, '\n', size - at));
        auto const end = newline ? static_cast<std::size_t>(newline - data) : size;
        auto const room = line_bytes_max - line_.size();
        line_.append(data + at, std::min(room, end - at));
        cut_ = cut_ || end - at > room;
        if (newline)
        {
            for (auto& each : this->finish())
            {
                lines.push_back(std::move(each));
            }
        }
        at = end + 1;
    }
    return lines;
}

//---------------------------------------------------------------------------//
std::vector<LineSplitter::Line> LineSplitter::finish()
{
    std::vector<Line> lines;
    if (!line_.empty())
    {
        lines.push_back({std::move(line_), cut_});
    }
    line_.clear();
    cut_ = false;
    return lines;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
