/*
 * The consumer of `heart-load redis`: XACK of what it has and XREADGROUP of as many, pipelined in
 * one write. Its stream `ranges` and group `pilots` were made and filled by the bench. The answer
 * is the count of XACK and, for XREADGROUP,
 *
 *   *1 *2 $6 ranges *N  N x ( *2 $id id *2 $1 r $n value )
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

typedef struct {
  char (*ids)[32];
  uint32_t count;
} Consumer;

static void put_bulk(Buffer* out, const char* text) {
  char head[48];
  int size = snprintf(head, sizeof head, "$%zu\r\n", strlen(text));
  buffer_put(out, head, (size_t)size);
  buffer_put(out, text, strlen(text));
  buffer_put(out, "\r\n", 2);
}

static void put_command(Buffer* out, uint32_t words) {
  char head[24];
  buffer_put(out, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", words));
}

static void ask(Client* client) {
  Consumer* consumer = client->own;
  Buffer* out = &client->out;
  char text[32];
  if (consumer->count > 0) {
    put_command(out, 3 + consumer->count);
    put_bulk(out, "XACK");
    put_bulk(out, "ranges");
    put_bulk(out, "pilots");
    for (uint32_t i = 0; i < consumer->count; i++) put_bulk(out, consumer->ids[i]);
  }
  put_command(out, 9);
  put_bulk(out, "XREADGROUP");
  put_bulk(out, "GROUP");
  put_bulk(out, "pilots");
  snprintf(text, sizeof text, "%s-%d", options.name, client->index);
  put_bulk(out, text);
  put_bulk(out, "COUNT");
  snprintf(text, sizeof text, "%d", options.batch);
  put_bulk(out, text);
  put_bulk(out, "STREAMS");
  put_bulk(out, "ranges");
  put_bulk(out, ">");
  client->ranges_sent = consumer->count;
  client->sent_at = now_seconds();
  client->waiting = true;
}

static void redis_open(Client* client) {
  Consumer* consumer = calloc(1, sizeof *consumer);
  consumer->ids = calloc((size_t)options.batch, sizeof *consumer->ids);
  client->own = consumer;
  ask(client);
}

/* A line from *at, without its end; NULL if it is not whole. */
static const char* line(const Buffer* in, size_t* at, size_t* size) {
  const char* from = (const char*)in->data + *at;
  const char* end = memchr(from, '\n', in->size - *at);
  if (!end) return NULL;
  *size = (size_t)(end - from) - 1;
  *at += (size_t)(end - from) + 1;
  if (*from == '-') die("Redis says %.*s", (int)*size, from);
  return from;
}

/* Reads an array's or bulk's number; false if the line is not whole. */
static bool number(const Buffer* in, size_t* at, char kind, long* value) {
  size_t size;
  const char* text = line(in, at, &size);
  if (!text) return false;
  if (*text != kind) die("Redis answers %c where %c was due", *text, kind);
  *value = atol(text + 1);
  return true;
}

static bool bulk(const Buffer* in, size_t* at, const char** text, size_t* size) {
  long bytes;
  if (!number(in, at, '$', &bytes)) return false;
  if (in->size - *at < (size_t)bytes + 2) return false;
  *text = (const char*)in->data + *at;
  *size = (size_t)bytes;
  *at += (size_t)bytes + 2;
  return true;
}

/* One entry, its id into `id`. */
static bool entry(const Buffer* in, size_t* at, char* id) {
  long items, fields;
  const char* text;
  size_t size;
  if (!number(in, at, '*', &items) || !bulk(in, at, &text, &size)) return false;
  if (size > 31) die("an id of %zu bytes", size);
  memcpy(id, text, size);
  id[size] = 0;
  if (!number(in, at, '*', &fields)) return false;
  for (long i = 0; i < fields; i++) {
    if (!bulk(in, at, &text, &size)) return false;
  }
  return true;
}

/* Both answers whole: ids are taken over and `used` set. */
static bool answers(Client* client, size_t* used) {
  Consumer* consumer = client->own;
  const Buffer* in = &client->in;
  size_t at = 0, size;
  long acknowledged, items, count;
  const char* text;
  if (client->ranges_sent > 0) {
    if (!number(in, &at, ':', &acknowledged)) return false;
    if (acknowledged != (long)client->ranges_sent) die("XACK took %ld", acknowledged);
  }
  if (!number(in, &at, '*', &items)) return false;
  if (items < 1) die("the stream is used up; fill it with more");
  if (!number(in, &at, '*', &items) || !bulk(in, &at, &text, &size)) return false;
  if (!number(in, &at, '*', &count)) return false;
  for (long i = 0; i < count; i++) {
    if (!entry(in, &at, consumer->ids[i])) return false;
  }
  consumer->count = (uint32_t)count;
  *used = at;
  return true;
}

static void redis_input(Client* client) {
  size_t used;
  if (!answers(client, &used)) return;
  buffer_drop(&client->in, used);
  completed(client, client->ranges_sent);
  ask(client);
}

const Contender redis_contender = {"redis", redis_open, redis_input, NULL};
