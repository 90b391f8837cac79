#include "jumbo_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pool_put(Pool* pool, const Piece* piece) {
  if (pool->size == pool->capacity) {
    pool->capacity = pool->capacity ? 2 * pool->capacity : 8;
    pool->items = realloc(pool->items, pool->capacity * sizeof *pool->items);
    if (!pool->items) die("out of memory");
  }
  pool->items[pool->size++] = *piece;
}

Piece pool_take(Pool* pool, size_t at) {
  Piece piece = pool->items[at];
  pool->items[at] = pool->items[--pool->size];
  return piece;
}

void put_hello(Buffer* out, const char* pilot, const char* key, uint32_t slots, uint32_t want) {
  size_t frame = frame_begin(out);
  put_array(out, 14);
  put_unsigned(out, HELLO);
  put_unsigned(out, 1);
  put_text(out, "pilot");
  put_text(out, pilot);
  put_unsigned(out, 1);
  put_text(out, key);
  put_text(out, "heart-load");
  put_text(out, "bench");
  put_text(out, "bench");
  put_array(out, 1);
  put_array(out, 5);
  put_text(out, pilot);
  put_unsigned(out, slots);
  put_unsigned(out, 0);
  put_unsigned(out, 1024);
  put_unsigned(out, slots);
  put_minus_one(out);
  put_array(out, 0);
  put_unsigned(out, want);
  put_unsigned(out, want);
  frame_end(out, frame);
}

void put_bundle(Buffer* out, const char* pilot) {
  char uri[128];
  snprintf(uri, sizeof uri, "file:///nowhere/%s.zip", pilot);
  size_t frame = frame_begin(out);
  put_array(out, 4);
  put_unsigned(out, BUNDLE);
  put_unsigned(out, 1);
  put_unsigned(out, 0);
  put_text(out, uri);
  frame_end(out, frame);
}

void put_heartbeat(Buffer* out) {
  size_t frame = frame_begin(out);
  put_array(out, 3);
  put_unsigned(out, HEARTBEAT);
  put_unsigned(out, 0);
  put_minus_one(out);
  frame_end(out, frame);
}

