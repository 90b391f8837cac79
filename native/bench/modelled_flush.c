/*
 * LD_PRELOAD: each sync of data takes $MODELLED_FLUSH_US microseconds and reaches no disk, for all
 * contenders alike (their files lie on tmpfs). A disk's mood then can't decide a comparison. A write
 * to a file that was opened with O_DSYNC is a sync as well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int modelled(void) {
  static long micros = -1;
  if (micros < 0) {
    const char* given = getenv("MODELLED_FLUSH_US");
    micros = given ? atol(given) : 100;
  }
  struct timespec time = {micros / 1000000, micros % 1000000 * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
  return 0;
}

int fsync(int file) {
  (void)file;
  return modelled();
}

int fdatasync(int file) {
  (void)file;
  return modelled();
}

int sync_file_range(int file, off_t offset, off_t bytes, unsigned int flags) {
  (void)file, (void)offset, (void)bytes, (void)flags;
  return modelled();
}

int msync(void* address, size_t bytes, int flags) {
  (void)address, (void)bytes;
  return flags & MS_SYNC ? modelled() : 0;
}

static ssize_t written(int file, ssize_t bytes) {
  int flags = bytes > 0 ? fcntl(file, F_GETFL) : 0;
  if (flags > 0 && flags & O_DSYNC) modelled();
  return bytes;
}

ssize_t pwrite(int file, const void* from, size_t bytes, off_t at) {
  static ssize_t (*next)(int, const void*, size_t, off_t);
  if (!next) next = (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
  return written(file, next(file, from, bytes, at));
}

ssize_t pwrite64(int file, const void* from, size_t bytes, off_t at) {
  return pwrite(file, from, bytes, at);
}

ssize_t pwritev(int file, const struct iovec* parts, int count, off_t at) {
  static ssize_t (*next)(int, const struct iovec*, int, off_t);
  if (!next) next = (ssize_t(*)(int, const struct iovec*, int, off_t))dlsym(RTLD_NEXT, "pwritev");
  return written(file, next(file, parts, count, at));
}

ssize_t pwritev64(int file, const struct iovec* parts, int count, off_t at) {
  return pwritev(file, parts, count, at);
}
