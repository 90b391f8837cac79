/* Preloaded into a child of failing-disk.test.ts: once the file named by FAIL_WHEN exists, the kind of
 * call named by FAIL_WHAT fails with EIO, the first time or (FAIL_ALWAYS) every time.
 *
 *   fdatasync   the sync of the data pages
 *   visible     the write of the meta record that makes a transaction visible
 *   synced      the write of the meta record that says it is on disk (half a page behind the first)
 *   data        the write of data pages
 *   tail        the write of a record to the journal's tail
 *   tailhead    the write of the tail's head
 *
 * With FAIL_ENOSPC it is ENOSPC instead of EIO; with FAIL_SHORT half of a pwrite is written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int failed;

static int fails(const char *kind) {
  const char *what = getenv("FAIL_WHAT"), *when = getenv("FAIL_WHEN");
  if (!what || !when || strcmp(what, kind) != 0 || access(when, F_OK) != 0) return 0;
  if (failed && !getenv("FAIL_ALWAYS")) return 0;
  failed = 1;
  errno = getenv("FAIL_ENOSPC") ? ENOSPC : EIO;
  return 1;
}

static int is_tail(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 5) return 0;
  path[length] = 0;
  return strcmp(path + length - 5, ".tail") == 0;
}

static const char *kind_of(int fd, off_t offset, size_t bytes) {
  if (is_tail(fd)) return offset < 4096 ? "tailhead" : "tail";
  if (bytes < 512 && offset >= 2048 && offset < 4096) return "synced";
  if (bytes < 512 && offset < 8192) return "visible";
  return "data";
}

int fdatasync(int fd) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return fails("fdatasync") ? -1 : next(fd);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset) {
  ssize_t (*next)(int, const void *, size_t, off_t) =
      (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
  if (!fails(kind_of(fd, offset, bytes))) return next(fd, from, bytes, offset);
  return getenv("FAIL_SHORT") ? next(fd, from, bytes / 2, offset) : -1;
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t offset) {
  ssize_t (*next)(int, const void *, size_t, off_t) =
      (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  if (!fails(kind_of(fd, offset, bytes))) return next(fd, from, bytes, offset);
  return getenv("FAIL_SHORT") ? next(fd, from, bytes / 2, offset) : -1;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  ssize_t (*next)(int, const struct iovec *, int, off_t) =
      (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev");
  return fails("data") ? -1 : next(fd, parts, count, offset);
}
