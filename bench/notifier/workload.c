/*
 * The synthetic workloads of the notifier's benchmark: they open what they are told to, and nothing else.
 * Static, so that it brings no accesses of a loader.
 *
 *   workload read <folder> <first> <count> <times>         reads <folder>/<n / 1000>/<n>, all of them, so many times
 *   workload storm <folder> <processes> <runs> <programs> <files>
 *       so many processes at once, each of which executes <folder>/program-<n> so many times, one after the other; each
 *       execution reads so many files of its own
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_PER_FOLDER = 1000, PATH_BYTES = 4096 };

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static void read_file(const char *path) {
  char buffer[4096];
  int file = open(path, O_RDONLY);
  check(file >= 0, path);
  while (read(file, buffer, sizeof buffer) > 0) {
  }
  close(file);
}

static void read_files(const char *folder, int first, int count, int times) {
  char path[PATH_BYTES];
  for (int time = 0; time < times; time++)
    for (int number = first; number < first + count; number++) {
      snprintf(path, sizeof path, "%s/%d/%d", folder, number / FILES_PER_FOLDER, number);
      read_file(path);
    }
}

static void execute(const char *program, const char *folder, int first, int count) {
  pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    char from[16], files[16];
    snprintf(from, sizeof from, "%d", first);
    snprintf(files, sizeof files, "%d", count);
    execl(program, program, "read", folder, from, files, "1", (char *)NULL);
    perror(program);
    _exit(127);
  }
  int status;
  check(waitpid(child, &status, 0) == child && status == 0, program);
}

static void storm(const char *folder, int processes, int runs, int programs, int files) {
  for (int process = 0; process < processes; process++) {
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child > 0) continue;
    for (int run = process * runs; run < (process + 1) * runs; run++) {
      char program[PATH_BYTES];
      snprintf(program, sizeof program, "%s/program-%d", folder, run % programs);
      execute(program, folder, run * files, files);
    }
    _exit(0);
  }
  int status, failed = 0;
  while (wait(&status) > 0) failed |= status;
  check(!failed, "storm");
}

int main(int count, char **words) {
  if (count == 6 && strcmp(words[1], "read") == 0)
    read_files(words[2], atoi(words[3]), atoi(words[4]), atoi(words[5]));
  else if (count == 7 && strcmp(words[1], "storm") == 0)
    storm(words[2], atoi(words[3]), atoi(words[4]), atoi(words[5]), atoi(words[6]));
  else
    return 2;
  return 0;
}
