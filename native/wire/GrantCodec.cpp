/*!
 * \file wire/GrantCodec.cpp
 * \brief Grants: spans, and what a pilot must know of their tasks, files and byte offsets.
 */
#include <cmath>
#include <cstring>

#include "wire/MessageCodec.hpp"
#include "wire/Spans.hpp"

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
constexpr std::size_t task_items = 17;
constexpr std::size_t count_rule_items = 3;
constexpr std::size_t file_items = 13;
constexpr std::size_t piece_items = 2;
constexpr std::size_t offsets_items = 3;
constexpr std::size_t offset_pair_bytes = 16;
constexpr std::uint64_t count_kind_max = static_cast<std::uint64_t>(CountKind::line_prefix);

//---------------------------------------------------------------------------//
//! Decimal digits of a u64, without leading zeros.
bool is_seed(std::string const& text)
{
    static std::string const largest = "18446744073709551615";
    if (text.empty() || text.size() > largest.size() || (text.size() > 1 && text[0] == '0'))
    {
        return false;
    }
    bool const digits = text.find_first_not_of("0123456789") == std::string::npos;
    return digits && (text.size() < largest.size() || text <= largest);
}

//---------------------------------------------------------------------------//
void put(Writer& out, TaskInfo const& task)
{
    JUMBO_EXPECT(task.environment.size() % 2 == 0);
    JUMBO_EXPECT(task.task != TaskId{0} && task.events_per_range >= 1);
    out.array(task_items);
    out.unsigned_int(static_cast<std::uint32_t>(task.task), u32_max);
    out.string(task.name, "task name");
    out.string(task.task_dir, "taskDir");
    out.unsigned_int(task.events_per_range, u53_max);
    out.strings(task.command, "command");
    out.unsigned_int(static_cast<std::uint64_t>(task.mode), 1);
    out.unsigned_int(static_cast<std::uint64_t>(task.channel), 1);
    out.unsigned_int(task.cores, u32_max);
    out.unsigned_int(task.gpus, u32_max);
    out.unsigned_int(task.nodes, u32_max);
    out.strings(task.environment, "environment");
    out.strings(task.pass_environment, "passEnvironment");
    out.real(task.timeout_seconds);
    out.string(task.output_name, "outputName");
    out.flag(task.allow_empty);
    out.whole_or_minus_one(task.records_per_event);
    out.array(count_rule_items);
    out.unsigned_int(static_cast<std::uint64_t>(task.count_rule.kind), count_kind_max);
    out.unsigned_int(task.count_rule.skip, u32_max);
    out.string(task.count_rule.prefix, "prefix of a count rule");
}

//---------------------------------------------------------------------------//
TaskInfo read_task(Reader& from)
{
    TaskInfo task;
    from.tuple(task_items, "task");
    task.task = static_cast<TaskId>(from.unsigned_int(1, u32_max, "task"));
    task.name = from.string("task name");
    task.task_dir = from.string("taskDir");
    task.events_per_range = from.unsigned_int(1, u53_max, "eventsPerRange");
    task.command = from.strings("command");
    task.mode = static_cast<Mode>(from.unsigned_int(0, 1, "mode"));
    task.channel = static_cast<Channel>(from.unsigned_int(0, 1, "channel"));
    task.cores = from.u32("cores");
    task.gpus = from.u32("gpus");
    task.nodes = from.u32("nodes of a slot");
    task.environment = from.strings("environment");
    if (task.environment.size() % 2 != 0)
    {
        from.fail("environment", "has an odd length", "pairs");
    }
    task.pass_environment = from.strings("passEnvironment");
    task.timeout_seconds = from.real("timeoutSeconds");
    task.output_name = from.string("outputName");
    task.allow_empty = from.flag("allowEmpty");
    task.records_per_event = from.whole_or_minus_one("recordsPerEvent");
    from.tuple(count_rule_items, "count rule");
    task.count_rule.kind
        = static_cast<CountKind>(from.unsigned_int(0, count_kind_max, "kind of a count rule"));
    task.count_rule.skip = from.u32("skip of a count rule");
    task.count_rule.prefix = from.string("prefix of a count rule");
    return task;
}

//---------------------------------------------------------------------------//
void put_pieces(Writer& out, std::vector<SlicePiece> const& pieces, char const* what)
{
    out.check_count(what, pieces.size(), array_items_max);
    out.array(pieces.size());
    for (auto const& piece : pieces)
    {
        if (auto const* place = std::get_if<FilePiece>(&piece))
        {
            out.array(piece_items);
            out.unsigned_int(place->offset, u53_max);
            out.unsigned_int(place->length, u53_max);
        }
        else
        {
            out.bin(*std::get_if<Blob>(&piece), what, string_bytes_max);
        }
    }
}

//---------------------------------------------------------------------------//
std::vector<SlicePiece> read_pieces(Reader& from, char const* what)
{
    auto const length = from.array(array_items_max, what);
    std::vector<SlicePiece> pieces;
    for (std::size_t i = 0; i < length && !from.failed(); ++i)
    {
        if (from.peek() == (0x90 | piece_items))
        {
            FilePiece place;
            from.tuple(piece_items, what);
            place.offset = from.unsigned_int(0, u53_max, "offset of a piece");
            place.length = from.unsigned_int(0, u53_max, "length of a piece");
            pieces.emplace_back(place);
        }
        else
        {
            pieces.emplace_back(from.bin(string_bytes_max, what));
        }
    }
    return pieces;
}

