/* As Go's runtime does it: threads of its own, no C library between them and the kernel. */
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 4 };
struct job { int fd, number; long lines; };

static long raw_write(int fd, const void *data, unsigned long size) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_write), "D"((long)fd), "S"(data), "d"(size)
                     : "rcx", "r11", "memory");
    return result;
#else
    return syscall(SYS_write, fd, data, size);
#endif
}

static void *work(void *argument) {
    struct job *job = argument;
    char line[] = "thread 0 line 0000000\n";
    line[7] = '0' + job->number;
    for (long i = 0; i < job->lines; i++) {
        long rest = i;
        for (int digit = 20; digit > 13; digit--, rest /= 10) line[digit] = '0' + rest % 10;
        raw_write(job->fd, line, sizeof line - 1); /* less than PIPE_BUF: whole or not at all */
    }
    return NULL;
}

/* `lines` lines from each of four threads, to 1 and to 2 in turn. */
void write_from_threads(long lines) {
    pthread_t threads[THREADS];
    struct job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){1 + i % 2, i, lines};
        pthread_create(&threads[i], NULL, work, &jobs[i]);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}
