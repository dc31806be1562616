/*
 * Starts a program that watches files, in a mount namespace of its own, and takes what it tells of, as fast as it can:
 *
 *   client lines <root> <program> [argument]...     the program writes a path per line
 *   client peer <root> <program> [argument]...      `ctr-remote fanotify`: a descriptor per line, and waits for "ack"
 *
 * stdin and stdout are for the benchmark, a line each: "ready" when the program watches; told "end", "done" when all that
 * happened before has come; told "quit" it kills the program and writes the paths, a zero byte after each.
 * All has come when a file of ours, <root>/.end, which is opened last, has come. Where the program's queue has overflown
 * that event is lost, too: after a while of silence the file is opened again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "paths.h"

enum { PATH_BYTES = 4096, SILENCE_MS = 300 };

static const char end_name[] = "/.end";

struct stream {
  int file;
  size_t size;
  char bytes[1 << 16];
};

static pid_t child;
static int to_child, descriptors, is_peer;
static struct stream from_child, commands = {.file = STDIN_FILENO};
static struct paths paths;
static char end_path[PATH_BYTES];
static long long last_ns, end_ns;

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  if (child > 0) kill(child, SIGKILL);
  exit(1);
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void start(char **command) {
  int in[2], out[2];
  check(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipe2");
  child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    check(unshare(CLONE_NEWNS) == 0, "unshare");
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_child = in[1];
  from_child.file = out[0];
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", child);
  descriptors = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  check(descriptors >= 0, path);
}

static void say_to_child(const char *line) {
  check(write(to_child, line, strlen(line)) == (ssize_t)strlen(line), "the watching program's stdin");
}

/* Takes the next line out of what was read, without its end; NULL where none is whole. Valid until the next fill. */
static char *next_line(struct stream *stream, size_t *at) {
  char *from = stream->bytes + *at;
  char *end = memchr(from, '\n', stream->size - *at);
  if (!end) return NULL;
  *end = '\0';
  *at = (size_t)(end - stream->bytes) + 1;
  return from;
}

static void drop(struct stream *stream, size_t used) {
  memmove(stream->bytes, stream->bytes + used, stream->size - used);
  stream->size -= used;
}

/* Returns 0 at the end of the stream. */
static int fill(struct stream *stream) {
  const ssize_t size = read(stream->file, stream->bytes + stream->size, sizeof stream->bytes - stream->size);
  check(size >= 0 || errno == EINTR, "read");
  if (size > 0) stream->size += (size_t)size;
  return size != 0;
}

static void take_path(const char *path, size_t size) {
  const size_t end_size = strlen(end_path);
  if (size == end_size && memcmp(path, end_path, size) == 0) {
    end_ns = now();
    return;
  }
  last_ns = now();
  paths_add(&paths, path, size);
}

static void take(const char *line) {
  if (!is_peer) {
    take_path(line, strlen(line));
    return;
  }
  char path[PATH_BYTES];
  check(strncmp(line, "fd:", 3) == 0, line);
  const ssize_t size = readlinkat(descriptors, line + 3, path, sizeof path);
  check(size > 0, "readlinkat");
  say_to_child("ack\n");
  take_path(path, (size_t)size);
}

static void take_lines(void) {
  check(fill(&from_child), "the watching program has ended");
  size_t used = 0;
  for (const char *line; (line = next_line(&from_child, &used));) take(line);
  drop(&from_child, used);
}

/* In the namespace that is watched. */
static void open_end(void) {
  char path[2 * PATH_BYTES];
  snprintf(path, sizeof path, "/proc/%d/root%s", child, end_path);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  check(file >= 0, path);
  close(file);
}

static void await_started(void) {
  if (is_peer) say_to_child("start\n");
  size_t used = 0;
  const char *line;
  while (!(line = next_line(&from_child, &used))) check(fill(&from_child), "the watching program has ended");
  check(strcmp(line, "started") == 0, line);
  drop(&from_child, used);
}

/* Takes what comes until a command is there, or, with a limit, until so long nothing came; returns the command. */
static const char *serve(int silence_ms) {
  for (;;) {
    struct pollfd polled[] = {{from_child.file, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    const int ready = poll(polled, 2, silence_ms);
    check(ready >= 0 || errno == EINTR, "poll");
    if (ready == 0) return NULL;
    if (polled[0].revents) take_lines();
    if (end_ns) return NULL;
    if (!polled[1].revents) continue;
    drop(&commands, commands.size);
    if (!fill(&commands)) return "quit";
    size_t used = 0;
    const char *line = next_line(&commands, &used);
    if (line) return line;
  }
}

static void await_end(void) {
  int times = 0;
  while (!end_ns) {
    open_end();
    times++;
    serve(SILENCE_MS);
  }
  /* Silence is not what the program takes its time for. */
  const long long done_ns = times == 1 ? end_ns : last_ns;
  printf("done {\"doneNs\":%lld}\n", done_ns);
  fflush(stdout);
}

int main(int count, char **words) {
  if (count < 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  is_peer = strcmp(words[1], "peer") == 0;
  snprintf(end_path, sizeof end_path, "%s%s", words[2], end_name);
  const long long begun = now();
  start(words + 3);
  await_started();
  printf("ready {\"pid\":%d,\"startNs\":%lld}\n", child, now() - begun);
  fflush(stdout);
  const char *command = serve(-1);
  if (command && strcmp(command, "end") == 0) {
    await_end();
    char line[16];
    if (!fgets(line, sizeof line, stdin)) line[0] = '\0';
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  for (size_t at = 0; at < paths.count; at++) {
    fwrite(paths.list[at].bytes, 1, paths.list[at].size, stdout);
    putchar('\0');
  }
  return 0;
}
