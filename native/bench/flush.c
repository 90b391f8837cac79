/* heart-flush FILE SECONDS: 4 KiB overwrite + fdatasync in a loop, the floor of a durable word. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 4096, SAMPLES_MAX = 1 << 20 };

static double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int by_size(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: heart-flush FILE SECONDS\n", stderr);
    return 2;
  }
  static char block[BYTES];
  static double samples[SAMPLES_MAX];
  int file = open(argv[1], O_RDWR | O_CREAT, 0600);
  /* Written and synced once before: an overwrite changes no metadata that must be synced too. */
  if (file < 0 || pwrite(file, block, BYTES, 0) != BYTES || fsync(file) != 0) {
    perror("heart-flush");
    return 1;
  }
  double ends = now_seconds() + atof(argv[2]);
  int count = 0;
  for (double at = now_seconds(); at < ends && count < SAMPLES_MAX;) {
    block[count % BYTES]++;
    if (pwrite(file, block, BYTES, 0) != BYTES || fdatasync(file) != 0) {
      perror("heart-flush");
      return 1;
    }
    double now = now_seconds();
    samples[count++] = now - at;
    at = now;
  }
  qsort(samples, (size_t)count, sizeof *samples, by_size);
  printf("{\"flushes\":%d,\"p50Ms\":%.4f,\"p99Ms\":%.4f}\n", count, samples[count / 2] * 1e3,
         samples[(int)(0.99 * (count - 1))] * 1e3);
  return 0;
}
