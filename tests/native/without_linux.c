/* What Linux has and macOS has not, taken away; and what macOS does otherwise, done so.
 *
 * Preloaded (LD_PRELOAD) into each process of a test. What Python itself offers on Linux alone is
 * hidden by tests/without_linux/sitecustomize.py; that also adds a kqueue.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe of macOS begins with 16 KiB, a socket between processes with 8 KiB. */
enum { PIPE_BYTES = 16 << 10, SOCKET_BYTES = 8 << 10 };

static void *(*find)(void *, const char *);
static dev_t pipe_device; /* that of pipes without a name */

FILE *__stdinp, *__stdoutp, *__stderrp; /* macOS's names of stdin, stdout and stderr */

#define REAL(name)                                                                                 \
  static __typeof__(&name) real;                                                                   \
  if (!real) real = (__typeof__(&name))real_function(#name)

static void *real_function(const char *name) {
  if (!find) {
    const char *versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
    for (int i = 0; i < 3 && !find; i++)
      find = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    if (!find) abort();
  }
  return find(RTLD_NEXT, name);
}

static int fails(int number) {
  errno = number;
  return -1;
}

/* -- C's library: names that only others have -------------------------------------------------- */

static const char *hidden[] = {
    "__fpending", "__flbf",     "stdin",     "stdout",          "stderr",   "gnu_get_libc_version",
    "splice",     "pidfd_open", "epoll_wait", "dl_iterate_phdr", "eventfd", "memfd_create",
};

void *dlsym(void *handle, const char *name) {
  REAL(dlsym);
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (!strcmp(name, hidden[i])) return real(handle, "there is no such name on macOS");
  return real(handle, name);
}

/* What macOS offers to list the libraries that are loaded. */
struct image {
  uint32_t left;
  const char *name;
};

static int take_image(struct dl_phdr_info *info, size_t size, void *image) {
  struct image *found = image;
  (void)size;
  found->name = info->dlpi_name;
  return !found->left--;
}

uint32_t _dyld_image_count(void) {
  struct image all = {UINT32_MAX, NULL};
  dl_iterate_phdr(take_image, &all);
  return UINT32_MAX - all.left;
}

const char *_dyld_get_image_name(uint32_t index) {
  struct image found = {index, NULL};
  return dl_iterate_phdr(take_image, &found) ? found.name : NULL;
}

/* -- files: no /proc; /dev/fd/N is descriptor N, not the file that it leads to ------------------ */

static int is_proc(const char *path) {
  if (!path || strncmp(path, "/proc", 5) || (path[5] && path[5] != '/')) return 0;
  return strcmp(path, "/proc/stat") != 0; /* which psutil reads when it is imported */
}

static int fd_of(const char *path) {
  static const char *names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  char *end;
  long fd;
  if (!path || strncmp(path, "/dev/", 5)) return -1;
  for (int i = 0; i < 3; i++)
    if (!strcmp(path, names[i])) return i;
  if (strncmp(path, "/dev/fd/", 8) || path[8] < '0' || path[8] > '9') return -1;
  fd = strtol(path + 8, &end, 10);
  return *end ? -1 : (int)fd;
}

static int duplicate(int fd, int flags) {
  int held = fcntl(fd, F_GETFL);
  if (held < 0) return fails(EBADF);
  held &= O_ACCMODE;
  if (held != O_RDWR && held != (flags & O_ACCMODE)) return fails(EACCES);
  return fcntl(fd, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
}

#define OPENS(name, parameters, before, arguments)                                                 \
  int name parameters {                                                                            \
    int mode = 0;                                                                                  \
    before;                                                                                        \
    REAL(name);                                                                                    \
    if (is_proc(path)) return fails(ENOENT);                                                       \
    int fd = fd_of(path);                                                                          \
    return fd < 0 ? real arguments : duplicate(fd, flags);                                         \
  }
#define MODE                                                                                       \
  va_list more;                                                                                    \
  va_start(more, flags);                                                                           \
  mode = va_arg(more, int);                                                                        \
  va_end(more)

OPENS(open, (const char *path, int flags, ...), MODE, (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), MODE, (path, flags, mode))
OPENS(openat, (int dir, const char *path, int flags, ...), MODE, (dir, path, flags, mode))
OPENS(openat64, (int dir, const char *path, int flags, ...), MODE, (dir, path, flags, mode))
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }
int __openat_2(int dir, const char *path, int flags) { return openat(dir, path, flags); }
int __openat64_2(int dir, const char *path, int flags) { return openat64(dir, path, flags); }

#define HIDES(type, failure, name, parameters, arguments)                                          \
  type name parameters {                                                                           \
    REAL(name);                                                                                    \
    if (is_proc(path)) {                                                                           \
      errno = ENOENT;                                                                              \
      return failure;                                                                              \
    }                                                                                              \
    return real arguments;                                                                         \
  }

HIDES(FILE *, NULL, fopen, (const char *path, const char *mode), (path, mode))
HIDES(FILE *, NULL, fopen64, (const char *path, const char *mode), (path, mode))
HIDES(DIR *, NULL, opendir, (const char *path), (path))
HIDES(int, -1, access, (const char *path, int mode), (path, mode))
HIDES(int, -1, faccessat, (int dir, const char *path, int mode, int flags),
      (dir, path, mode, flags))
HIDES(int, -1, fstatat, (int dir, const char *path, struct stat *to, int flags),
      (dir, path, to, flags))
HIDES(int, -1, fstatat64, (int dir, const char *path, struct stat64 *to, int flags),
      (dir, path, to, flags))
HIDES(int, -1, statx, (int dir, const char *path, int flags, unsigned mask, struct statx *to),
      (dir, path, flags, mask, to))

#define READS_LINK(name, parameters, arguments)                                                    \
  ssize_t name parameters {                                                                        \
    REAL(name);                                                                                    \
    if (is_proc(path)) return fails(ENOENT);                                                       \
    if (fd_of(path) >= 0) return fails(EINVAL); /* it is no link */                                \
    return real arguments;                                                                         \
  }
READS_LINK(readlink, (const char *path, char *to, size_t size), (path, to, size))
READS_LINK(readlinkat, (int dir, const char *path, char *to, size_t size), (dir, path, to, size))

/* The two ends of a pipe have a number each. */
#define FSTATS(name, kind)                                                                         \
  int name(int fd, struct kind *to) {                                                              \
    REAL(name);                                                                                    \
    int result = real(fd, to);                                                                     \
    if (!result && to->st_dev == pipe_device && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)      \
      to->st_ino |= (ino_t)1 << 62;                                                                \
    return result;                                                                                 \
  }
FSTATS(fstat, stat)
FSTATS(fstat64, stat64)

#define STATS(name, kind, of_descriptor)                                                           \
  int name(const char *path, struct kind *to) {                                                    \
    REAL(name);                                                                                    \
    if (is_proc(path)) return fails(ENOENT);                                                       \
    int fd = fd_of(path);                                                                          \
    return fd < 0 ? real(path, to) : of_descriptor(fd, to);                                        \
  }
STATS(stat, stat, fstat)
STATS(stat64, stat64, fstat64)
STATS(lstat, stat, fstat)
STATS(lstat64, stat64, fstat64)

/* -- moving bytes: through memory alone ---------------------------------------------------------- */

ssize_t splice(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  (void)in, (void)from, (void)out, (void)to, (void)size, (void)flags;
  return fails(ENOSYS);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  (void)in, (void)from, (void)out, (void)to, (void)size, (void)flags;
  return fails(ENOSYS);
}

int memfd_create(const char *name, unsigned flags) {
  (void)name, (void)flags;
  return fails(ENOSYS);
}

static int is_socket(int fd) {
  struct stat status;
  return !fstat(fd, &status) && S_ISSOCK(status.st_mode);
}

#define SENDS(name, offset)                                                                        \
  ssize_t name(int out, int in, offset *from, size_t size) {                                       \
    REAL(name);                                                                                    \
    return is_socket(out) ? real(out, in, from, size) : fails(ENOTSOCK);                           \
  }
SENDS(sendfile, off_t)
SENDS(sendfile64, off64_t)

/* -- pipes, sockets and waiting ------------------------------------------------------------------ */

#define CONTROLS(name)                                                                             \
  int name(int fd, int command, ...) {                                                             \
    REAL(name);                                                                                    \
    va_list more;                                                                                  \
    va_start(more, command);                                                                       \
    long argument = va_arg(more, long);                                                            \
    va_end(more);                                                                                  \
    if (command == F_SETPIPE_SZ || command == F_GETPIPE_SZ) return fails(EINVAL);                  \
    return real(fd, command, argument);                                                            \
  }
CONTROLS(fcntl)
CONTROLS(fcntl64)

static int smaller(int failed, int *ends) {
  static int (*control)(int, int, ...);
  if (failed) return failed;
  if (!control) control = (int (*)(int, int, ...))real_function("fcntl");
  control(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
  return 0;
}

int pipe(int ends[2]) {
  REAL(pipe);
  return smaller(real(ends), ends);
}

int pipe2(int ends[2], int flags) {
  REAL(pipe2);
  return smaller(real(ends, flags), ends);
}

int socketpair(int domain, int type, int protocol, int ends[2]) {
  REAL(socketpair);
  int failed = real(domain, type, protocol, ends);
  int size = SOCKET_BYTES / 2; /* Linux doubles it, for what it needs itself */
  for (int i = 0; !failed && i < 2; i++)
    setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return failed;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  REAL(recvmsg);
  return real(fd, message, flags & ~MSG_CMSG_CLOEXEC);
}

/* A terminal that nobody writes to any more is at its end, which is no error. */
ssize_t read(int fd, void *to, size_t size) {
  REAL(read);
  int number;
  for (int i = 0; i < 2; i++) { /* Linux looks for bytes first, and then for writers */
    ssize_t count = real(fd, to, size);
    if (count >= 0 || errno != EIO) return count;
  }
  return ioctl(fd, TIOCGPTN, &number) ? fails(EIO) : 0;
}

ssize_t __read_chk(int fd, void *to, size_t size, size_t room) {
  (void)room;
  return read(fd, to, size);
}

/* Where no event is asked for, none is told: not even that the other end is gone. */
int poll(struct pollfd *entries, nfds_t count, int timeout) {
  REAL(poll);
  struct pollfd *asked = malloc((count + 1) * sizeof *asked);
  if (!asked) return fails(ENOMEM);
  for (nfds_t i = 0; i < count; i++) {
    asked[i] = entries[i];
    if (!asked[i].events) asked[i].fd = -1;
  }
  int ready = real(asked, count, timeout);
  int number = errno;
  for (nfds_t i = 0; ready >= 0 && i < count; i++)
    entries[i].revents = asked[i].fd < 0 ? 0 : asked[i].revents;
  free(asked);
  errno = number;
  return ready;
}

int __poll_chk(struct pollfd *entries, nfds_t count, int timeout, size_t size) {
  (void)size;
  return poll(entries, count, timeout);
}

__attribute__((constructor)) static void prepare(void) {
  int ends[2];
  struct stat status;
  __stdinp = stdin, __stdoutp = stdout, __stderrp = stderr;
  if (pipe(ends)) return;
  if (!fstat(ends[0], &status)) pipe_device = status.st_dev;
  close(ends[0]);
  close(ends[1]);
}
