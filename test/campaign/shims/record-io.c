/* Preloaded into a program that writes a store: every change of a file named *.mdb or *.tail goes into
 * the log named by RECORD_LOG, with the syncs around it, so that power cuts can be made up afterwards
 * (power-cut-images.ts reads it). A write to a file named *.acks is an acknowledgement.
 *
 *   record = kind u32 | flags u32 | inode u64 | offset u64 | length u64 | id u64 | data
 *   kind: 1 write (after it returned; flags 1: O_DSYNC) 2 sync begins 3 sync ended (id joins them)
 *         4 truncate (offset: length) 5 rename (data: to) 6 folder sync 7 acknowledgement (data)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
enum { WRITE = 1, SYNC_BEGIN, SYNC_END, TRUNCATE, RENAME, FOLDER, ACK };
enum { OTHER, STORE, ACKS, DIRECTORY };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static uint64_t next_id = 1;

static void put(uint32_t kind, uint32_t flags, uint64_t inode, uint64_t offset,
                const struct iovec *parts, int count, uint64_t length, uint64_t id) {
  pthread_mutex_lock(&lock);
  if (log_fd < 0) {
    const char *path = getenv("RECORD_LOG");
    log_fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
  }
  if (log_fd >= 0) {
    struct {
      uint32_t kind, flags;
      uint64_t inode, offset, length, id;
    } head = {kind, flags, inode, offset, length, id};
    syscall(SYS_write, log_fd, &head, sizeof head);
    uint64_t left = length;
    for (int i = 0; i < count && left > 0; i++) {
      uint64_t bytes = parts[i].iov_len < left ? parts[i].iov_len : left;
      syscall(SYS_write, log_fd, parts[i].iov_base, bytes);
      left -= bytes;
    }
  }
  pthread_mutex_unlock(&lock);
}

static int ends(const char *path, const char *with) {
  size_t a = strlen(path), b = strlen(with);
  return a >= b && strcmp(path + a - b, with) == 0;
}

static int is_store(const char *path) { return ends(path, ".mdb") || ends(path, ".tail"); }

static uint64_t inode_of(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static int kind_of(int fd) {
  char link[64], path[4096];
  struct stat status;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return OTHER;
  path[length] = 0;
  if (is_store(path)) return STORE;
  if (ends(path, ".acks")) return ACKS;
  if (path[0] == '/' && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) return DIRECTORY;
  return OTHER;
}

static void wrote(int fd, const struct iovec *parts, int count, off_t offset, ssize_t done) {
  if (done <= 0) return;
  int kind = kind_of(fd);
  if (kind == ACKS) put(ACK, 0, 0, 0, parts, count, done, 0);
  if (kind != STORE) return;
  int dsync = (fcntl(fd, F_GETFL) & O_DSYNC) ? 1 : 0;
  put(WRITE, dsync, inode_of(fd), offset, parts, count, done, 0);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset) {
  ssize_t done = NEXT(pwrite)(fd, from, bytes, offset);
  struct iovec part = {(void *)from, bytes};
  wrote(fd, &part, 1, offset, done);
  return done;
}
ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t offset) {
  return pwrite(fd, from, bytes, offset);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  ssize_t done = NEXT(pwritev)(fd, parts, count, offset);
  wrote(fd, parts, count, offset, done);
  return done;
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev(fd, parts, count, offset);
}
ssize_t write(int fd, const void *from, size_t bytes) {
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = NEXT(write)(fd, from, bytes);
  struct iovec part = {(void *)from, bytes};
  wrote(fd, &part, 1, at, done);
  return done;
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = NEXT(writev)(fd, parts, count);
  wrote(fd, parts, count, at, done);
  return done;
}

static int synced(int fd, int (*next)(int)) {
  int kind = kind_of(fd);
  uint64_t id = __sync_fetch_and_add(&next_id, 1);
  if (kind == STORE) put(SYNC_BEGIN, 0, inode_of(fd), 0, NULL, 0, 0, id);
  int result = next(fd);
  if (result == 0 && kind == STORE) put(SYNC_END, 0, inode_of(fd), 0, NULL, 0, 0, id);
  if (result == 0 && kind == DIRECTORY) put(FOLDER, 0, 0, 0, NULL, 0, 0, 0);
  return result;
}
int fdatasync(int fd) { return synced(fd, NEXT(fdatasync)); }
int fsync(int fd) { return synced(fd, NEXT(fsync)); }

int ftruncate(int fd, off_t length) {
  int result = NEXT(ftruncate)(fd, length);
  if (result == 0 && kind_of(fd) == STORE) put(TRUNCATE, 0, inode_of(fd), length, NULL, 0, 0, 0);
  return result;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int rename(const char *from, const char *to) {
  int result = NEXT(rename)(from, to);
  struct iovec part = {(void *)to, strlen(to)};
  struct stat status;
  if (result == 0 && is_store(to) && stat(to, &status) == 0) {
    put(RENAME, 0, status.st_ino, 0, &part, 1, part.iov_len, 0);
  }
  return result;
}
