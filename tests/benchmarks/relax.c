/* Explicit heat flow on a ring: stable while the step is small, and each worker raises it until it is not. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define N 48
int main(int argc, char **argv) {
  int worker = atoi(argv[1]); long lines = atol(argv[2]);
  double u[N], v[N], step = 0.1 + 0.01 * worker; int restarts = 0; long n = 0; int swap = 0;
  static char big[1 << 20]; setvbuf(stdout, big, _IOFBF, 1 << 16);
  for (int i = 0; i < N; i++) u[i] = sin(6.28318 * i / N) + 0.001 * ((i * 7919 + worker) % 13);
  for (long it = 0; n < lines; it++) {
    double worst = 0, sum = 0;
    u[it % N] += 1e-6 * ((it * 7919) % 101 - 50);
    for (int i = 0; i < N; i++) { v[i] = u[i] + step * (u[(i + 1) % N] - 2 * u[i] + u[(i + N - 1) % N]);
      double d = fabs(v[i] - u[i]); if (d > worst) worst = d; sum += v[i]; }
    memcpy(u, v, sizeof u);
    printf("[w%d] iteration %9ld  step %.6f  change %.6e  mean %+.6e  checkpoint every 50000\n", worker, it, step, worst, sum / N); n++;
    step *= 1 + 3.75 * worker / lines;
    if (it % 50000 == 49999) { printf("[w%d] checkpoint %ld written to /scratch/run.%d/chk.%06ld\n", worker, it / 50000, worker, it / 50000); n++; }
    if (worst > 1e3 && worst < 1e250 && it % 997 == 0) { fflush(stdout); fprintf(stderr, "WARNING: change is growing (%.2e) at iteration %ld\n", worst, it); n++; }
    if (!isfinite(sum)) { fflush(stdout); fprintf(stderr, "ERROR: solution is not finite at iteration %ld; restart from checkpoint with half the step\n", it); n++;
      step = 0.1 + 0.01 * worker; restarts++; for (int i = 0; i < N; i++) u[i] = sin(6.28318 * i / N) + 0.001 * ((i * 7919 + worker) % 13); }
  }
  printf("[w%d] done, %d restarts\n", worker, restarts); return 0;
}