//---------------------------------------------------------------------------//
void put(Writer& out, FileInfo const& file)
{
    JUMBO_EXPECT(is_seed(file.seed) && file.task != TaskId{0});
    out.array(file_items);
    out.unsigned_int(static_cast<std::uint32_t>(file.task), u32_max);
    out.unsigned_int(file.file, file_index_max);
    out.unsigned_int(file.first_range, u53_max);
    out.unsigned_int(file.ranges, u53_max);
    out.unsigned_int(file.events, u53_max);
    out.string(file.path, "path");
    out.string(file.tree, "tree");
    out.string(file.format, "format");
    out.whole_or_minus_one(file.size_bytes);
    out.real(file.mtime_ms);
    out.string(file.seed, "seed");
    put_pieces(out, file.header, "header");
    put_pieces(out, file.footer, "footer");
}

//---------------------------------------------------------------------------//
FileInfo read_file(Reader& from)
{
    FileInfo file;
    from.tuple(file_items, "file");
    file.task = static_cast<TaskId>(from.unsigned_int(1, u32_max, "task"));
    file.file = static_cast<std::uint32_t>(from.unsigned_int(0, file_index_max, "file index"));
    file.first_range = from.unsigned_int(0, u53_max, "firstRange");
    file.ranges = from.unsigned_int(0, u53_max, "ranges");
    file.events = from.unsigned_int(0, u53_max, "events");
    file.path = from.string("path");
    file.tree = from.string("tree");
    file.format = from.string("format");
    file.size_bytes = from.whole_or_minus_one("sizeBytes");
    file.mtime_ms = from.real("mtimeMs");
    file.seed = from.string("seed");
    if (!is_seed(file.seed))
    {
        from.fail("seed", "is no decimal u64", "digits without leading zeros");
    }
    file.header = read_pieces(from, "header");
    file.footer = read_pieces(from, "footer");
    return file;
}

//---------------------------------------------------------------------------//
void put_float(Writer& out, std::uint64_t offset)
{
    JUMBO_EXPECT(offset <= u53_max);
    auto const value = static_cast<double>(offset);
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    out.raw_u64le(bits);
}

//! A whole number 0 .. 2^53-1, and not -0.
bool load_offset(std::uint8_t const* p, std::uint64_t& offset)
{
    auto const bits = load_u64le(p);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!(value >= 0 && value <= static_cast<double>(u53_max)) || std::signbit(value)
        || value != std::floor(value))
    {
        return false;
    }
    offset = static_cast<std::uint64_t>(value);
    return true;
}

//---------------------------------------------------------------------------//
void put(Writer& out, OffsetColumn const& column)
{
    JUMBO_EXPECT(column.task != TaskId{0});
    out.check_count("offsets", column.offsets.size(), array_items_max);
    out.array(offsets_items);
    out.unsigned_int(static_cast<std::uint32_t>(column.task), u32_max);
    out.unsigned_int(column.first, u53_max - 1);
    out.bin_header(offset_pair_bytes * column.offsets.size());
    for (auto const& range : column.offsets)
    {
        JUMBO_EXPECT(range.begin <= range.end);
        put_float(out, range.begin);
        put_float(out, range.end);
    }
}

//---------------------------------------------------------------------------//
OffsetColumn read_offsets(Reader& from)
{
    OffsetColumn column;
    from.tuple(offsets_items, "offset column");
    column.task = static_cast<TaskId>(from.unsigned_int(1, u32_max, "task"));
    column.first = from.unsigned_int(0, u53_max - 1, "first range");
    auto const view = from.bin_view(offset_pair_bytes * array_items_max, "offsets");
    if (view.size % offset_pair_bytes != 0)
    {
        from.fail("offsets", "have a wrong size", "16 bytes a range");
        return column;
    }
    column.offsets.resize(view.size / offset_pair_bytes);
    auto const* p = view.data;
    for (auto& range : column.offsets)
    {
        if (!load_offset(p, range.begin) || !load_offset(p + 8, range.end)
            || range.begin > range.end)
        {
            from.fail("offsets", "are no byte ranges", "0 <= begin <= end < 2^53, whole numbers");
            break;
        }
        p += offset_pair_bytes;
    }
    return column;
}

//---------------------------------------------------------------------------//
template<class Item>
void put_list(Writer& out, std::vector<Item> const& list, char const* what)
{
    out.check_count(what, list.size(), array_items_max);
    out.array(list.size());
    for (auto const& item : list)
    {
        put(out, item);
    }
}

template<class Item>
void read_list(Reader& from, std::vector<Item>& list, char const* what, Item (*read_item)(Reader&))
{
    auto const length = from.array(array_items_max, what);
    for (std::size_t i = 0; i < length && !from.failed(); ++i)
    {
        list.push_back(read_item(from));
    }
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void put(Writer& out, GrantBody const& body)
{
    put(out, body.spans, "spans");
    put_list(out, body.tasks, "tasks");
    put_list(out, body.files, "files");
    put_list(out, body.offsets, "offsets");
}

//---------------------------------------------------------------------------//
void read(Reader& from, GrantBody& body)
{
    body.spans = read_blocks(from, "spans");
    read_list(from, body.tasks, "tasks", &read_task);
    read_list(from, body.files, "files", &read_file);
    read_list(from, body.offsets, "offsets", &read_offsets);
}

//---------------------------------------------------------------------------//
void put(Writer& out, Grant const& grant)
{
    out.unsigned_int(grant.sequence, u53_max);
    put(out, grant.body);
}

void read(Reader& from, Grant& grant)
{
    grant.sequence = from.unsigned_int(0, u53_max, "sequence");
    read(from, grant.body);
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
