/* heart-echo unix:/path: the floor of a socket server, one thread, epoll, writes back what it read. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 1024, BYTES = 65536 };

int main(int argc, char** argv) {
  if (argc != 2 || strncmp(argv[1], "unix:", 5) != 0) {
    fputs("usage: heart-echo unix:/path\n", stderr);
    return 2;
  }
  struct sockaddr_un where = {.sun_family = AF_UNIX};
  snprintf(where.sun_path, sizeof where.sun_path, "%s", argv[1] + 5);
  unlink(where.sun_path);
  /* A client that ends before it has read is no reason to end. */
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr*)&where, sizeof where) != 0 || listen(listener, 4096) != 0) {
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
