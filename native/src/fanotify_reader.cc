#include "fanotify_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string_view>

// Newer than the headers of Debian 12.
#ifndef FAN_REPORT_FD_ERROR
#define FAN_REPORT_FD_ERROR 0x00002000
#endif
#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x00000400
#endif

namespace {

constexpr uint64_t kEvents = FAN_OPEN | FAN_OPEN_EXEC;
constexpr unsigned kGroupFlags =
    FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS;
constexpr unsigned kEventFileFlags = O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME;

// So many events at once: enough that what is done per read costs little, few enough that others work meanwhile.
constexpr size_t kBufferBytesMax = 1024 * EventBuffer::kMetadataBytes;
// Left to the rest of the process while a buffer's worth of event descriptors is open.
constexpr size_t kSpareDescriptors = 32;
// The kernel gives at most PATH_MAX today; the protocol allows this much.
constexpr size_t kPathBytesMax = 64 * 1024;
constexpr char kDeletedSuffix[] = " (deleted)";
constexpr size_t kDeletedSuffixBytes = sizeof kDeletedSuffix - 1;

UniqueFd OpenHeldDirectory(const char* path) {
  UniqueFd directory(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) throw SystemError{"open", errno};
  return directory;
}

size_t OpenDescriptors() {
  DIR* listing = opendir("/proc/self/fd");
  if (!listing) throw SystemError{"opendir", errno};
  size_t count = 0;
  while (readdir(listing)) count++;
  closedir(listing);
  return count;
}

uint8_t KindsOf(uint64_t mask) {
  uint8_t kinds = 0;
  if (mask & FAN_OPEN) kinds |= kKindOpen;
  if (mask & FAN_OPEN_EXEC) kinds |= kKindExec;
  if (mask & FAN_ACCESS) kinds |= kKindRead;
  return kinds;
}

uint64_t NowMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// Closes the descriptors of a read's events at its end. The kernel has numbered them one after the other, but for what
// was in use: a run of numbers that are all ours is closed by one call (Linux 5.9).
class EventDescriptors {
 public:
  ~EventDescriptors() { CloseRun(); }

  void Add(int file) {
    if (file != last_ + 1) {
      CloseRun();
      first_ = file;
    }
    last_ = file;
  }

 private:
  // By number, since the wrapper came with glibc 2.34; the same on every architecture.
  static constexpr long kCloseRange = 436;

  void CloseRun() {
    if (first_ < 0) return;
    if (last_ > first_ && syscall(kCloseRange, first_, last_, 0) == 0) return;
    for (int file = first_; file <= last_; file++) close(file);
  }

  int first_ = -1;
  int last_ = -2;
};

}  // namespace

FanotifyReader::FanotifyReader(bool regular_files_only) : own_pid_(getpid()), regular_files_only_(regular_files_only) {
  group_.Reset(fanotify_init(kGroupFlags | FAN_REPORT_FD_ERROR, kEventFileFlags));
  reports_descriptor_errors_ = group_.valid();
  if (!group_.valid() && errno == EINVAL) group_.Reset(fanotify_init(kGroupFlags, kEventFileFlags));
  if (!group_.valid()) throw SystemError{"fanotify_init", errno};
  proc_ = OpenHeldDirectory("/proc");
  own_descriptors_ = OpenHeldDirectory("/proc/self/fd");
  buffer_.resize(BufferBytes());
  path_buffer_.resize(kPathBytesMax);
}

// read(2) opens a descriptor for each event in the buffer. Where the limit is hit, the kernel loses events: without
// FAN_REPORT_FD_ERROR even in silence.
size_t FanotifyReader::BufferBytes() const {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) throw SystemError{"getrlimit", errno};
  const size_t taken = OpenDescriptors() + kSpareDescriptors;
  const size_t free = limit.rlim_cur > taken ? static_cast<size_t>(limit.rlim_cur) - taken : 1;
  return std::min(free, kBufferBytesMax / EventBuffer::kMetadataBytes) * EventBuffer::kMetadataBytes;
}

