/*!
 * \file wire/SessionCodec.cpp
 * \brief Messages that open, keep and end a session.
 */
#include "wire/MessageCodec.hpp"
#include "wire/Spans.hpp"

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
constexpr char role[] = "pilot";
constexpr std::size_t node_items = 5;
constexpr std::size_t grant_body_items = 4;

//---------------------------------------------------------------------------//
void put_nodes(Writer& out, std::vector<NodeResources> const& nodes)
{
    out.check_count("nodes", nodes.size(), array_items_max);
    out.array(nodes.size());
    for (auto const& node : nodes)
    {
        out.array(node_items);
        out.string(node.name, "node name");
        out.unsigned_int(node.cores, u32_max);
        out.unsigned_int(node.gpus, u32_max);
        out.unsigned_int(node.memory_mib, u53_max);
        out.unsigned_int(node.slots, u32_max);
    }
}

//---------------------------------------------------------------------------//
std::vector<NodeResources> read_nodes(Reader& from)
{
    auto const length = from.array(array_items_max, "nodes");
    std::vector<NodeResources> nodes;
    for (std::size_t i = 0; i < length && !from.failed(); ++i)
    {
        NodeResources node;
        from.tuple(node_items, "node");
        node.name = from.string("node name");
        node.cores = from.u32("cores");
        node.gpus = from.u32("gpus");
        node.memory_mib = from.unsigned_int(0, u53_max, "memoryMiB");
        node.slots = from.u32("slots");
        nodes.push_back(std::move(node));
    }
    return nodes;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void put(Writer& out, Hello const& hello)
{
    out.unsigned_int(protocol_version, u32_max);
    out.string(role, "role");
    out.string(hello.pilot_id, "pilotId");
    out.unsigned_int(hello.generation, u32_max);
    out.string(hello.credential, "credential");
    out.string(hello.software, "software");
    out.string(hello.queue, "queue");
    out.string(hello.allocation, "allocation");
    put_nodes(out, hello.nodes);
    out.real(hello.seconds_left);
    put(out, hello.held, "held");
    out.unsigned_int(hello.want, u53_max);
    out.unsigned_int(hello.free_slots, u32_max);
}

//---------------------------------------------------------------------------//
//! What follows the version, which the codec has read.
void read(Reader& from, Hello& hello)
{
    if (from.string("role") != role)
    {
        from.fail("role", "is none that is known", "\"pilot\"");
    }
    hello.pilot_id = from.string("pilotId");
    hello.generation = from.u32("generation");
    hello.credential = from.string("credential");
    hello.software = from.string("software");
    hello.queue = from.string("queue");
    hello.allocation = from.string("allocation");
    hello.nodes = read_nodes(from);
    hello.seconds_left = from.real("secondsLeft");
    hello.held = read_blocks(from, "held");
    hello.want = from.unsigned_int(0, u53_max, "want");
    hello.free_slots = from.u32("freeSlots");
}

//---------------------------------------------------------------------------//
void put(Writer& out, Welcome const& welcome)
{
    out.unsigned_int(protocol_version, u32_max);
    out.string(welcome.engine_id, "engineId");
    out.unsigned_int(static_cast<std::uint32_t>(welcome.epoch), epoch_max);
    out.unsigned_int(welcome.session, u32_max);
    out.unsigned_int(welcome.heartbeat_ms, u32_max);
    out.unsigned_int(welcome.lease_term_ms, u32_max);
    out.unsigned_int(welcome.frame_bytes_max, frame_bytes_max);
    put(out, welcome.refused, "refused");
    out.array(grant_body_items);
    put(out, welcome.grant);
}

//---------------------------------------------------------------------------//
//! What follows the version, which the codec has read.
void read(Reader& from, Welcome& welcome)
{
    welcome.engine_id = from.string("engineId");
    welcome.epoch = static_cast<Epoch>(from.unsigned_int(0, epoch_max, "epoch"));
    welcome.session = from.u32("session");
    welcome.heartbeat_ms = from.u32("heartbeatMs");
    welcome.lease_term_ms = from.u32("leaseTermMs");
    welcome.frame_bytes_max
        = static_cast<std::uint32_t>(from.unsigned_int(0, frame_bytes_max, "frameBytesMax"));
    welcome.refused = read_blocks(from, "refused");
    from.tuple(grant_body_items, "grant");
    read(from, welcome.grant);
}

//---------------------------------------------------------------------------//
void put(Writer& out, Heartbeat const& heartbeat)
{
    out.unsigned_int(heartbeat.free_slots, u32_max);
    out.real(heartbeat.seconds_left);
}

void read(Reader& from, Heartbeat& heartbeat)
{
    heartbeat.free_slots = from.u32("freeSlots");
    heartbeat.seconds_left = from.real("secondsLeft");
}

//---------------------------------------------------------------------------//
// A pulse is its type alone.
void put(Writer&, Pulse const&) {}
void read(Reader&, Pulse&) {}

//---------------------------------------------------------------------------//
void put(Writer& out, Drain const& drain)
{
    out.string(drain.reason, "reason");
    out.real(drain.seconds_left);
}

void read(Reader& from, Drain& drain)
{
    drain.reason = from.string("reason");
    drain.seconds_left = from.real("secondsLeft");
}

//---------------------------------------------------------------------------//
void put(Writer& out, Bye const& bye)
{
    out.string(bye.reason, "reason");
}

void read(Reader& from, Bye& bye)
{
    bye.reason = from.string("reason");
}

//---------------------------------------------------------------------------//
void put(Writer& out, Fault const& fault)
{
    out.string(fault.code, "code");
    out.string(fault.message, "message");
}

void read(Reader& from, Fault& fault)
{
    fault.code = from.string("code");
    fault.message = from.string("message");
}

//---------------------------------------------------------------------------//
void put(Writer& out, Resources const& resources)
{
    put_nodes(out, resources.nodes);
    out.real(resources.seconds_left);
}

void read(Reader& from, Resources& resources)
{
    resources.nodes = read_nodes(from);
    resources.seconds_left = from.real("secondsLeft");
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
