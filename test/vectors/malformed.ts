/**
 * Payloads that must be refused, each wrong in one way that its name tells. `code` is the error's
 * code: "version" where a hello or welcome speaks another protocol version, else "protocol".
 */
import {
  array,
  type Bytes,
  be32,
  bin,
  f32le,
  f64,
  f64le,
  repeat,
  str,
  u8,
  u16,
  u16le,
  u32,
  u32le,
} from "./raw.ts";

export interface MalformedVector {
  readonly name: string;
  readonly from: "pilot" | "engine";
  readonly code: "protocol" | "version";
  readonly bytes: Bytes;
}

const NIL: Bytes = [0xc0];
const TRUE: Bytes = [0xc3];
const MINUS_ONE: Bytes = [0xff];
const run: Bytes = array([1], [1], [5], [1], [1], [1], [1]);
const cost: Bytes = bin(f32le(0, 0, 0, 0));
const report = (...change: [number, Bytes][]): Bytes => {
  const items: Bytes[] = [[0], run, [0], str(""), cost, [0]];
  for (const [position, bytes] of change) items[position] = bytes;
  return array(...items);
};
const exchange = (reports: Bytes, ...change: [number, Bytes][]): Bytes => {
  const items: Bytes[] = [[3], [1], reports, [1], [1], MINUS_ONE];
  for (const [position, bytes] of change) items[position] = bytes;
  return array(...items);
};
const started = (block: Bytes): Bytes => array([6], array(block));
const columns = (...change: [number, Bytes][]): Bytes => {
  const items: Bytes[] = [
    [1],
    [1],
    [5],
    bin(u32le(0, 1, 2, 3, 4)),
    bin(u16le(1, 1, 1, 1, 1)),
    bin(repeat(5, 1)),
    bin(u16le(1, 1, 1, 1, 1)),
    bin(u32le(1, 2, 3, 4, 5)),
  ];
  for (const [position, bytes] of change) items[position] = bytes;
  return array(...items);
};
const hello = (...change: [number, Bytes][]): Bytes => {
  const text = str("");
  const items: Bytes[] = [[1], [1], str("pilot"), str("p"), [0], text, text, text, text];
  items.push(array(), MINUS_ONE, array(), [0], [0]);
  for (const [position, bytes] of change) items[position] = bytes;
  return array(...items);
};
const grant = (files: Bytes, offsets: Bytes): Bytes =>
  array([4], [1], array(), array(), files, offsets);
const file = (...change: [number, Bytes][]): Bytes => {
  const text = str("");
  const items: Bytes[] = [[1], [0], [0], [1], [1], text, text, text, MINUS_ONE, MINUS_ONE];
  items.push(str("0"), array(), array());
  for (const [position, bytes] of change) items[position] = bytes;
  return array(array(...items));
};
const offsets = (column: Bytes): Bytes => grant(array(), array(array([1], [0], column)));
const bye = (reason: Bytes): Bytes => array([12], reason);
const heartbeat = (secondsLeft: Bytes, freeSlots: Bytes = [1]): Bytes =>
  array([7], freeSlots, secondsLeft);

type Row = [name: string, bytes: Bytes, from?: "pilot" | "engine", code?: "protocol" | "version"];

const shape: Row[] = [
  ["nothing at all", []],
  ["no array but a number", [7]],
  ["no array but a map", [0x81, 0x07, 0x01]],
  ["no array but nil", NIL],
  ["no array but an ext type", [0xd4, 0x72, 0x40]],
  ["an empty array", [0x90]],
  ["the never-used byte", [0xc1]],
  ["type 0", array([0])],
  ["type 15, never given", array([15])],
  ["type as a string", array(str("bye"), str(""))],
  ["type -1", array(MINUS_ONE, str(""))],
  ["type cut off", [0x92]],
  ["an item too few", array([7], [1])],
  ["an item too many", array([7], [1], [1], [1])],
  ["a message in array16 where fixarray does", [0xdc, 0, 2, 12, ...str("")]],
  ["a message in array32 where fixarray does", [0xdd, ...be32(2), 12, ...str("")]],
  ["an array32 of 2^32-1 items", [0xdd, 255, 255, 255, 255, 12]],
  ["bytes after the message", [...bye(str("")), 0]],
  ["a second message in the frame", [...bye(str("")), ...bye(str(""))]],
  ["a welcome from a pilot", [0x9a, 2, 1, 0xa0]],
  ["a grant from a pilot", array([4], [0], array(), array(), array(), array())],
  ["verdicts from a pilot", array([5], [1], array())],
  ["a pulse from a pilot", array([8])],
  ["a recall from a pilot", array([11], array(), TRUE)],
  ["a fault from a pilot", array([13], str(""), str(""))],
  ["a hello from an engine", hello(), "engine"],
  ["an exchange from an engine", exchange(array()), "engine"],
  ["a started from an engine", array([6], array()), "engine"],
  ["a heartbeat from an engine", heartbeat([1]), "engine"],
  ["a bundle from an engine", array([9], [1], [0], str("")), "engine"],
  ["resources from an engine", array([14], array(), [1]), "engine"],
];

