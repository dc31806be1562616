// Parser of what read(2) on a fanotify descriptor returns. No system call, no allocation: it can be fed any bytes.
// Layout: fanotify(7), struct fanotify_event_metadata. Byte order is the machine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

struct RawEvent {
  uint64_t mask;
  int32_t fd;
  int32_t pid;
};

enum class EventBufferStatus {
  kEvent,         // Next() filled its argument
  kEnd,           // all bytes are used up
  kMalformed,     // a length that cannot be
  kWrongVersion,  // the kernel speaks another version of the structure
};

class EventBuffer {
 public:
  static constexpr size_t kMetadataBytes = 24;
  static constexpr uint8_t kVersion = 3;

  EventBuffer(const uint8_t* data, size_t size) : data_(data), rest_(size) {}

  EventBufferStatus Next(RawEvent* event) {
    if (rest_ == 0) return EventBufferStatus::kEnd;
    if (rest_ < kMetadataBytes) return EventBufferStatus::kMalformed;
    uint32_t event_bytes;
    uint16_t metadata_bytes;
    std::memcpy(&event_bytes, data_, sizeof event_bytes);
    std::memcpy(&metadata_bytes, data_ + 6, sizeof metadata_bytes);
    // The version first: of another one nothing else is known to hold.
    if (data_[4] != kVersion) return EventBufferStatus::kWrongVersion;
    if (metadata_bytes < kMetadataBytes || event_bytes < metadata_bytes || event_bytes > rest_)
      return EventBufferStatus::kMalformed;
    std::memcpy(&event->mask, data_ + 8, sizeof event->mask);
    std::memcpy(&event->fd, data_ + 16, sizeof event->fd);
    std::memcpy(&event->pid, data_ + 20, sizeof event->pid);
    // Information records, which we do not ask for, follow the metadata and are stepped over.
    data_ += event_bytes;
    rest_ -= event_bytes;
    return EventBufferStatus::kEvent;
  }

 private:
  const uint8_t* data_;
  size_t rest_;
};
