/* Takes each core away from everybody else, again and again, for some milliseconds: what a busy host does
 * to a virtual machine. `stall MAX_MS PERCENT`: at most so long at a time, and so much of the time. Needs the
 * right to real-time scheduling. Runs until it is killed. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int max_ms, percent;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void *take(void *argument) {
  long core = (long)argument;
  unsigned seed = core * 77 + time(NULL);
  struct sched_param priority = {.sched_priority = 50};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) ||
      pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority)) {
    fprintf(stderr, "stall: no real-time scheduling on core %ld\n", core);
    exit(1);
  }
  for (;;) {
    double length = (1 + rand_r(&seed) % max_ms) * 1e-3, end = now() + length;
    while (now() < end) {
    }
    usleep(length * 1e6 * (100 - percent) / percent * (rand_r(&seed) % 200) / 100.0);
  }
  return NULL;
}

int main(int count, char **words) {
  if (count != 3 || (max_ms = atoi(words[1])) < 1 || (percent = atoi(words[2])) < 1 || percent > 95) {
    fprintf(stderr, "usage: stall MAX_MS PERCENT\n");
    return 2;
  }
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  for (long core = 1; core < cores; core++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, take, (void *)core)) return 1;
  }
  take((void *)0);
}
