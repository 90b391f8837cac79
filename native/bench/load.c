/*
 * heart-load CONTENDER --connect ADDRESS [options]: loads a server and prints one JSON line.
 *
 *   CONTENDER  jumbo | trace | redis | echo
 *   ADDRESS    unix:/path or tcp:host:port
 *
 * Latency is from the write of an exchange to the acknowledgement that it is durable. The first
 * --warm seconds are not counted.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, TICKS = 64, READ_BYTES = 1 << 18, SAMPLES_MAX = 1 << 24, ECHO_BYTES = 72 };

Options options = {.clients = 64,
                   .batch = 1,
                   .warm_seconds = 0.5,
                   .seconds = 2,
                   .key = "",
                   .name = "bench",
                   .slots = 128,
                   .event_ms = 1000,
                   .every_ms = 10};

static Client* clients;
static int epoll;
static bool counting;
static bool reached;
static uint64_t exchanges, ranges_acknowledged, ranges_total, ranges_refused;
static float* samples;
static size_t sample_count;

double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

uint32_t random_below(uint32_t limit) {
  static uint64_t state = 0x9e3779b97f4a7c15u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(((state >> 32) * limit) >> 32);
}

void completed_at(double sent_at, uint32_t ranges) {
  ranges_total += ranges;
  if (options.ranges_max > 0 && ranges_total >= options.ranges_max) reached = true;
  if (!counting) return;
  exchanges++;
  ranges_acknowledged += ranges;
  if (sample_count < SAMPLES_MAX) samples[sample_count++] = (float)(now_seconds() - sent_at);
}

void completed(Client* client, uint32_t ranges) {
  client->waiting = false;
  completed_at(client->sent_at, ranges);
}

void refused(uint64_t ranges) { ranges_refused += ranges; }

/* -- echo: the floor ---------------------------------------------------------------------------- */

static void echo_send(Client* client) {
  static const uint8_t message[ECHO_BYTES] = {0};
  buffer_put(&client->out, message, sizeof message);
  client->sent_at = now_seconds();
  client->waiting = true;
}

static void echo_input(Client* client) {
  while (client->in.size >= ECHO_BYTES) {
    buffer_drop(&client->in, ECHO_BYTES);
    completed(client, (uint32_t)options.batch);
    echo_send(client);
  }
}

static const Contender echo_contender = {"echo", echo_send, echo_input, NULL};

/* -- sockets ------------------------------------------------------------------------------------ */

static int connect_to(const char* address) {
  if (strncmp(address, "unix:", 5) == 0) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&where, sizeof where) != 0) {
      die("can't connect to %s: %s", address, strerror(errno));
    }
    return fd;
  }
  char host[64];
  int port;
  if (sscanf(address, "tcp:%63[^:]:%d", host, &port) != 2) die("bad address %s", address);
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &where.sin_addr) != 1) die("bad host %s", host);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(fd, (struct sockaddr*)&where, sizeof where) != 0) {
    die("can't connect to %s: %s", address, strerror(errno));
  }
  return fd;
}

static void watch(Client* client, int operation) {
  uint32_t events = EPOLLIN | (client->writable_wanted ? EPOLLOUT : 0u);
  struct epoll_event event = {.events = events, .data.ptr = client};
  if (epoll_ctl(epoll, operation, client->socket, &event) != 0) die("epoll_ctl failed");
}

static void flush_client(Client* client) {
  Buffer* out = &client->out;
  while (client->out_done < out->size) {
    ssize_t n = write(client->socket, out->data + client->out_done, out->size - client->out_done);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) die("the server has closed a connection while it was written to");
    client->out_done += (size_t)n;
  }
  bool more = client->out_done < out->size;
  if (!more) client->out_done = out->size = 0;
  if (more == client->writable_wanted) return;
  client->writable_wanted = more;
  watch(client, EPOLL_CTL_MOD);
}

static void read_client(Client* client, const Contender* contender) {
  for (;;) {
    buffer_reserve(&client->in, client->idle ? 256 : 16384);
    size_t room = client->in.capacity - client->in.size;
    ssize_t n = read(client->socket, client->in.data + client->in.size, room);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) die("the server has closed connection %d", client->index);
    client->in.size += (size_t)n;
    contender->input(client);
    if ((size_t)n < room) break;
  }
}

static void open_clients(const Contender* contender) {
  int count = options.clients + options.idle;
  clients = calloc((size_t)count, sizeof *clients);
  for (int i = 0; i < count; i++) {
    Client* client = &clients[i];
    client->socket = connect_to(options.address);
    client->index = i;
    client->idle = i >= options.clients;
    fcntl(client->socket, F_SETFL, O_NONBLOCK);
    watch(client, EPOLL_CTL_ADD);
    contender->open(client);
    flush_client(client);
  }
}

/* Of a round of ticks: the client that is next; in between, what has come is read. */
static int next_to_tick;

static void turn(const Contender* contender) {
  static struct epoll_event events[EVENTS];
  int wait_ms = next_to_tick > 0 ? 0 : contender->tick ? 2 : 20;
  int count = epoll_wait(epoll, events, EVENTS, wait_ms);
  for (int i = 0; i < count; i++) {
    Client* client = events[i].data.ptr;
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_client(client, contender);
    flush_client(client);
  }
}

/* Every client 100 times a second at most: a slice of them at a time, so that none waits to be read
   while thousands are written to. */
