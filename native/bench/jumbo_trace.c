/*
 * The pilot of `heart-load trace`: a node of --slots slots whose events take --event-ms, +-50 %,
 * in real time. A slot that ends begins the next range that lies at the pilot; what began and what
 * ended since the last message goes out together, as the real pilots do: `started`, then
 * `exchange`, at most IN_FLIGHT exchanges without verdicts (one where an answer takes long) and
 * --every-ms apart; its want covers the round trip that it measures, the third longest of the last 16.
 *
 * The clients begin spread over one event's time. A range whose slot had to wait for its grant
 * shows in the throughput: slots * clients / event is reached only if the engine keeps up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jumbo_wire.h"
#include "load.h"

enum { IN_FLIGHT = 2, SLOTS_MAX = 4096 };
enum { TRIPS = 16, TRIPS_LONGER = 2 };
static const double TRIP_SECONDS_FIRST = 0.05, TRIP_SECONDS_MIN = 0.002, LONG_TRIP_SECONDS = 0.1;

typedef struct {
  /* Oldest first; those before `ready_taken` run. */
  Pool ready;
  size_t ready_taken;
  Pool running, started, done;
  /* Of each piece in `running`, in its order: seconds since `origin`. All that a tick reads, since
     it comes to every node a hundred times a second, and the engine shares this machine's caches. */
  float* ends;
  /* Of exchanges without verdicts, oldest first. */
  double sent_at[IN_FLIGHT];
  int in_flight;
  uint64_t sequence;
  double begins_at, next_at;
  /* Of the last exchanges, until their verdicts; and how long one usually takes. */
  double trips[TRIPS];
  unsigned next_trip;
  double trip_seconds;
  double* free_since;
  int free_slots;
  uint32_t parked;
  bool welcome;
} Node;

static double origin;

static double event_seconds(void) {
  return options.event_ms * 1e-3 * (0.5 + random_below(1 << 20) * (1.0 / (1 << 20)));
}

static void took(Node* node, double seconds) {
  node->trips[node->next_trip++ % TRIPS] = seconds;
  double longest[TRIPS_LONGER + 1] = {0};
  for (int i = 0; i < TRIPS; i++) {
    double trip = node->trips[i];
    for (int j = 0; j <= TRIPS_LONGER; j++) {
      if (trip <= longest[j]) continue;
      double shorter = longest[j];
      longest[j] = trip;
      trip = shorter;
    }
  }
  node->trip_seconds = longest[TRIPS_LONGER];
}

static int in_flight_max(const Node* node) {
  return node->trip_seconds > LONG_TRIP_SECONDS ? 1 : IN_FLIGHT;
}

/* What ends until its replacement comes, and one: where an answer takes long, what ends waits for
   the one that is under way before it is told. */
static uint32_t prefetch(const Node* node) {
  double trip = node->trip_seconds > TRIP_SECONDS_MIN ? node->trip_seconds : TRIP_SECONDS_MIN;
  if (in_flight_max(node) == 1) trip *= 2;
  return (uint32_t)(options.slots * trip / (options.event_ms * 1e-3)) + 2;
}

static void trace_open(Client* client) {
  Node* node = calloc(1, sizeof *node);
  client->own = node;
  if (options.slots > SLOTS_MAX) die("--slots is at most %d", SLOTS_MAX);
  node->ends = calloc((size_t)options.slots, sizeof *node->ends);
  node->free_since = calloc((size_t)options.slots, sizeof *node->free_since);
  if (!node->ends || !node->free_since) die("out of memory");
  char name[64];
  snprintf(name, sizeof name, "%s-%d", options.name, client->index);
  for (int i = 0; i < TRIPS; i++) took(node, TRIP_SECONDS_FIRST);
  node->parked = (uint32_t)options.slots + prefetch(node);
  put_hello(&client->out, name, options.key, (uint32_t)options.slots, node->parked);
  put_bundle(&client->out, name);
  double now = now_seconds();
  if (origin == 0) origin = now;
  node->begins_at = now + options.event_ms * 1e-3 * random_below(1000) / 1000;
  node->next_at = node->begins_at;
  for (int i = 0; i < options.slots; i++) node->free_since[i] = node->begins_at;
  node->free_slots = options.slots;
}

