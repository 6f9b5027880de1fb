/* What a process holds, looked at from inside: to be preloaded into the servers of soak.sh and web.sh.
 *
 * Twice a second it gives back to the system what the C library keeps of freed memory, and appends
 * a line to the file that CORIO_METER names: resident KiB, and KiB that the program has allocated
 * and not freed. Without the first the resident size tells the largest burst so far, for ever, and a
 * leak of 1 KiB/s is lost in it. The thread lives as long as the process.
 *
 * If CORIO_METER_WHILE names a file, it does so only while that exists: giving memory back takes the
 * allocator's locks, which is no way to treat a server whose latency is measured. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Between two looks, in microseconds. */
#define PAUSE 500000
/* Of the thread, in bytes: it prints a line. */
#define STACK 65536

/* KiB, from the second number of /proc/self/statm. */
static long resident(int statm) {
  char text[128];
  long all, pages = 0;
  ssize_t n = pread(statm, text, sizeof text - 1, 0);
  if (n <= 0) return 0;
  text[n] = 0;
  if (sscanf(text, "%ld %ld", &all, &pages) != 2) return 0;
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Both files stay open: descriptors are counted, too. */
static void *look(void *path) {
  int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  FILE *out = fopen(path, "ae");
  char *only_while = getenv("CORIO_METER_WHILE");
  while (statm >= 0 && out) {
    usleep(PAUSE);
    if (only_while && access(only_while, F_OK) != 0) continue;
    malloc_trim(0);
    struct mallinfo2 held = mallinfo2();
    fprintf(out, "%ld %zu\n", resident(statm), (held.uordblks + held.hblkhd) / 1024);
    fflush(out);
  }
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  char *path = getenv("CORIO_METER");
  pthread_attr_t small;
  pthread_t thread;
  if (!path || pthread_attr_init(&small)) return;
  pthread_attr_setstacksize(&small, STACK);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  pthread_create(&thread, &small, look, path);
}
