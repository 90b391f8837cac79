/* The messages of the pilot protocol that load needs, and the ranges that a pilot holds. */
#ifndef JUMBO_BENCH_WIRE_H
#define JUMBO_BENCH_WIRE_H

#include <stdbool.h>

#include "bytes.h"

enum {
  HELLO = 1,
  WELCOME = 2,
  EXCHANGE = 3,
  GRANT = 4,
  VERDICTS = 5,
  STARTED = 6,
  HEARTBEAT = 7,
  BUNDLE = 9,
  BYE = 12,
  FAULT = 13
};

/* Consecutive ranges under one lease. */
typedef struct {
  uint64_t first;
  /* When it came; once it runs, when it ends. */
  double at;
  uint32_t task, epoch, count, lease;
  uint16_t grant;
  uint8_t attempt;
} Piece;

typedef struct {
  Piece* items;
  size_t size, capacity;
} Pool;

void pool_put(Pool* pool, const Piece* piece);
/* Takes item `at`; the last one gets its place. */
Piece pool_take(Pool* pool, size_t at);

void put_hello(Buffer* out, const char* pilot, const char* key, uint32_t slots, uint32_t want);
void put_bundle(Buffer* out, const char* pilot);
void put_heartbeat(Buffer* out);
/* An exchange that reports all of `done` as done, with `seconds` a range. */
void put_exchange(Buffer* out, uint64_t sequence, Pool* done, double seconds, uint32_t want,
                  uint32_t free_slots);
void put_started(Buffer* out, Pool* started);

/* The next whole frame at *offset of `in`; false if there is none. */
bool next_frame(const Buffer* in, size_t* offset, Cursor* payload);
/* Blocks of a grant or welcome go into `pool`, cut into pieces of at most `count_max`. */
uint32_t read_blocks(Cursor* in, Pool* pool, uint32_t count_max);
/* Behind the type of a welcome. */
uint32_t read_welcome(Cursor* in, Pool* pool, uint32_t count_max);
/* Behind the sequence of verdicts: ranges answered; counts those not accepted as refused. */
uint32_t read_verdicts(Cursor* in, uint32_t* refused_ranges);
_Noreturn void die_of_fault(Cursor* in);

#endif
