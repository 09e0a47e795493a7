/* A native library that prints: what a solver does, without the solver. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Through C stdio, unflushed. */
void say(const char *text) { fputs(text, stdout); }
void complain(const char *text) { fputs(text, stderr); }

/* "PREFIX 0\n" ... through printf. */
void print_lines(const char *prefix, long count) {
    for (long i = 0; i < count; i++) printf("%s %ld\n", prefix, i);
}

static long write_all(int fd, const char *data, long size) {
    long done = 0;
    while (done < size) {
        long written = write(fd, data + done, size - done);
        if (written < 0) return -1;
        done += written;
    }
    return done;
}

/* "PREFIX 0\n" ... each with one write(). Returns how many were written whole. */
long write_lines(int fd, const char *prefix, long count) {
    char line[256];
    for (long i = 0; i < count; i++) {
        int size = snprintf(line, sizeof line, "%s %ld\n", prefix, i);
        if (write_all(fd, line, size) != size) return i;
    }
    return count;
}

/* The same without end; `counter` says how many lines have gone out whole. */
void write_lines_forever(int fd, const char *prefix, volatile long *counter) {
    char line[256];
    for (long i = 0;; i++) {
        int size = snprintf(line, sizeof line, "%s %ld\n", prefix, i);
        if (write_all(fd, line, size) != size) return;
        *counter = i + 1;
    }
}

/* A shared counter in a file, which survives the process. */
long *map_counter(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(long)) < 0) return NULL;
    void *mapped = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

/* `size` bytes of 8-byte counters: any byte lost or out of place shows. In one call. */
long flood(int fd, long size) {
    enum { WORDS = 1 << 13 };
    static __thread unsigned long block[WORDS];
    unsigned long next = 0;
    for (long done = 0; done < size;) {
        for (long i = 0; i < WORDS; i++) block[i] = next++;
        long part = size - done < (long)sizeof block ? size - done : (long)sizeof block;
        if (write_all(fd, (char *)block, part) != part) return done;
        done += part;
    }
    return size;
}

struct share { int fd; long size; };

static void *flood_thread(void *argument) {
    struct share *share = argument;
    share->size = flood(share->fd, share->size);
    return NULL;
}

/* Flood both streams at once, from two threads, in one call. */
long flood_both(long size) {
    struct share out = {1, size}, err = {2, size};
    pthread_t thread;
    if (pthread_create(&thread, NULL, flood_thread, &err)) return -1;
    flood_thread(&out);
    pthread_join(thread, NULL);
    return out.size + err.size;
}

void crash_with_segmentation_fault(void) { *(volatile int *)8 = 1; }

/* Flush, as a library with its own idea of stdio does. */
void flush_all(void) { fflush(NULL); }
