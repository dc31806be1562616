/*
 * A workload whose every access is known. Each argument is a verb, followed by its operands; they are done in order.
 * Static, so that it brings no accesses of a loader. Ends with status 1 at the first failure.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static int opened(const char *path, int flags) {
  int fd = open(path, flags, 0644);
  check(fd >= 0, path);
  return fd;
}

static void read_all(const char *path) {
  char buffer[65536];
  int fd = opened(path, O_RDONLY);
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
  close(fd);
}

static void map(const char *path) {
  int fd = opened(path, O_RDONLY);
  volatile const char *bytes = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
  check(bytes != MAP_FAILED, "mmap");
  (void)bytes[0];
  close(fd);
}

static void append(const char *path) {
  int fd = opened(path, O_WRONLY | O_APPEND | O_CREAT);
  check(write(fd, "x", 1) == 1, "write");
  close(fd);
}

static void run(const char *path) {
  pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    execl(path, path, (char *)NULL);
    perror(path);
    _exit(127);
  }
  int status;
  check(waitpid(child, &status, 0) == child && status == 0, path);
}

static void list(const char *path) {
  DIR *listing = opendir(path);
  check(listing != NULL, path);
  while (readdir(listing)) {
  }
  closedir(listing);
}

/* Opens and reads <folder>/0 … <folder>/<count - 1>. */
static void burst(const char *folder, int count) {
  char path[4096];
  for (int number = 0; number < count; number++) {
    snprintf(path, sizeof path, "%s/%d", folder, number);
    read_all(path);
  }
}

static void join(const char *path) {
  int fd = opened(path, O_RDONLY | O_CLOEXEC);
  check(setns(fd, CLONE_NEWNS) == 0, "setns");
  close(fd);
}

/* As runc enters a root file system. */
static void pivot(const char *root) {
  check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0, "mount rslave");
  check(mount(root, root, NULL, MS_BIND | MS_REC, NULL) == 0, "mount bind");
  check(chdir(root) == 0, root);
  check(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
  check(umount2(".", MNT_DETACH) == 0, "umount2");
  check(chdir("/") == 0, "/");
}

/* Makes and opens a file whose path has so many bytes: deeper than a path can be written in one piece. */
static void deep(int bytes) {
  char name[201];
  int length = 4;
  check(chdir("/tmp") == 0, "/tmp");
  memset(name, 'd', 200);
  name[200] = 0;
  for (; bytes - length > 1 + 200 + 2; length += 1 + 200) {
    check(mkdir(name, 0755) == 0, "mkdir");
    check(chdir(name) == 0, "chdir");
  }
  name[bytes - length - 1] = 0;
  close(opened(name, O_WRONLY | O_CREAT));
  check(chdir("/") == 0, "/");
}

/* Says that everything before is done, and waits for a line. */
static void ready(void) {
  char line[16];
  check(write(STDOUT_FILENO, "ready\n", 6) == 6, "stdout");
  check(read(STDIN_FILENO, line, sizeof line) > 0, "stdin");
}

/* For each line of stdin: opens that file and says so. */
static void serve(void) {
  static char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = '\0';
    close(opened(line, O_RDONLY));
    check(write(STDOUT_FILENO, "done\n", 5) == 5, "stdout");
  }
}

int main(int count, char **words) {
  struct stat status;
  for (int at = 1; at < count; at++) {
    const char *verb = words[at];
    const char *operand = at + 1 < count ? words[at + 1] : "";
    if (strcmp(verb, "ready") == 0) { ready(); continue; }
    if (strcmp(verb, "serve") == 0) { serve(); continue; }
    if (strcmp(verb, "newuser") == 0) { check(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare"); continue; }
    if (strcmp(verb, "newns") == 0) { check(unshare(CLONE_NEWNS) == 0, "unshare"); continue; }
    at++;
    if (strcmp(verb, "open") == 0) close(opened(operand, O_RDONLY));
    else if (strcmp(verb, "opath") == 0) close(opened(operand, O_PATH));
    else if (strcmp(verb, "read") == 0) read_all(operand);
    else if (strcmp(verb, "map") == 0) map(operand);
    else if (strcmp(verb, "append") == 0) append(operand);
    else if (strcmp(verb, "exec") == 0) run(operand);
    else if (strcmp(verb, "unlink") == 0) check(unlink(operand) == 0, operand);
    else if (strcmp(verb, "chmod") == 0) check(chmod(operand, 0700) == 0, operand);
    else if (strcmp(verb, "mknod") == 0) check(mknod(operand, S_IFREG | 0644, 0) == 0, operand);
    else if (strcmp(verb, "truncate") == 0) check(truncate(operand, atoll(words[++at])) == 0, operand);
    else if (strcmp(verb, "deep") == 0) deep(atoi(operand));
    else if (strcmp(verb, "list") == 0) list(operand);
    else if (strcmp(verb, "stat") == 0) check(stat(operand, &status) == 0, operand);
    else if (strcmp(verb, "mkdir") == 0) check(mkdir(operand, 0755) == 0, operand);
    else if (strcmp(verb, "chdir") == 0) check(chdir(operand) == 0, operand);
    else if (strcmp(verb, "join") == 0) join(operand);
    else if (strcmp(verb, "pivot") == 0) pivot(operand);
    else if (strcmp(verb, "chroot") == 0) check(chroot(operand) == 0 && chdir("/") == 0, operand);
    else if (strcmp(verb, "tmpfs") == 0) check(mount("none", operand, "tmpfs", 0, NULL) == 0, operand);
    else if (strcmp(verb, "rename") == 0) check(rename(operand, words[++at]) == 0, operand);
    else if (strcmp(verb, "burst") == 0) burst(operand, atoi(words[++at]));
    else { fprintf(stderr, "unknown verb %s\n", verb); return 2; }
  }
  return 0;
}
