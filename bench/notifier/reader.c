/*
 * The least that anybody who watches files by fanotify must do: the name of each event's file, once, to stdout, a line
 * each. What it leaves out costs nothing: whether a name is one of a removed file, who has read it, a second kind of
 * access, what happens when descriptors or the reader of stdout are short.
 *
 *   reader <root>          says "started" when everything on the file system of <root> is watched
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "paths.h"

enum { EVENTS_BYTES = 64 * 1024, LINES_BYTES = 64 * 1024, PATH_BYTES = 4096 };

static char lines[LINES_BYTES];
static size_t line_bytes;

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static void write_lines(void) {
  for (size_t at = 0; at < line_bytes;) {
    const ssize_t written = write(STDOUT_FILENO, lines + at, line_bytes - at);
    check(written > 0, "write");
    at += (size_t)written;
  }
  line_bytes = 0;
}

static void tell(const char *path, size_t size) {
  if (line_bytes + size + 1 > sizeof lines) write_lines();
  memcpy(lines + line_bytes, path, size);
  lines[line_bytes + size] = '\n';
  line_bytes += size + 1;
}

static void take(int file, int descriptors, struct paths *told) {
  char number[16], path[PATH_BYTES];
  snprintf(number, sizeof number, "%d", file);
  const ssize_t size = readlinkat(descriptors, number, path, sizeof path);
  close(file);
  if (size > 0 && paths_add(told, path, (size_t)size)) tell(path, (size_t)size);
}

int main(int count, char **words) {
  static char events[EVENTS_BYTES] __attribute__((aligned(8)));
  static struct paths told;
  check(count == 2, "usage: reader <root>");
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  const unsigned unlimited = FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS;
  const int group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | unlimited, O_RDONLY | O_LARGEFILE | O_CLOEXEC);
  check(group >= 0, "fanotify_init");
  const int descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  check(descriptors >= 0, "/proc/self/fd");
  const uint64_t kinds = FAN_OPEN | FAN_OPEN_EXEC;
  check(fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kinds, AT_FDCWD, words[1]) == 0, "fanotify_mark");
  check(write(STDOUT_FILENO, "started\n", 8) == 8, "write");

  for (;;) {
    const ssize_t size = read(group, events, sizeof events);
    check(size > 0 || errno == EINTR, "read");
    const struct fanotify_event_metadata *event = (const void *)events;
    for (ssize_t rest = size; FAN_EVENT_OK(event, rest); event = FAN_EVENT_NEXT(event, rest))
      if (event->fd >= 0) take(event->fd, descriptors, &told);
    write_lines();
  }
}
