/* What bench_drain.py measures with: writers, and a drain with nothing in it but the work. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* `count` writes of `size` bytes, each a line. Returns how many went out whole. */
long write_raw(int fd, long count, long size) {
    char *line = malloc(size);
    memset(line, 'x', size - 1);
    line[size - 1] = '\n';
    long whole = 0;
    for (; whole < count; whole++) {
        long done = 0;
        while (done < size) {
            long written = write(fd, line + done, size - done);
            if (written < 0) break;
            done += written;
        }
        if (done < size) break;
    }
    free(line);
    return whole;
}

/* `count` lines through printf. */
void print_lines(long count) {
    for (long i = 0; i < count; i++) printf("iteration %8ld residual %.4f\n", i, 0.5);
}

/* Empties descriptor 0 into descriptor 1: a nap after each wake-up, read, write. */
static int drain(long nap_us) {
    static char chunk[1 << 20];
    struct pollfd pipe = {0, POLLIN, 0};
    struct timespec nap = {0, nap_us * 1000};
    for (;;) {
        poll(&pipe, 1, -1);
        nanosleep(&nap, NULL);
        long size = read(0, chunk, sizeof chunk);
        if (size <= 0) return size < 0;
        for (long done = 0; done < size;) {
            long written = write(1, chunk + done, size - done);
            if (written < 0) return 1;
            done += written;
        }
    }
}

/* bench_drain drain NAP_US | bench_drain write COUNT SIZE */
int main(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "drain")) return drain(atol(words[2]));
    if (count == 4 && !strcmp(words[1], "write"))
        return write_raw(1, atol(words[2]), atol(words[3])) != atol(words[2]);
    return 2;
}
