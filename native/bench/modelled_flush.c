/*
 * LD_PRELOAD: each sync of data takes $MODELLED_FLUSH_US microseconds and reaches no disk, for all
 * contenders alike (their files lie on tmpfs). A disk's mood then can't decide a comparison.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
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
