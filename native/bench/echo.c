/*
 * heart-echo unix:/path | tcp:host:port: the floor of a socket server, one thread, epoll, writes
 * back what it read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 1024, BYTES = 65536 };

/* A bound socket, or -1; `is_tcp` says which kind it is. */
static int bound_to(const char* address, int* is_tcp) {
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  struct sockaddr_in port = {.sin_family = AF_INET};
  char host[64];
  int number;
  int yes = 1;
  *is_tcp = sscanf(address, "tcp:%63[^:]:%d", host, &number) == 2;
  int fd = socket(*is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (*is_tcp) {
    port.sin_port = htons((uint16_t)number);
    if (inet_pton(AF_INET, host, &port.sin_addr) != 1) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    return bind(fd, (struct sockaddr*)&port, sizeof port) == 0 ? fd : -1;
  }
  if (strncmp(address, "unix:", 5) != 0) return -1;
  snprintf(path.sun_path, sizeof path.sun_path, "%s", address + 5);
  unlink(path.sun_path);
  return bind(fd, (struct sockaddr*)&path, sizeof path) == 0 ? fd : -1;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("usage: heart-echo unix:/path | tcp:host:port\n", stderr);
    return 2;
  }
  int is_tcp;
  int listener = bound_to(argv[1], &is_tcp);
  /* A client that ends before it has read is no reason to end. */
  signal(SIGPIPE, SIG_IGN);
  if (listener < 0 || listen(listener, 4096) != 0) {
    perror("heart-echo: can't listen");
    return 1;
  }
  puts("ready");
  fflush(stdout);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  static struct epoll_event events[EVENTS];
  static uint8_t bytes[BYTES];
  for (;;) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        for (int one; (one = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
          int yes = 1;
          if (is_tcp) setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
          event.data.fd = one;
          epoll_ctl(epoll, EPOLL_CTL_ADD, one, &event);
        }
        continue;
      }
      ssize_t n = read(fd, bytes, BYTES);
      if (n < 0 && errno == EAGAIN) continue;
      if (n <= 0 || write(fd, bytes, (size_t)n) != n) close(fd);
    }
  }
}