static void little_endian(uint8_t* at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t from_little_endian(const uint8_t* at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

static void put_columns(Buffer* out, const Piece* pieces, uint32_t count) {
  uint64_t base = pieces[0].first;
  for (uint32_t i = 1; i < count; i++) {
    if (pieces[i].first < base) base = pieces[i].first;
  }
  put_unsigned(out, base);
  size_t firsts = put_bin(out, 4 * count);
  size_t counts = put_bin(out, 2 * count);
  size_t attempts = put_bin(out, count);
  size_t grants = put_bin(out, 2 * count);
  size_t leases = put_bin(out, 4 * count);
  for (uint32_t i = 0; i < count; i++) {
    const Piece* piece = &pieces[i];
    little_endian(out->data + firsts + 4 * i, piece->first - base, 4);
    little_endian(out->data + counts + 2 * i, piece->count, 2);
    out->data[attempts + i] = piece->attempt;
    little_endian(out->data + grants + 2 * i, piece->grant, 2);
    little_endian(out->data + leases + 4 * i, piece->lease, 4);
  }
}

/* `pieces` are of one task and epoch. */
static void put_block(Buffer* out, const Piece* pieces, uint32_t count) {
  put_array(out, count <= 4 ? 2 + 5 * count : 8);
  put_unsigned(out, pieces[0].task);
  put_unsigned(out, pieces[0].epoch);
  if (count > 4) {
    put_columns(out, pieces, count);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    put_unsigned(out, pieces[i].first);
    put_unsigned(out, pieces[i].count);
    put_unsigned(out, pieces[i].attempt);
    put_unsigned(out, pieces[i].grant);
    put_unsigned(out, pieces[i].lease);
  }
}

static int by_block(const void* a, const void* b) {
  const Piece *x = a, *y = b;
  if (x->task != y->task) return x->task < y->task ? -1 : 1;
  if (x->epoch != y->epoch) return x->epoch < y->epoch ? -1 : 1;
  return 0;
}

static bool in_one_block(const Piece* a, const Piece* b) {
  return a->task == b->task && a->epoch == b->epoch;
}

/* Puts pieces of a block beside each other; how many blocks there are. */
static uint32_t gather_blocks(Pool* pool) {
  uint32_t blocks = 1;
  for (size_t i = 1; i < pool->size; i++) {
    if (in_one_block(&pool->items[i - 1], &pool->items[i])) continue;
    qsort(pool->items, pool->size, sizeof *pool->items, by_block);
    for (size_t k = i = 1; k < pool->size; k++) {
      if (!in_one_block(&pool->items[k - 1], &pool->items[k])) blocks++;
    }
    return blocks;
  }
  return blocks;
}

static uint32_t block_end(const Pool* pool, uint32_t from) {
  uint32_t end = from + 1;
  while (end < pool->size && in_one_block(&pool->items[from], &pool->items[end])) end++;
  return end;
}

static void put_report(Buffer* out, const Piece* pieces, uint32_t count, double seconds) {
  put_array(out, 6);
  put_unsigned(out, 0);
  put_block(out, pieces, count);
  put_unsigned(out, 1);
  put_text(out, "");
  float ranges = 0;
  for (uint32_t i = 0; i < count; i++) ranges += (float)pieces[i].count;
  float wall = (float)seconds;
  float cost[4] = {ranges * wall, ranges * wall * wall, wall, ranges * wall};
  size_t at = put_bin(out, sizeof cost);
  memcpy(out->data + at, cost, sizeof cost);
  put_unsigned(out, 0);
}

void put_exchange(Buffer* out, uint64_t sequence, Pool* done, double seconds, uint32_t want,
                  uint32_t free_slots) {
  size_t frame = frame_begin(out);
  put_array(out, 6);
  put_unsigned(out, EXCHANGE);
  put_unsigned(out, sequence);
  put_array(out, done->size == 0 ? 0 : gather_blocks(done));
  for (uint32_t from = 0; from < done->size;) {
    uint32_t end = block_end(done, from);
    put_report(out, done->items + from, end - from, seconds);
    from = end;
  }
  put_unsigned(out, want);
  put_unsigned(out, free_slots);
  put_minus_one(out);
  frame_end(out, frame);
}

void put_started(Buffer* out, Pool* started) {
  size_t frame = frame_begin(out);
  put_array(out, 2);
  put_unsigned(out, STARTED);
  put_array(out, gather_blocks(started));
  for (uint32_t from = 0; from < started->size;) {
    uint32_t end = block_end(started, from);
    put_block(out, started->items + from, end - from);
    from = end;
  }
  frame_end(out, frame);
}

bool next_frame(const Buffer* in, size_t* offset, Cursor* payload) {
  if (in->size - *offset < 4) return false;
  uint32_t size = read_u32be(in->data + *offset);
  if (in->size - *offset - 4 < size) return false;
  payload->at = in->data + *offset + 4;
  payload->end = payload->at + size;
  *offset += 4 + (size_t)size;
  return true;
}

/* Cut into pieces of at most `count_max`. */
static void keep(Pool* pool, Piece piece, uint32_t count_max) {
  for (uint32_t left = piece.count; left > 0; left -= piece.count) {
    piece.count = left < count_max ? left : count_max;
    pool_put(pool, &piece);
    piece.first += piece.count;
  }
}

static uint32_t read_columns(Cursor* in, Piece piece, Pool* pool, uint32_t count_max) {
  uint32_t size, ignored, ranges = 0;
  uint64_t base = get_unsigned(in);
  const uint8_t* firsts = get_bin(in, &size);
  const uint8_t* counts = get_bin(in, &ignored);
  const uint8_t* attempts = get_bin(in, &ignored);
  const uint8_t* grants = get_bin(in, &ignored);
  const uint8_t* leases = get_bin(in, &ignored);
  for (uint32_t i = 0; i < size / 4; i++) {
    piece.first = base + from_little_endian(firsts + 4 * i, 4);
    piece.count = (uint32_t)from_little_endian(counts + 2 * i, 2);
    piece.attempt = attempts[i];
    piece.grant = (uint16_t)from_little_endian(grants + 2 * i, 2);
    piece.lease = (uint32_t)from_little_endian(leases + 4 * i, 4);
    ranges += piece.count;
    keep(pool, piece, count_max);
  }
  return ranges;
}

uint32_t read_blocks(Cursor* in, Pool* pool, uint32_t count_max) {
  uint32_t ranges = 0;
  for (uint32_t blocks = get_array(in); blocks > 0; blocks--) {
    uint32_t items = get_array(in);
    Piece piece = {0};
    piece.task = (uint32_t)get_unsigned(in);
    piece.epoch = (uint32_t)get_unsigned(in);
    if (items == 8) {
      ranges += read_columns(in, piece, pool, count_max);
      continue;
    }
    for (uint32_t spans = (items - 2) / 5; spans > 0; spans--) {
      piece.first = get_unsigned(in);
      piece.count = (uint32_t)get_unsigned(in);
      piece.attempt = (uint8_t)get_unsigned(in);
      piece.grant = (uint16_t)get_unsigned(in);
      piece.lease = (uint32_t)get_unsigned(in);
      ranges += piece.count;
      keep(pool, piece, count_max);
    }
  }
  return ranges;
}

uint32_t read_welcome(Cursor* in, Pool* pool, uint32_t count_max) {
  /* version, engineId, epoch, session, heartbeatMs, leaseTermMs, frameBytesMax, refused */
  for (int i = 0; i < 8; i++) skip_value(in);
  get_array(in);
  return read_blocks(in, pool, count_max);
}

uint32_t read_verdicts(Cursor* in, uint32_t* refused_ranges) {
  uint32_t ranges = 0;
  *refused_ranges = 0;
  for (uint32_t items = get_array(in); items > 0; items -= 2) {
    uint32_t count = (uint32_t)get_unsigned(in);
    ranges += count;
    if (get_unsigned(in) != 0) *refused_ranges += count;
  }
  return ranges;
}

_Noreturn void die_of_fault(Cursor* in) {
  die("the engine ended a session: %.*s", (int)(in->end - in->at), (const char*)in->at);
}