const version: Row[] = [
  ["hello of version 2", hello([1, [2]]), "pilot", "version"],
  ["hello of version 0", hello([1, [0]]), "pilot", "version"],
  ["hello of version 2 with one item more", array([1], [2], NIL), "pilot", "version"],
  ["hello of version 300 with a map", array([1], u16(300), [0x80]), "pilot", "version"],
  ["hello of version 70000 and nothing else", array([1], u32(70_000)), "pilot", "version"],
  ["welcome of version 2 with another shape", array([2], [2], TRUE), "engine", "version"],
  ["hello with a string for a version", hello([1, str("1")])],
  ["hello with version 1 as uint8", hello([1, u8(1)])],
  ["hello without a version", array([1])],
  ["hello of version 1 with one item less", array([1], [1], str("pilot"))],
  ["hello with another role", hello([2, str("engine")])],
  ["hello with nil for its nodes", hello([9, NIL])],
  ["hello with a node of four items", hello([9, array(array(str("n"), [1], [0], [1]))])],
];

const numbers: Row[] = [
  ["nil for a number", heartbeat([1], NIL)],
  ["true for a number", heartbeat([1], TRUE)],
  ["a string for a number", heartbeat([1], str("1"))],
  ["an array for a number", heartbeat([1], array())],
  ["a bin for a number", heartbeat([1], bin([1]))],
  ["-1 where only unsigned is allowed", heartbeat([1], MINUS_ONE)],
  ["-2 for seconds left", heartbeat([0xfe])],
  ["int8 -1 for seconds left", heartbeat([0xd0, 0xff])],
  ["int8 5", heartbeat([1], [0xd0, 5])],
  ["int16", heartbeat([1], [0xd1, 1, 0])],
  ["int32", heartbeat([1], [0xd2, 0, 1, 0, 0])],
  ["int64", heartbeat([1], [0xd3, 0, 0, 0, 1, 0, 0, 0, 0])],
  ["uint64", heartbeat([1], [0xcf, 0, 0, 0, 0, 0, 0, 0, 1])],
  ["float32", heartbeat([0xca, 0x3f, 0x00, 0x00, 0x00])],
  ["uint8 that fits a fixint", heartbeat([1], u8(127))],
  ["uint16 that fits uint8", heartbeat([1], u16(255))],
  ["uint32 that fits uint16", heartbeat([1], u32(65_535))],
  ["float64 that fits uint32 where an integer is due", exchange(array(), [1, f64(4_294_967_295)])],
  ["float64 that fits uint32 where a real is due", heartbeat(f64(7))],
  ["float64 of -1 where a real is due", heartbeat(f64(-1))],
  ["float64 of negative zero", heartbeat(f64(-0))],
  ["float64 below -1", heartbeat(f64(-1.5))],
  ["float64 between -1 and 0", heartbeat(f64(-0.5))],
  ["NaN", heartbeat([0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0])],
  ["infinity", heartbeat(f64(Number.POSITIVE_INFINITY))],
  ["2^32 + 0.5 where an integer is due", exchange(array(), [1, f64(2 ** 32 + 0.5)])],
  ["2^53 where an integer is due", exchange(array(), [1, f64(2 ** 53)])],
  ["2^32 where a u32 is due", heartbeat([1], f64(2 ** 32))],
  ["sequence 0 of an exchange", exchange(array(), [1, [0]])],
  ["a float64 cut short", [0x93, 7, 1, 0xcb, 0, 0]],
  ["a uint32 cut short", [0x93, 7, 0xce, 1, 2, 3]],
];