static size_t waiting(const Node* node) { return node->ready.size - node->ready_taken; }

/* Slots are filled with what lies here, oldest first. A slot whose range had come in time was never
   idle, whenever this loop comes to look at its node; one that waited for its grant was. */
static void begin(Node* node) {
  Pool* ready = &node->ready;
  while (node->free_slots > 0 && waiting(node) > 0) {
    Piece piece = ready->items[node->ready_taken++];
    double since = node->free_since[--node->free_slots];
    piece.at = (since > piece.at ? since : piece.at) + event_seconds();
    node->ends[node->running.size] = (float)(piece.at - origin);
    pool_put(&node->running, &piece);
    pool_put(&node->started, &piece);
  }
  if (node->ready_taken < (size_t)options.slots && waiting(node) > 0) return;
  ready->size -= node->ready_taken;
  memmove(ready->items, ready->items + node->ready_taken, sizeof(Piece) * ready->size);
  node->ready_taken = 0;
}

static void end(Node* node, double now) {
  float ended = (float)(now - origin);
  for (size_t i = 0; i < node->running.size;) {
    if (node->ends[i] > ended) {
      i++;
      continue;
    }
    node->ends[i] = node->ends[node->running.size - 1];
    Piece piece = pool_take(&node->running, i);
    node->free_since[node->free_slots++] = piece.at;
    pool_put(&node->done, &piece);
  }
}

static void talk(Client* client, Node* node, double now) {
  if (node->started.size > 0) {
    put_started(&client->out, &node->started);
    node->started.size = 0;
  }
  static Pool nothing;
  uint32_t reserve = prefetch(node);
  uint32_t want = (uint32_t)node->free_slots + reserve;
  want = want > waiting(node) ? want - (uint32_t)waiting(node) : 0;
  bool reports = node->done.size > 0 && node->in_flight < in_flight_max(node);
  uint32_t grown = want > node->parked ? want - node->parked : 0;
  bool asks = grown > 0 && (node->in_flight == 0 || 2 * grown >= reserve);
  if (!reports && !asks) return;
  double seconds = options.event_ms * 1e-3;
  put_exchange(&client->out, ++node->sequence, reports ? &node->done : &nothing, seconds, want,
               (uint32_t)node->free_slots);
  node->parked = want;
  node->next_at = now + options.every_ms * 1e-3;
  if (!reports) return;
  node->sent_at[node->in_flight++] = now;
  node->done.size = 0;
}

static void trace_tick(Client* client, double now) {
  Node* node = client->own;
  if (!node->welcome || now < node->begins_at) return;
  end(node, now);
  begin(node);
  if (now >= node->next_at) talk(client, node, now);
}

/* Ranges that came with a grant, the youngest of those that wait. */
static void came(Node* node, size_t before) {
  double now = now_seconds();
  for (size_t i = before; i < node->ready.size; i++) node->ready.items[i].at = now;
}

static void trace_input(Client* client) {
  Node* node = client->own;
  size_t before = node->ready.size;
  size_t offset = 0;
  Cursor in;
  while (next_frame(&client->in, &offset, &in)) {
    get_array(&in);
    uint32_t granted = 0;
    switch (get_unsigned(&in)) {
      case WELCOME:
        granted = read_welcome(&in, &node->ready, 1);
        node->welcome = true;
        break;
      case GRANT:
        get_unsigned(&in);
        granted = read_blocks(&in, &node->ready, 1);
        break;
      case VERDICTS: {
        uint32_t lost;
        get_unsigned(&in);
        uint32_t ranges = read_verdicts(&in, &lost);
        refused(lost);
        if (node->in_flight == 0) die("verdicts that nobody waits for");
        completed_at(node->sent_at[0], ranges);
        took(node, now_seconds() - node->sent_at[0]);
        node->in_flight--;
        memmove(node->sent_at, node->sent_at + 1, sizeof(double) * (size_t)node->in_flight);
        break;
      }
      case FAULT:
        die_of_fault(&in);
    }
    node->parked -= granted < node->parked ? granted : node->parked;
  }
  came(node, before);
  buffer_drop(&client->in, offset);
}

const Contender trace_contender = {"trace", trace_open, trace_input, trace_tick};
