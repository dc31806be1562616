// libFuzzer target: the parser of what read(2) on a fanotify descriptor returns, with any bytes at all.
#include "../../native/src/event_buffer.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  EventBuffer events(data, size);
  RawEvent event;
  size_t count = 0;
  EventBufferStatus status;
  while ((status = events.Next(&event)) == EventBufferStatus::kEvent) count++;
  // Each event takes at least its metadata: a parser that stands still would find more.
  if (count > size / EventBuffer::kMetadataBytes) abort();
  // What has ended or failed stays so.
  if (status != EventBufferStatus::kEnd && size == 0) abort();
  if (status == EventBufferStatus::kEnd && events.Next(&event) != EventBufferStatus::kEnd) abort();
  return 0;
}
