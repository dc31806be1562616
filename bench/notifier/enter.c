/*
 * Runs a workload in a root folder and says what it cost:
 *
 *   enter <namespace> <root> <file for the figures> <program> [argument]...
 *
 * <namespace> is the pid of the process whose mount namespace it runs in; "own": one of its own; "same": the one it is in.
 * The figures are one line of JSON: times are nanoseconds of CLOCK_MONOTONIC, costs those of wait4(2) in microseconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long microseconds(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

static void enter_namespace(const char *which) {
  if (strcmp(which, "same") == 0) return;
  if (strcmp(which, "own") == 0) {
    check(unshare(CLONE_NEWNS) == 0, "unshare");
    return;
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/mnt", which);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  check(file >= 0, path);
  check(setns(file, CLONE_NEWNS) == 0, "setns");
  close(file);
}

int main(int count, char **words) {
  if (count < 5) return 2;
  FILE *figures = fopen(words[3], "we");
  check(figures != NULL, words[3]);
  enter_namespace(words[1]);
  check(chroot(words[2]) == 0 && chdir("/") == 0, words[2]);

  const long long started = now();
  pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    execv(words[4], words + 4);
    perror(words[4]);
    _exit(127);
  }
  int status;
  struct rusage usage;
  check(wait4(child, &status, 0, &usage) == child, "wait4");
  const long long ended = now();
  fprintf(figures, "{\"startedNs\":%lld,\"endedNs\":%lld,\"cpuMicroseconds\":%lld,\"maxRssKib\":%ld}\n", started,
          ended, microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_maxrss);
  check(fclose(figures) == 0, "figures");
  return status == 0 ? 0 : 1;
}