const texts: Row[] = [
  ["nil for a string", bye(NIL)],
  ["a bin for a string", bye(bin([0x61]))],
  ["a string longer than the frame", [0x92, 12, 0xa5, 0x61]],
  ["a str32 that promises 4 GiB", [0x92, 12, 0xdb, 255, 255, 255, 255]],
  ["str8 where fixstr does", bye([0xd9, 1, 0x61])],
  ["str16 where str8 does", bye([0xda, 0, 40, ...repeat(40, 0x61)])],
  ["str32 where str16 does", bye([0xdb, 0, 0, 1, 0, ...repeat(256, 0x61)])],
  ["a string of 65 537 bytes", bye([0xdb, 0, 1, 0, 1, ...repeat(65_537, 0x61)])],
  ["UTF-8: a lone continuation byte", bye([0xa1, 0x80])],
  ["UTF-8: an overlong slash", bye([0xa2, 0xc0, 0xaf])],
  ["UTF-8: a surrogate", bye([0xa3, 0xed, 0xa0, 0x80])],
  ["UTF-8: beyond U+10FFFF", bye([0xa4, 0xf4, 0x90, 0x80, 0x80])],
  ["UTF-8: a character cut short", bye([0xa2, 0xe2, 0x82])],
];

const spans: Row[] = [
  ["a span block of 6 items", started(array([1], [1], [5], [1], [1], [1]))],
  ["a span block of 9 items", started(array([1], [1], [5], [1], [1], [1], [1], [1], [1]))],
  ["a span block of 27 items (5 tuples)", started([0xdc, 0, 27, 1, 1, ...repeat(25, 1)])],
  ["a span block as nil", started(NIL)],
  ["task 0", started(array([0], [1], [5], [1], [1], [1], [1]))],
  ["an epoch beyond 2^21-1", started(array([1], u32(0x20_0000), [5], [1], [1], [1], [1]))],
  ["a span of 0 ranges", started(array([1], [1], [5], [0], [1], [1], [1]))],
  ["a span of 65 536 ranges", started(array([1], [1], [5], u32(65_536), [1], [1], [1]))],
  [
    "a span that ends beyond 2^53-1",
    started(array([1], [1], f64(2 ** 53 - 2), [2], [1], [1], [1])),
  ],
  ["attempt 256", started(array([1], [1], [5], [1], u16(256), [1], [1]))],
  ["grant 65 536", started(array([1], [1], [5], [1], [1], u32(65_536), [1]))],
  ["lease number 0", started(array([1], [1], [5], [1], [1], [1], [0]))],
  ["lease number 2^32", started(array([1], [1], [5], [1], [1], [1], f64(2 ** 32)))],
  [
    "columns of 4 spans",
    started(
      columns(
        [3, bin(u32le(0, 1, 2, 3))],
        [4, bin(u16le(1, 1, 1, 1))],
        [5, bin(repeat(4, 1))],
        [6, bin(u16le(1, 1, 1, 1))],
        [7, bin(u32le(1, 2, 3, 4))],
      ),
    ),
  ],
  [
    "columns of no span",
    started(columns([3, bin([])], [4, bin([])], [5, bin([])], [6, bin([])], [7, bin([])])),
  ],
  ["a column of firsts of 21 bytes", started(columns([3, bin(repeat(21, 0))]))],
  ["a column of firsts as an array", started(columns([3, array([0], [1], [2], [3], [4])]))],
  ["a column of firsts in bin16", started(columns([3, [0xc5, 0, 20, ...repeat(20, 0)]]))],
  ["a column of counts too short", started(columns([4, bin(u16le(1, 1, 1, 1))]))],
  ["a column of counts too long", started(columns([4, bin(u16le(1, 1, 1, 1, 1, 1))]))],
  ["a column of counts with a 0", started(columns([4, bin(u16le(1, 1, 0, 1, 1))]))],
  ["a column of attempts too short", started(columns([5, bin(repeat(4, 1))]))],
  ["a column of grants too long", started(columns([6, bin(repeat(11, 1))]))],
  ["a column of leases with a 0", started(columns([7, bin(u32le(1, 2, 0, 4, 5))]))],
  ["a column of leases too short", started(columns([7, bin(u32le(1, 2, 3, 4))]))],
  ["a base that is not the smallest first", started(columns([3, bin(u32le(1, 2, 3, 4, 5))]))],
  ["columns that end beyond 2^53-1", started(columns([2, f64(2 ** 53 - 3)]))],
  ["columns cut short", [0x92, 6, 0x91, ...columns().slice(0, -4)]],
  ["a column of firsts that promises 4 GiB", started(columns([3, [0xc6, 255, 255, 255, 252]]))],
];

