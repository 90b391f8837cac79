/*
 * One connection each for P clients, one epoll loop, one outstanding exchange a client. What a
 * client says is behind three functions, so that engine, Redis and echo are loaded by the same loop
 * and measured by the same clock.
 */
#ifndef JUMBO_BENCH_LOAD_H
#define JUMBO_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

typedef struct {
  const char* address;
  const char* key;
  /* Distinguishes the pilots of one run from those of another on the same store. */
  const char* name;
  int clients;
  int idle;
  int batch;
  bool scatter;
  double warm_seconds;
  double seconds;
  /* Ends once so many ranges were acknowledged in all; 0: by time alone. */
  uint64_t ranges_max;
  /* trace: slots of a client, milliseconds of an event, least milliseconds between exchanges */
  int slots;
  int event_ms;
  int every_ms;
} Options;

typedef struct Client {
  int socket;
  int index;
  bool idle;
  /* An exchange was sent and is not answered in full. */
  bool waiting;
  bool writable_wanted;
  double sent_at;
  uint32_t ranges_sent;
  Buffer in;
  Buffer out;
  size_t out_done;
  void* own;
} Client;

/* What a contender's client does. Times are seconds of the monotonic clock. */
typedef struct {
  const char* name;
  /* First bytes of a connection. */
  void (*open)(Client* client);
  /* Takes whole messages from the front of client->in; calls `completed` and sends the next. */
  void (*input)(Client* client);
  /* Called about every 10 ms, or NULL. */
  void (*tick)(Client* client, double now);
} Contender;

extern const Contender jumbo_contender;
extern const Contender trace_contender;
extern const Contender redis_contender;
extern Options options;

double now_seconds(void);
/* The outstanding exchange of `client` has been answered in full: `ranges` are durable. */
void completed(Client* client, uint32_t ranges);
/* Counts an exchange whose time the contender has taken itself. */
void completed_at(double sent_at, uint32_t ranges);
/* Verdicts that were not "accepted". */
void refused(uint64_t ranges);
uint32_t random_below(uint32_t limit);

#endif
