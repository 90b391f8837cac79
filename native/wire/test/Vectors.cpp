/*!
 * \file wire/test/Vectors.cpp
 * \brief JSON form of the vectors -> messages: the conventions of docs/reference/protocol.md.
 */
#include "wire/test/Vectors.hpp"

#include <algorithm>
#include <iterator>

#include "base/Assert.hpp"
#include "wire/test/Json.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace wire;
//---------------------------------------------------------------------------//
template<class T>
T number(Json const& json)
{
    JUMBO_EXPECT(json.kind == Json::Kind::number);
    return static_cast<T>(json.number);
}

std::string const& text(Json const& json)
{
    JUMBO_EXPECT(json.kind == Json::Kind::string);
    return json.string;
}

std::vector<std::string> texts(Json const& json)
{
    std::vector<std::string> result;
    for (auto const& item : json.array)
    {
        result.push_back(text(item));
    }
    return result;
}

//---------------------------------------------------------------------------//
Blob blob(std::string const& hex)
{
    Blob bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

//---------------------------------------------------------------------------//
TaskId task_id(Json const& json)
{
    return static_cast<TaskId>(number<std::uint32_t>(json["task"]));
}

template<class T>
T index_of(std::string const& name, std::initializer_list<char const*> names)
{
    auto const found = std::find(names.begin(), names.end(), name);
    JUMBO_EXPECT(found != names.end());
    return static_cast<T>(found - names.begin());
}

//---------------------------------------------------------------------------//
SpanBlock block(Json const& json)
{
    SpanBlock result;
    result.task = task_id(json);
    for (std::size_t i = 0; i < json["first"].array.size(); ++i)
    {
        auto const lease = number<std::uint64_t>(json["lease"].array[i]);
        Span span;
        span.first = number<RangeIndex>(json["first"].array[i]);
        span.count = number<std::uint16_t>(json["count"].array[i]);
        span.attempt = number<std::uint8_t>(json["attempt"].array[i]);
        span.grant = number<std::uint16_t>(json["grant"].array[i]);
        span.lease = static_cast<LeaseNumber>(lease);
        result.epoch = static_cast<Epoch>(lease >> 32);
        result.spans.push_back(span);
    }
    JUMBO_ENSURE(result.spans.size() == number<std::size_t>(json["size"]));
    return result;
}

template<class T>
std::vector<T> list(Json const& json, T (*item_of)(Json const&))
{
    std::vector<T> result;
    std::transform(json.array.begin(), json.array.end(), std::back_inserter(result), item_of);
    return result;
}

//---------------------------------------------------------------------------//
NodeResources node(Json const& json)
{
    return {text(json["name"]),
            number<std::uint32_t>(json["cores"]),
            number<std::uint32_t>(json["gpus"]),
            number<std::uint64_t>(json["memoryMiB"]),
            number<std::uint32_t>(json["slots"])};
}

//---------------------------------------------------------------------------//
Report report(Json const& json)
{
    auto const& cost = json["cost"];
    Report result;
    result.outcome = static_cast<Outcome>(number<int>(json["outcome"]));
    result.spans = block(json["spans"]);
    result.bundle = number<std::uint32_t>(json["bundle"]);
    result.reason = text(json["reason"]);
    result.cost = {number<float>(cost["wallSum"]),
                   number<float>(cost["wallSquares"]),
                   number<float>(cost["wallMax"]),
                   number<float>(cost["cpuSum"])};
    result.node = number<std::uint32_t>(json["node"]);
    return result;
}

//---------------------------------------------------------------------------//
TaskInfo task(Json const& json)
{
    auto const& rule = json["countRule"];
    TaskInfo result;
    result.task = task_id(json);
    result.name = text(json["name"]);
    result.task_dir = text(json["taskDir"]);
    result.events_per_range = number<std::uint64_t>(json["eventsPerRange"]);
    result.command = texts(json["command"]);
    result.mode = index_of<Mode>(text(json["mode"]), {"once", "stream"});
    result.channel = index_of<Channel>(text(json["channel"]), {"stdio", "fd3"});
    result.cores = number<std::uint32_t>(json["cores"]);
    result.gpus = number<std::uint32_t>(json["gpus"]);
    result.nodes = number<std::uint32_t>(json["nodes"]);
    result.environment = texts(json["environment"]);
    result.pass_environment = texts(json["passEnvironment"]);
    result.timeout_seconds = number<double>(json["timeoutSeconds"]);
    result.output_name = text(json["outputName"]);
    result.allow_empty = json["allowEmpty"].boolean;
    result.records_per_event = number<std::int64_t>(json["recordsPerEvent"]);
    result.count_rule = {static_cast<CountKind>(number<int>(rule["kind"])),
                         number<std::uint32_t>(rule["skip"]),
                         text(rule["prefix"])};
    return result;
}

//---------------------------------------------------------------------------//
SlicePiece piece(Json const& json)
{
    if (json.kind == Json::Kind::object)
    {
        return blob(text(json["$bin"]));
    }
    return FilePiece{number<std::uint64_t>(json.array[0]), number<std::uint64_t>(json.array[1])};
}

//---------------------------------------------------------------------------//
FileInfo file(Json const& json)
{
    FileInfo result;
    result.task = task_id(json);
    result.file = number<std::uint32_t>(json["file"]);
    result.first_range = number<RangeIndex>(json["firstRange"]);
    result.ranges = number<std::uint64_t>(json["ranges"]);
    result.events = number<std::uint64_t>(json["events"]);
    result.path = text(json["path"]);
    result.tree = text(json["tree"]);
    result.format = text(json["format"]);
    result.size_bytes = number<std::int64_t>(json["sizeBytes"]);
    result.mtime_ms = number<double>(json["mtimeMs"]);
    result.seed = text(json["seed"]);
    result.header = list(json["header"], &piece);
    result.footer = list(json["footer"], &piece);
    return result;
}

//---------------------------------------------------------------------------//
OffsetColumn offsets(Json const& json)
{
    OffsetColumn result;
    result.task = task_id(json);
    result.first = number<RangeIndex>(json["first"]);
    auto const& values = json["offsets"]["$f64"].array;
    for (std::size_t i = 0; i + 1 < values.size(); i += 2)
    {
        result.offsets.push_back(
            {number<std::uint64_t>(values[i]), number<std::uint64_t>(values[i + 1])});
    }
    return result;
}

//---------------------------------------------------------------------------//
GrantBody grant_body(Json const& json)
{
    return {list(json["spans"], &block),
            list(json["tasks"], &task),
            list(json["files"], &file),
            list(json["offsets"], &offsets)};
}

//---------------------------------------------------------------------------//
Hello hello(Json const& json)
{
    return {text(json["pilotId"]),
            number<std::uint32_t>(json["generation"]),
            text(json["credential"]),
            text(json["software"]),
            text(json["queue"]),
            text(json["allocation"]),
            list(json["nodes"], &node),
            number<double>(json["secondsLeft"]),
            list(json["held"], &block),
            number<std::uint64_t>(json["want"]),
            number<std::uint32_t>(json["freeSlots"])};
}

//---------------------------------------------------------------------------//
Welcome welcome(Json const& json)
{
    return {text(json["engineId"]),
            static_cast<Epoch>(number<std::uint32_t>(json["epoch"])),
            number<std::uint32_t>(json["session"]),
            number<std::uint32_t>(json["heartbeatMs"]),
            number<std::uint32_t>(json["leaseTermMs"]),
            number<std::uint32_t>(json["frameBytesMax"]),
            list(json["refused"], &block),
            grant_body(json["grant"])};
}

//---------------------------------------------------------------------------//
Verdicts verdicts(Json const& json)
{
    Verdicts result;
    result.sequence = number<std::uint64_t>(json["sequence"]);
    auto const& runs = json["runs"].array;
    for (std::size_t i = 0; i + 1 < runs.size(); i += 2)
    {
        result.runs.push_back({number<std::uint32_t>(runs[i]),
                               static_cast<Verdict>(number<int>(runs[i + 1]))});
    }
    return result;
}

//---------------------------------------------------------------------------//
Message message(Json const& json)
{
    auto const& type = text(json["type"]);
    auto const seconds_left = [&json] { return number<double>(json["secondsLeft"]); };
    auto const sequence = [&json] { return number<std::uint64_t>(json["sequence"]); };
    auto const u32 = [&json](char const* key) { return number<std::uint32_t>(json[key]); };
    if (type == "hello")
        return hello(json);
    if (type == "welcome")
        return welcome(json);
    if (type == "exchange")
        return Exchange{sequence(),
                        list(json["reports"], &report),
                        number<std::uint64_t>(json["want"]),
                        u32("freeSlots"),
                        seconds_left()};
    if (type == "grant")
        return Grant{sequence(), grant_body(json)};
    if (type == "verdicts")
        return verdicts(json);
    if (type == "started")
        return Started{list(json["spans"], &block)};
    if (type == "heartbeat")
        return Heartbeat{u32("freeSlots"), seconds_left()};
    if (type == "pulse")
        return Pulse{};
    if (type == "bundle")
        return BundleNotice{u32("number"), u32("node"), text(json["uri"])};
    if (type == "drain")
        return Drain{text(json["reason"]), seconds_left()};
    if (type == "recall")
        return Recall{list(json["spans"], &block), json["stop"].boolean};
    if (type == "bye")
        return Bye{text(json["reason"])};
    if (type == "fault")
        return Fault{text(json["code"]), text(json["message"])};
    JUMBO_EXPECT(type == "resources");
    return Resources{list(json["nodes"], &node), seconds_left()};
}

//---------------------------------------------------------------------------//
Side side(Json const& json)
{
    return index_of<Side>(text(json["from"]), {"pilot", "engine"});
}

Json read_vectors(char const* name, char const* schema)
{
    auto json = read_json(std::string{JUMBO_VECTORS} + "/" + name);
    JUMBO_ENSURE(text(json["schema"]) == schema && !json["vectors"].array.empty());
    return json;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
std::vector<MessageVector> message_vectors()
{
    std::vector<MessageVector> result;
    auto const json = read_vectors("messages.json", "jumbo/wire-messages/1");
    for (auto const& row : json["vectors"].array)
    {
        result.push_back(
            {text(row["name"]), side(row), message(row["message"]), blob(text(row["hex"]))});
    }
    return result;
}

//---------------------------------------------------------------------------//
std::vector<MalformedVector> malformed_vectors()
{
    std::vector<MalformedVector> result;
    auto const json = read_vectors("malformed.json", "jumbo/wire-malformed/1");
    for (auto const& row : json["vectors"].array)
    {
        result.push_back({text(row["name"]), side(row), text(row["code"]), blob(text(row["hex"]))});
    }
    return result;
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