void FanotifyReader::MarkAt(MarkKind kind, int directory, const std::string& path, bool reads) {
  UniqueFd root(openat(directory, path.c_str(), O_PATH | O_CLOEXEC));
  if (!root.valid()) throw SystemError{"open", errno};
  const unsigned scope = kind == MarkKind::kFilesystem ? FAN_MARK_FILESYSTEM : FAN_MARK_MOUNT;
  const uint64_t events = reads ? kEvents | FAN_ACCESS : kEvents;
  if (fanotify_mark(group_.get(), FAN_MARK_ADD | scope, events, directory, path.c_str()) != 0)
    throw SystemError{"fanotify_mark", errno};
  UseRoot(std::move(root));
}

void FanotifyReader::UseRoot(UniqueFd root) {
  root_ = std::move(root);
  root_path_.assign(path_buffer_.data(), ReadLink(root_.get()));
  if (root_path_ == "/") root_path_.clear();
}

void FanotifyReader::Mark(MarkKind kind, const std::string& path, bool reads) {
  MarkAt(kind, AT_FDCWD, path, reads);
}

void FanotifyReader::MarkMountOfRoot(pid_t pid, bool reads) {
  MarkAt(MarkKind::kMount, proc_.get(), std::to_string(pid) + "/root", reads);
}

void FanotifyReader::UseRootOf(pid_t pid) {
  UniqueFd root(openat(proc_.get(), (std::to_string(pid) + "/root").c_str(), O_PATH | O_CLOEXEC));
  if (!root.valid()) throw SystemError{"open", errno};
  UseRoot(std::move(root));
}

void FanotifyReader::MarkMountAt(const std::string& path, bool reads) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  // An absolute link on the way starts from that root, not from ours.
  how.resolve = RESOLVE_IN_ROOT;
  const UniqueFd target(static_cast<int>(syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how)));
  if (!target.valid()) throw SystemError{"openat2", errno};
  // fanotify_mark takes no O_PATH descriptor; its name in /proc/self/fd is as good.
  const std::string name = std::to_string(target.get());
  const uint64_t events = reads ? kEvents | FAN_ACCESS : kEvents;
  if (fanotify_mark(group_.get(), FAN_MARK_ADD | FAN_MARK_MOUNT, events, own_descriptors_.get(), name.c_str()) != 0)
    throw SystemError{"fanotify_mark", errno};
}

