// A fanotify group that tells of each file once: first access, in order, with the path the kernel gives it.
// Knows nothing of JavaScript.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "event_buffer.h"
#include "unique_fd.h"

// A system call failed; the binding turns it into what node:fs throws.
struct SystemError {
  const char* syscall;
  int error;
};

enum class MarkKind { kFilesystem, kMount };

// Bits of shared/messages.ts, KIND.
enum : uint8_t { kKindOpen = 1, kKindExec = 2, kKindRead = 4 };

struct FileAccess {
  size_t path_bytes;
  size_t command_bytes;  // 0: the process had ended
  uint8_t kinds;         // only those not told before
  pid_t pid;
  uint64_t size_bytes;
  uint64_t read_microseconds;  // CLOCK_MONOTONIC
};

// Files in order of their first access. Their names lie one after the other: path, command, path, command, ...
struct AccessBatch {
  std::string names;
  std::vector<FileAccess> accesses;

  bool empty() const { return accesses.empty(); }
  void Clear() {
    names.clear();
    accesses.clear();
  }
};

// Names and meanings: shared/messages.ts, Counters.
struct ReaderCounters {
  uint64_t read = 0;
  uint64_t merged = 0;
  uint64_t overflows = 0;
  uint64_t descriptor_errors = 0;
  uint64_t unresolved = 0;
  uint64_t deleted = 0;
  uint64_t ignored_own = 0;
};

class FanotifyReader {
 public:
  // Opens the group and everything that later needs a path: /proc and /proc/self/fd. `regular_files_only`: events of
  // devices, FIFOs and sockets count as merged. Throws SystemError.
  explicit FanotifyReader(bool regular_files_only);

  // `path` is absolute. `reads`: FAN_ACCESS too, as evidence that a file was not only opened. Throws SystemError.
  void Mark(MarkKind kind, const std::string& path, bool reads);
  // Marks the mount that is the root of a process, found through the held /proc. Throws SystemError.
  void MarkMountOfRoot(pid_t pid, bool reads);

  // For several marks in a mount namespace that need not be ours: paths are those of process `pid`. Throws SystemError.
  void UseRootOf(pid_t pid);
  // Marks the mount that `path` lies on, as seen from that root. Throws SystemError.
  void MarkMountAt(const std::string& path, bool reads);
  // What the kernel puts in front of a path below that root; empty for a root that is its namespace's.
  const std::string& root_path() const { return root_path_; }

  // One read(2), which takes as many events as the free descriptors allow. Appends the files that are new.
  // Returns false when no event was waiting. Throws SystemError.
  bool Read(AccessBatch* batch);

  // Every file counts as new again; the mark stays.
  void ForgetSeen();

  int fd() const { return group_.get(); }
  const ReaderCounters& counters() const { return counters_; }
  // Does the kernel report an event that it cannot open a descriptor for?
  bool reports_descriptor_errors() const { return reports_descriptor_errors_; }

 private:
  struct FileId {
    dev_t device;
    ino_t inode;
    bool operator==(const FileId& other) const { return device == other.device && inode == other.inode; }
  };
  struct FileIdHash {
    size_t operator()(const FileId& id) const {
      // Inode numbers are dense: the multiplication spreads them, the device only tells layers apart.
      return static_cast<size_t>((id.inode ^ (id.device << 32)) * 0x9e3779b97f4a7c15ull);
    }
  };
  struct Seen {
    uint8_t kinds;    // told
    uint8_t ignored;  // no longer reported by the kernel
  };

  void UseRoot(UniqueFd root);
  void MarkAt(MarkKind kind, int directory, const std::string& path, bool reads);
  size_t BufferBytes() const;
  void Take(const RawEvent& event, uint64_t now_microseconds, AccessBatch* batch);
  void TakeFile(const RawEvent& event, uint64_t now_microseconds, AccessBatch* batch);
  void Ignore(int file, uint64_t mask);
  size_t ReadLink(int file);
  bool IsRemoved(const struct stat& file, size_t path_bytes) const;
  const std::string& CommandOf(pid_t pid);

  UniqueFd group_;
  UniqueFd proc_;
  UniqueFd own_descriptors_;
  // What was marked, and its path, empty for "/".
  UniqueFd root_;
  std::string root_path_;
  pid_t own_pid_;
  bool regular_files_only_;
  bool reports_descriptor_errors_ = false;
  bool old_ignore_flag_ = false;
  std::vector<uint8_t> buffer_;
  std::vector<char> path_buffer_;
  std::unordered_map<FileId, Seen, FileIdHash> seen_;
  // Of one read only: a pid keeps its command name no longer than until its next exec. Empty: it has ended.
  std::unordered_map<pid_t, std::string> commands_;
  ReaderCounters counters_;
};
