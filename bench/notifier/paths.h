/* A set of paths that only grows, in the order in which they came. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct path {
  uint64_t hash;
  size_t size;
  char *bytes;
};

struct paths {
  struct path *list;
  size_t count, room;
  /* Positions in the list, from 1; 0 is free. A power of two of them, at most half of which are taken. */
  uint32_t *slots;
  size_t slot_count;
};

static inline uint64_t path_hash(const char *bytes, size_t size) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (size_t at = 0; at < size; at++) hash = (hash ^ (unsigned char)bytes[at]) * 0x100000001b3ULL;
  return hash ^ (hash >> 32);
}

static inline void paths_grow(struct paths *paths) {
  paths->room = paths->room ? paths->room * 2 : 1024;
  paths->list = realloc(paths->list, paths->room * sizeof *paths->list);
  free(paths->slots);
  paths->slot_count = paths->room * 2;
  paths->slots = calloc(paths->slot_count, sizeof *paths->slots);
  if (!paths->list || !paths->slots) abort();
  for (size_t at = 0; at < paths->count; at++) {
    size_t slot = paths->list[at].hash & (paths->slot_count - 1);
    while (paths->slots[slot]) slot = (slot + 1) & (paths->slot_count - 1);
    paths->slots[slot] = (uint32_t)at + 1;
  }
}

/* Returns 1 for a path that was not there before. */
static inline int paths_add(struct paths *paths, const char *bytes, size_t size) {
  if (paths->count == paths->room) paths_grow(paths);
  const uint64_t hash = path_hash(bytes, size);
  size_t slot = hash & (paths->slot_count - 1);
  for (; paths->slots[slot]; slot = (slot + 1) & (paths->slot_count - 1)) {
    const struct path *there = &paths->list[paths->slots[slot] - 1];
    if (there->hash == hash && there->size == size && memcmp(there->bytes, bytes, size) == 0) return 0;
  }
  char *copy = malloc(size);
  if (!copy) abort();
  memcpy(copy, bytes, size);
  paths->list[paths->count++] = (struct path){hash, size, copy};
  paths->slots[slot] = (uint32_t)paths->count;
  return 1;
}
