/* Stands between a program and its disk: counts what the program writes to its journal and spoils one operation.
 *
 * Loaded with LD_PRELOAD by the tests of durability, so that the program under test is the real one, unchanged.
 *   MEDDLE_PREFIX  only files whose path begins so, and syncs of the directory that they lie in
 *   MEDDLE_MODE    kill: SIGKILL before operation n;  tear: half of write n, then SIGKILL;
 *                  full: from operation n on every write fails with ENOSPC;  sync: sync n fails with EIO, once
 *   MEDDLE_AT      n, from 1; an operation is a sync or the writes between two, except in mode sync, which counts syncs
 *   MEDDLE_LOG     a file that is told, a line each, that n was met, and of each sync of a file whose sync has failed before
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count, syncs, skipped;
static int after_sync = 1, told;
static ino_t failed;

static int is_mode(const char *mode) {
  const char *set = getenv("MEDDLE_MODE");
  return set && strcmp(set, mode) == 0;
}

static long moment(void) {
  const char *at = getenv("MEDDLE_AT");
  return at ? atol(at) : 0;
}

static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  path[length < 0 ? 0 : length] = 0;
  return length >= 0;
}

static int concerns(int fd) {
  const char *prefix = getenv("MEDDLE_PREFIX");
  char path[4096];
  return prefix && path_of(fd, path, sizeof path) && strncmp(path, prefix, strlen(prefix)) == 0;
}

/* The directory of the files: a sync of it makes their names last. */
static int is_directory(int fd) {
  const char *prefix = getenv("MEDDLE_PREFIX");
  char path[4096];
  if (!prefix || !path_of(fd, path, sizeof path)) return 0;
  size_t length = strlen(path);
  return strncmp(path, prefix, length) == 0 && strrchr(prefix, '/') == prefix + length;
}

static void tell(const char *what) {
  const char *log = getenv("MEDDLE_LOG");
  if (!log) return;
  int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  dprintf(out, "%s\n", what);
  close(out);
}

/* Whether the moment has come. An operation is a sync, or all writes up to the next one; of those, the n-th dies n modulo 5 writes
 * after the first, or where the next operation begins. */
static int has_come(int is_sync) {
  pthread_mutex_lock(&lock);
  if (is_sync || after_sync) count++;
  after_sync = is_sync;
  int come = count > moment() || (count == moment() && (is_sync || skipped++ >= moment() % 5));
  int met = come && !told;
  told |= come;
  pthread_mutex_unlock(&lock);
  if (met) tell("met");
  return come;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  pause();
}

/* What becomes of a write: the bytes to write before dying, -1 to write all, -2 to fail. */
static ssize_t fate(int fd, size_t size) {
  if (!concerns(fd) || is_mode("sync")) return -1;
  int come = has_come(0);
  if (is_mode("full")) return come ? -2 : -1;
  if (!come) return -1;
  return is_mode("tear") ? (ssize_t)(size / 2) : 0;
}

typedef ssize_t (*write_t)(int, const void *, size_t);
typedef ssize_t (*pwrite_t)(int, const void *, size_t, off_t);
typedef int (*sync_t)(int);

ssize_t write(int fd, const void *bytes, size_t size) {
  static write_t real;
  if (!real) real = (write_t)dlsym(RTLD_NEXT, "write");
  ssize_t part = fate(fd, size);
  if (part == -1) return real(fd, bytes, size);
  if (part == -2) { errno = ENOSPC; return -1; }
  if (part > 0) real(fd, bytes, (size_t)part);
  die();
  return -1;
}

static ssize_t at(pwrite_t real, int fd, const void *bytes, size_t size, off_t where) {
  ssize_t part = fate(fd, size);
  if (part == -1) return real(fd, bytes, size, where);
  if (part == -2) { errno = ENOSPC; return -1; }
  if (part > 0) real(fd, bytes, (size_t)part, where);
  die();
  return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t where) {
  static pwrite_t real;
  if (!real) real = (pwrite_t)dlsym(RTLD_NEXT, "pwrite");
  return at(real, fd, bytes, size, where);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t where) {
  static pwrite_t real;
  if (!real) real = (pwrite_t)dlsym(RTLD_NEXT, "pwrite64");
  return at(real, fd, bytes, size, where);
}

static int spoiled_sync(int fd) {
  struct stat file;
  int directory = is_directory(fd);
  if ((!directory && !concerns(fd)) || fstat(fd, &file) != 0) return 0;
  if (!is_mode("sync")) {
    if (has_come(1) && !is_mode("full")) die();
    return 0;
  }
  pthread_mutex_lock(&lock);
  int spoil = ++syncs == moment();
  /* A directory keeps nothing in memory that a failed sync could lose for good: each sync of it is a new one. */
  int again = failed && file.st_ino == failed;
  if (spoil && !directory) failed = file.st_ino;
  pthread_mutex_unlock(&lock);
  if (spoil) tell(directory ? "met a directory" : "met");
  if (again) tell("a file whose sync had failed was synced again");
  return spoil;
}

int fsync(int fd) {
  static sync_t real;
  if (!real) real = (sync_t)dlsym(RTLD_NEXT, "fsync");
  if (spoiled_sync(fd)) { errno = EIO; return -1; }
  return real(fd);
}

int fdatasync(int fd) {
  static sync_t real;
  if (!real) real = (sync_t)dlsym(RTLD_NEXT, "fdatasync");
  if (spoiled_sync(fd)) { errno = EIO; return -1; }
  return real(fd);
}
