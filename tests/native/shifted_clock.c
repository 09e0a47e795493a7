/* A clock that is wrong, and that may be set while programs run.
 *
 * Preloaded (LD_PRELOAD) into a process and all that it starts. SHIFTED_CLOCK is the path of a file
 * with how far the clock is ahead: 8 bytes, a signed number of ns, in the machine's order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t S = 1000000000;
static const volatile int64_t *ahead;

__attribute__((constructor)) static void map_file(void) {
  const char *path = getenv("SHIFTED_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *found = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
  if (found != MAP_FAILED) ahead = found;
  close(fd);
}

static struct timespec moved(struct timespec at, int sign) {
  int64_t ns = at.tv_sec * S + at.tv_nsec + (ahead ? sign * *ahead : 0);
  return (struct timespec){ns / S, ns % S};
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int failed = (int)syscall(SYS_clock_gettime, clock, at);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *at = moved(*at, 1);
  return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

/* Python 3.10 waits until a time of this clock, which the kernel knows by its own. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  struct timespec really = moved(*until, -1);
  return sem_clockwait(semaphore, CLOCK_REALTIME, &really);
}