static void tick_some(const Contender* contender, double now) {
  static double round_began;
  if (!contender->tick) return;
  if (next_to_tick == 0) {
    if (now - round_began < 0.010) return;
    round_began = now;
  }
  int count = options.clients + options.idle;
  int end = next_to_tick + TICKS < count ? next_to_tick + TICKS : count;
  for (int i = next_to_tick; i < end; i++) {
    contender->tick(&clients[i], now);
    if (clients[i].out.size > 0) flush_client(&clients[i]);
  }
  next_to_tick = end < count ? end : 0;
}

/* -- figures ------------------------------------------------------------------------------------ */

static int by_size(const void* a, const void* b) {
  float x = *(const float*)a, y = *(const float*)b;
  return (x > y) - (x < y);
}

static double quantile(const float* sorted, size_t count, double q) {
  return count ? sorted[(size_t)(q * (double)(count - 1))] * 1e3 : -1;
}

static void print_figures(const Contender* contender, double seconds) {
  size_t half = sample_count / 2;
  static const double at[] = {0.5, 0.99};
  double first[2], second[2], all[2];
  qsort(samples, half, sizeof *samples, by_size);
  qsort(samples + half, sample_count - half, sizeof *samples, by_size);
  for (int i = 0; i < 2; i++) {
    first[i] = quantile(samples, half, at[i]);
    second[i] = quantile(samples + half, sample_count - half, at[i]);
  }
  qsort(samples, sample_count, sizeof *samples, by_size);
  for (int i = 0; i < 2; i++) all[i] = quantile(samples, sample_count, at[i]);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
               (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6;
  printf(
      "{\"contender\":\"%s\",\"clients\":%d,\"batch\":%d,\"seconds\":%.3f,"
      "\"exchanges\":%llu,\"ranges\":%llu,\"refused\":%llu,\"exchangesPerSecond\":%.1f,"
      "\"rangesPerSecond\":%.1f,\"p50Ms\":%.4f,\"p99Ms\":%.4f,\"p50MsFirst\":%.4f,"
      "\"p50MsSecond\":%.4f,\"p99MsFirst\":%.4f,\"p99MsSecond\":%.4f,\"rangesTotal\":%llu,"
      "\"generatorCpuSeconds\":%.3f}\n",
      contender->name, options.clients, options.batch, seconds, (unsigned long long)exchanges,
      (unsigned long long)ranges_acknowledged, (unsigned long long)ranges_refused,
      (double)exchanges / seconds, (double)ranges_acknowledged / seconds, all[0], all[1], first[0],
      second[0], first[1], second[1], (unsigned long long)ranges_total, cpu);
}

/* -- main --------------------------------------------------------------------------------------- */

static const Contender* contender_of(const char* name) {
  const Contender* all[] = {&jumbo_contender, &trace_contender, &redis_contender, &echo_contender};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (strcmp(all[i]->name, name) == 0) return all[i];
  }
  die("contender %s is none of jumbo, trace, redis, echo", name);
}

static void parse(int argc, char** argv) {
  for (int i = 2; i < argc; i++) {
    const char* flag = argv[i];
    if (strcmp(flag, "--scatter") == 0) {
      options.scatter = true;
      continue;
    }
    if (++i == argc) die("%s needs a value", flag);
    const char* value = argv[i];
    if (strcmp(flag, "--connect") == 0) options.address = value;
    else if (strcmp(flag, "--key") == 0) options.key = value;
    else if (strcmp(flag, "--name") == 0) options.name = value;
    else if (strcmp(flag, "--clients") == 0) options.clients = atoi(value);
    else if (strcmp(flag, "--idle") == 0) options.idle = atoi(value);
    else if (strcmp(flag, "--batch") == 0) options.batch = atoi(value);
    else if (strcmp(flag, "--warm") == 0) options.warm_seconds = atof(value);
    else if (strcmp(flag, "--seconds") == 0) options.seconds = atof(value);
    else if (strcmp(flag, "--ranges") == 0) options.ranges_max = strtoull(value, NULL, 10);
    else if (strcmp(flag, "--slots") == 0) options.slots = atoi(value);
    else if (strcmp(flag, "--event-ms") == 0) options.event_ms = atoi(value);
    else if (strcmp(flag, "--every-ms") == 0) options.every_ms = atoi(value);
    else die("unknown option %s", flag);
  }
  if (!options.address) die("--connect is missing");
  if (options.batch < 1 || options.clients < 0) die("--batch and --clients are counts");
}

int main(int argc, char** argv) {
  if (argc < 2) die("usage: heart-load jumbo|trace|redis|echo --connect ADDRESS [options]");
  const Contender* contender = contender_of(argv[1]);
  parse(argc, argv);
  struct rlimit files = {65536, 65536};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  samples = malloc(SAMPLES_MAX * sizeof *samples);
  epoll = epoll_create1(0);
  open_clients(contender);
  double began = now_seconds();
  double counted_from = began + options.warm_seconds;
  double ends = counted_from + options.seconds;
  double now = began;
  while (now < ends && !reached) {
    turn(contender);
    now = now_seconds();
    tick_some(contender, now);
    if (!counting && now >= counted_from) {
      counting = true;
      counted_from = now;
    }
  }
  print_figures(contender, now - counted_from);
  return 0;
}