bool FanotifyReader::Read(AccessBatch* batch) {
  ssize_t size;
  do {
    size = read(group_.get(), buffer_.data(), buffer_.size());
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return false;
  if (size < 0 && (errno == EMFILE || errno == ENFILE)) {
    // A kernel that does not report this in an event has dropped one.
    counters_.read++;
    counters_.descriptor_errors++;
    return true;
  }
  if (size < 0) throw SystemError{"read", errno};

  const uint64_t now_microseconds = NowMicroseconds();
  commands_.clear();
  EventDescriptors descriptors;
  EventBuffer events(buffer_.data(), static_cast<size_t>(size));
  RawEvent event;
  EventBufferStatus status;
  while ((status = events.Next(&event)) == EventBufferStatus::kEvent) {
    if (event.fd >= 0) descriptors.Add(event.fd);
    Take(event, now_microseconds, batch);
  }
  if (status != EventBufferStatus::kEnd) throw SystemError{"read", EPROTO};
  return true;
}

void FanotifyReader::Take(const RawEvent& event, uint64_t now_microseconds, AccessBatch* batch) {
  counters_.read++;
  if (event.mask & FAN_Q_OVERFLOW) {
    counters_.overflows++;
  } else if (event.fd < 0) {
    counters_.descriptor_errors++;
  } else if (event.pid == own_pid_) {
    // Before anything else: our own look at a file must not make it one that the workload has seen.
    counters_.ignored_own++;
  } else {
    TakeFile(event, now_microseconds, batch);
  }
}

void FanotifyReader::TakeFile(const RawEvent& event, uint64_t now_microseconds, AccessBatch* batch) {
  struct stat status;
  if (fstat(event.fd, &status) != 0) {
    counters_.unresolved++;
    return;
  }
  if (regular_files_only_ && !S_ISREG(status.st_mode)) {
    counters_.merged++;
    return;
  }
  Seen& seen = seen_[FileId{status.st_dev, status.st_ino}];
  const uint8_t kinds = KindsOf(event.mask);
  const uint8_t new_kinds = kinds & ~seen.kinds;
  if (new_kinds == 0) {
    counters_.merged++;
    // Most files are opened once: only one that is opened again is worth a mark.
    if (kinds & ~seen.ignored) Ignore(event.fd, event.mask & (kEvents | FAN_ACCESS));
    seen.ignored |= kinds;
    return;
  }
  size_t path_bytes = ReadLink(event.fd);
  if (path_bytes == 0) {
    counters_.unresolved++;
    return;
  }
  if (IsRemoved(status, path_bytes)) {
    counters_.deleted++;
    path_bytes -= kDeletedSuffixBytes;
  }
  seen.kinds |= new_kinds;

  batch->names.append(path_buffer_.data(), path_bytes);
  const std::string& command = CommandOf(event.pid);
  batch->names.append(command);
  batch->accesses.push_back(FileAccess{path_bytes, command.size(), new_kinds, event.pid,
                                       static_cast<uint64_t>(status.st_size), now_microseconds});
}

// Spares the workload further events of this file. Only the bits that have come: an exec or a read after an open must
// still be told. Failure costs time, nothing else: the set of seen files decides.
void FanotifyReader::Ignore(int file, uint64_t mask) {
  const unsigned survive = FAN_MARK_ADD | FAN_MARK_IGNORED_SURV_MODIFY;
  if (!old_ignore_flag_) {
    if (fanotify_mark(group_.get(), survive | FAN_MARK_IGNORE, mask, file, nullptr) == 0 || errno != EINVAL) return;
    old_ignore_flag_ = true;  // Linux before 6.0
  }
  fanotify_mark(group_.get(), survive | FAN_MARK_IGNORED_MASK, mask, file, nullptr);
}

// Puts the name that the kernel has for a descriptor of ours, as bytes, into path_buffer_. Returns its size, or 0.
size_t FanotifyReader::ReadLink(int file) {
  char number[16];
  snprintf(number, sizeof number, "%d", file);
  const ssize_t size = readlinkat(own_descriptors_.get(), number, path_buffer_.data(), path_buffer_.size());
  return size <= 0 || static_cast<size_t>(size) == path_buffer_.size() ? 0 : static_cast<size_t>(size);
}

// The kernel puts a suffix to the name of a file that was removed; but a file may also be called so. The link count
// tells nothing: a removed file of a lower layer keeps it. So: is the file there by that name?
bool FanotifyReader::IsRemoved(const struct stat& file, size_t path_bytes) const {
  const std::string_view path(path_buffer_.data(), path_bytes);
  if (path.size() <= kDeletedSuffixBytes) return false;
  if (path.substr(path.size() - kDeletedSuffixBytes) != kDeletedSuffix) return false;
  // As seen through the host's mount, the path begins with the mount point; inside the container it does not.
  const bool from_mount_point = path.substr(0, root_path_.size() + 1) == root_path_ + "/";
  const std::string inside(path.substr(from_mount_point ? root_path_.size() + 1 : 1));
  struct stat named;
  if (fstatat(root_.get(), inside.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return true;
  return named.st_dev != file.st_dev || named.st_ino != file.st_ino;
}

// What /proc/<pid>/comm says now, or nothing when the process has ended.
const std::string& FanotifyReader::CommandOf(pid_t pid) {
  const auto [entry, is_new] = commands_.try_emplace(pid);
  std::string& command = entry->second;
  if (is_new) {
    const std::string path = std::to_string(pid) + "/comm";
    const UniqueFd file(openat(proc_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[64];
    const ssize_t size = file.valid() ? read(file.get(), text, sizeof text) : -1;
    if (size > 0) command.assign(text, static_cast<size_t>(size) - (text[size - 1] == '\n' ? 1 : 0));
  }
  return command;
}

void FanotifyReader::ForgetSeen() {
  // Without FAN_MARK_MOUNT or FAN_MARK_FILESYSTEM only inode marks go: the ignore marks, never the mark itself.
  if (fanotify_mark(group_.get(), FAN_MARK_FLUSH, 0, AT_FDCWD, nullptr) != 0) throw SystemError{"fanotify_mark", errno};
  seen_.clear();
}
