/* To be preloaded: a file system that does not answer the helper.
 *
 * While the file that FROZEN names exists, whatever the helper does to a file waits, as below a
 * server that is gone. In other processes, which lack the mark of the helper, nothing waits. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void wait_while_frozen(void)
{
    struct timespec moment = {0, 5000000};
    const char *file = getenv("FROZEN");
    if (file == NULL || getenv("IPYFDCAPTURE_HELPER_OF") == NULL)
        return;
    while (access(file, F_OK) == 0)
        nanosleep(&moment, NULL);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "pwrite64");
    wait_while_frozen();
    return next(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return pwrite64(fd, bytes, count, offset);
}

ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count,
               unsigned flags)
{
    static ssize_t (*next)(int, off64_t *, int, off64_t *, size_t, unsigned);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "splice");
    if (out_offset != NULL) /* to a file, not from pipe to pipe */
        wait_while_frozen();
    return next(in, in_offset, out, out_offset, count, flags);
}