const work: Row[] = [
  ["reports as a map", exchange([0x80])],
  ["a report of 5 items", exchange(array(array([0], run, [0], str(""), cost)))],
  ["outcome 5", exchange(array(report([0, [5]])))],
  ["a bundle named by a failure", exchange(array(report([0, [1]], [2, [1]])))],
  ["a reason of 1 501 bytes", exchange(array(report([3, [0xda, 5, 221, ...repeat(1501, 0x61)]])))],
  ["a cost of 12 bytes", exchange(array(report([4, bin(f32le(0, 0, 0))])))],
  ["a cost of 20 bytes", exchange(array(report([4, bin(f32le(0, 0, 0, 0, 0))])))],
  ["a cost with a negative part", exchange(array(report([4, bin(f32le(0, 0, -1, 0))])))],
  ["a cost with negative zero", exchange(array(report([4, bin(f32le(0, 0, 0, -0))])))],
  ["a cost with NaN", exchange(array(report([4, bin(f32le(Number.NaN, 0, 0, 0))])))],
  ["a cost with infinity", exchange(array(report([4, bin(f32le(0, 1 / 0, 0, 0))])))],
  ["node 65 536", exchange(array(report([5, u32(65_536)])))],
  ["nil for a want", exchange(array(), [3, NIL])],
  [
    "reports over 2^20 ranges",
    exchange([
      0xdc,
      0,
      17,
      ...repeat(17, 0).flatMap(() => report([1, array([1], [1], [5], u16(65_535), [1], [1], [1])])),
    ]),
  ],
  ["verdict runs of odd length", array([5], [1], array([1])), "engine"],
  ["a verdict run of 0 ranges", array([5], [1], array([0], [0])), "engine"],
  ["verdict 5", array([5], [1], array([1], [5])), "engine"],
  ["verdicts of exchange 0", array([5], [0], array()), "engine"],
  ["verdict runs as a bin", array([5], [1], bin([1, 0])), "engine"],
  ["a recall whose stop is 1", array([11], array(), [1]), "engine"],
  ["a recall whose stop is nil", array([11], array(), NIL), "engine"],
  ["bundle 0", array([9], [0], [0], str("file:///x"))],
];

const grants: Row[] = [
  ["a file of 12 items", grant(array(array(...repeat(12, 0).map(() => [0]))), array()), "engine"],
  ["a file index of 1 000 000", grant(file([1, u32(1_000_000)]), array()), "engine"],
  ["a size of 1.5 bytes", grant(file([8, f64(1.5)]), array()), "engine"],
  ["an empty seed", grant(file([10, str("")]), array()), "engine"],
  ["a seed with a leading zero", grant(file([10, str("07")]), array()), "engine"],
  ["a seed of 2^64", grant(file([10, str("18446744073709551616")]), array()), "engine"],
  ["a negative seed", grant(file([10, str("-1")]), array()), "engine"],
  ["a slice piece of one number", grant(file([11, array(array([0]))]), array()), "engine"],
  [
    "a slice piece of three numbers",
    grant(file([11, array(array([0], [0], [0]))]), array()),
    "engine",
  ],
  ["a slice piece as a string", grant(file([12, array(str("x"))]), array()), "engine"],
  ["offsets of half a pair", offsets(bin(f64le(0))), "engine"],
  ["offsets of 15 bytes", offsets(bin(repeat(15, 0))), "engine"],
  ["offsets that go backwards", offsets(bin(f64le(5, 4))), "engine"],
  ["offsets that are no whole numbers", offsets(bin(f64le(0, 0.5))), "engine"],
  ["offsets that are negative", offsets(bin(f64le(-1, 4))), "engine"],
  ["offsets of negative zero", offsets(bin(f64le(-0, 4))), "engine"],
  ["offsets of NaN", offsets(bin(f64le(0, Number.NaN))), "engine"],
  ["offsets of 2^53", offsets(bin(f64le(0, 2 ** 53))), "engine"],
  ["arrays in arrays in arrays", repeat(100, 0x91), "engine"],
];

export const MALFORMED_VECTORS: readonly MalformedVector[] = [
  ...shape,
  ...version,
  ...numbers,
  ...texts,
  ...spans,
  ...work,
  ...grants,
].map(([name, bytes, from, code]) => ({
  name,
  from: from ?? "pilot",
  code: code ?? "protocol",
  bytes,
}));
