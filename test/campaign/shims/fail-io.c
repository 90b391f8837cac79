/* Preloaded into a whole run: the n-th call that changes a file below FAIL_BELOW fails, counted over
 * all processes of the run in the file FAIL_COUNTER (shared memory).
 *
 *   FAIL_AT n | FAIL_HOW EIO ENOSPC EROFS SHORT | FAIL_ALWAYS 1: that call and all after it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static uint64_t *counter;
static uint64_t fail_at;
static int always, shortens, number;
static char below[4096];

__attribute__((constructor)) static void prepare(void) {
  const char *path = getenv("FAIL_COUNTER"), *how = getenv("FAIL_HOW"), *at = getenv("FAIL_AT");
  if (!path || !how || !at || !getenv("FAIL_BELOW")) return;
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
  if (fd < 0) return;
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (page == MAP_FAILED) return;
  counter = page;
  fail_at = strtoull(at, NULL, 10);
  always = getenv("FAIL_ALWAYS") != NULL;
  shortens = strcmp(how, "SHORT") == 0;
  number = strcmp(how, "EIO") == 0 ? EIO : strcmp(how, "EROFS") == 0 ? EROFS : ENOSPC;
  snprintf(below, sizeof below, "%s", getenv("FAIL_BELOW"));
}

static int fails_path(const char *path) {
  if (!counter || strncmp(path, below, strlen(below)) != 0) return 0;
  uint64_t n = __sync_add_and_fetch(counter, 1);
  return n == fail_at || (always && n > fail_at);
}

static int fails(int fd) {
  char link[64], path[4096];
  if (!counter) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails_path(path);
}

#define FAIL(value)                                                                                \
  do {                                                                                             \
    errno = number;                                                                                \
    return value;                                                                                  \
  } while (0)

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset) {
  if (!fails(fd)) return NEXT(pwrite)(fd, from, bytes, offset);
  if (!shortens || bytes < 2) FAIL(-1);
  return NEXT(pwrite)(fd, from, bytes / 2, offset);
}
ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t offset) {
  return pwrite(fd, from, bytes, offset);
}
ssize_t write(int fd, const void *from, size_t bytes) {
  if (!fails(fd)) return NEXT(write)(fd, from, bytes);
  if (!shortens || bytes < 2) FAIL(-1);
  return NEXT(write)(fd, from, bytes / 2);
}
static ssize_t half(int fd, const struct iovec *parts, off_t offset) {
  if (parts[0].iov_len < 2) FAIL(-1);
  return offset < 0 ? NEXT(write)(fd, parts[0].iov_base, parts[0].iov_len / 2)
                    : NEXT(pwrite)(fd, parts[0].iov_base, parts[0].iov_len / 2, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!fails(fd)) return NEXT(writev)(fd, parts, count);
  if (!shortens) FAIL(-1);
  return half(fd, parts, -1);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  if (!fails(fd)) return NEXT(pwritev)(fd, parts, count, offset);
  if (!shortens) FAIL(-1);
  return half(fd, parts, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev(fd, parts, count, offset);
}
int fdatasync(int fd) {
  if (fails(fd)) FAIL(-1);
  return NEXT(fdatasync)(fd);
}
int fsync(int fd) {
  if (fails(fd)) FAIL(-1);
  return NEXT(fsync)(fd);
}
int ftruncate(int fd, off_t length) {
  if (fails(fd)) FAIL(-1);
  return NEXT(ftruncate)(fd, length);
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }
int rename(const char *from, const char *to) {
  if (fails_path(from)) FAIL(-1);
  return NEXT(rename)(from, to);
}
