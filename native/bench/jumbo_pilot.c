/*
 * The pilot of `heart-load jumbo`: holds four times its batch, reports `batch` of it chosen at
 * random (completions out of order), asks for as many, waits until that is durable, and so on.
 * `--scatter`: single ranges picked one by one; else spans of `batch` as they were granted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "jumbo_wire.h"
#include "load.h"

enum { WINDOW = 4 };
static const double RANGE_SECONDS = 1.0, HEARTBEAT_SECONDS = 5;

typedef struct {
  Pool held, done;
  uint64_t sequence;
  double beat_at;
  bool answered;
} Pilot;

static void name_of(const Client* client, char* name, size_t size) {
  snprintf(name, size, "%s-%d", options.name, client->index);
}

static void jumbo_open(Client* client) {
  Pilot* pilot = calloc(1, sizeof *pilot);
  client->own = pilot;
  char name[64];
  name_of(client, name, sizeof name);
  uint32_t window = client->idle ? 0 : (uint32_t)(WINDOW * options.batch);
  put_hello(&client->out, name, options.key, client->idle ? 1 : window, window);
  if (!client->idle) put_bundle(&client->out, name);
  /* Spread over the period, as pilots that came one after the other are. */
  pilot->beat_at = now_seconds() + HEARTBEAT_SECONDS * random_below(1000) / 1000;
}

static void report(Client* client) {
  Pilot* pilot = client->own;
  uint32_t due = (uint32_t)options.batch, size = 0;
  pilot->done.size = 0;
  while (size < due && pilot->held.size > 0) {
    Piece piece = pool_take(&pilot->held, random_below((uint32_t)pilot->held.size));
    size += piece.count;
    pool_put(&pilot->done, &piece);
  }
  put_exchange(&client->out, ++pilot->sequence, &pilot->done, RANGE_SECONDS, size, size);
  client->waiting = true;
  client->ranges_sent = size;
  client->sent_at = now_seconds();
  pilot->answered = false;
}

static size_t ranges_of(const Pool* pool) {
  size_t ranges = 0;
  for (size_t i = 0; i < pool->size; i++) ranges += pool->items[i].count;
  return ranges;
}

static void jumbo_input(Client* client) {
  Pilot* pilot = client->own;
  uint32_t piece_max = options.scatter ? 1 : (uint32_t)options.batch;
  size_t offset = 0;
  Cursor in;
  while (next_frame(&client->in, &offset, &in)) {
    get_array(&in);
    switch (get_unsigned(&in)) {
      case WELCOME:
        read_welcome(&in, &pilot->held, piece_max);
        pilot->answered = true;
        break;
      case GRANT:
        get_unsigned(&in);
        read_blocks(&in, &pilot->held, piece_max);
        break;
      case VERDICTS: {
        uint32_t lost;
        if (get_unsigned(&in) != pilot->sequence) die("verdicts out of order");
        uint32_t ranges = read_verdicts(&in, &lost);
        if (ranges != client->ranges_sent) die("verdicts on %u ranges", ranges);
        refused(lost);
        completed(client, ranges);
        pilot->answered = true;
        break;
      }
      case FAULT:
        die_of_fault(&in);
    }
  }
  buffer_drop(&client->in, offset);
  if (client->idle || !pilot->answered || client->waiting) return;
  if (pilot->held.size > 0 && ranges_of(&pilot->held) >= (size_t)options.batch) report(client);
}

static void jumbo_tick(Client* client, double now) {
  Pilot* pilot = client->own;
  if (!client->idle || now < pilot->beat_at) return;
  pilot->beat_at = now + HEARTBEAT_SECONDS;
  put_heartbeat(&client->out);
}

const Contender jumbo_contender = {"jumbo", jumbo_open, jumbo_input, jumbo_tick};
