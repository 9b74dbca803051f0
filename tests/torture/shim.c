/* Loaded before libc. With TORN, `PLACE N PART THEN`, the nth write into a place is torn: PART of ten parts are written,
   then the process is killed (`kill`) or stopped (`stop`), the disk is full once (`once`), or from then on (`ever`).
   With CLOCK the clock on the wall is so many seconds ahead, and no other. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int inside(int fd, const char *place) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return !strncmp(path, place, strlen(place));
}

ssize_t write(int fd, const void *data, size_t size) {
  static ssize_t (*real)(int, const void *, size_t);
  static char place[4096], then[16];
  static int nth, part, count = -1;
  if (!real) real = dlsym(RTLD_NEXT, "write");
  if (count < 0) {
    const char *torn = getenv("TORN");
    count = 0;
    if (!torn || sscanf(torn, "%4095s %d %d %15s", place, &nth, &part, then) != 4) nth = 0;
  }
  if (!nth || !inside(fd, place) || ++count < nth) return real(fd, data, size);
  if (count > nth) {
    if (strcmp(then, "ever")) return real(fd, data, size);
    errno = ENOSPC;
    return -1;
  }
  size_t some = size * part / 10;
  if (some) real(fd, data, some);
  if (!strcmp(then, "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(then, "stop")) kill(getpid(), SIGSTOP);
  if (some) return some;
  errno = ENOSPC;
  return -1;
}

int clock_gettime(clockid_t which, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(which, now);
  const char *ahead = getenv("CLOCK");
  if (ahead && which == CLOCK_REALTIME) now->tv_sec += atol(ahead);
  return code;
}
