// Feeds its standard input to the parser; prints a line per event and how it ended.
#include "../../native/src/event_buffer.h"

#include <cinttypes>
#include <cstdio>
#include <vector>

int main() {
  std::vector<uint8_t> bytes;
  for (int byte; (byte = getchar()) != EOF;) bytes.push_back(static_cast<uint8_t>(byte));
  EventBuffer events(bytes.data(), bytes.size());
  RawEvent event;
  for (;;) {
    switch (events.Next(&event)) {
      case EventBufferStatus::kEvent:
        printf("%" PRIx64 " %d %d\n", event.mask, event.fd, event.pid);
        break;
      case EventBufferStatus::kEnd:
        return puts("end"), 0;
      case EventBufferStatus::kMalformed:
        return puts("malformed"), 0;
      case EventBufferStatus::kWrongVersion:
        return puts("wrong version"), 0;
    }
  }
}
