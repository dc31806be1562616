// Starts a program in a mount namespace of its own, for which the program must be born there: a namespace belongs to
// threads, and a running Node has many. docs/namespaces.md tells why each step is where it is.
//
//   launcher <pid of the parent> <program> [argument]...      the notifier itself, for an optimizer
//   launcher command <pid> <root or nothing>                  a command for a stand-alone notifier, see RunCommand
//   launcher container <pid file> <console socket or nothing> <runtime> [argument]...      see container.cc
//
// A failure of the first is one line `<stage> <errno> <text>` on stderr and exit status 81 (82: wrong arguments).
// Environment of its program: HOTLAYER_ROOT is `own`, or `shared <errno>` where the kernel refused a root of its own.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "container.h"

static constexpr int kExitFailed = 81, kExitUsage = 82;
// As a shell says it of a command.
static constexpr int kExitNotExecutable = 126, kExitNotFound = 127;

// By number, since the wrapper came with glibc 2.36; the same on every architecture.
static constexpr long kOpenTree = 428;
static constexpr unsigned kOpenTreeClone = 1, kAtRecursive = 0x8000;

// Where failures are told: stderr, or the socket to a stand-alone notifier, since stderr is the command's.
static int report_to = STDERR_FILENO;

static void Report(const char* stage, int error) { dprintf(report_to, "%s %d %s\n", stage, error, strerror(error)); }

[[noreturn]] static void Fail(const char* stage, int error) {
  Report(stage, error);
  _exit(kExitFailed);
}

// This process must not outlive the one that started it, whatever happens to that.
static void DieWithParent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail("prctl", errno);
  // It may have ended before the line above.
  if (getppid() != parent) Fail("getppid", ESRCH);
}

// Mounts made here do not reach the host; those that the host unmounts still leave here.
static void EnterNewMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0) Fail("unshare", errno);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) Fail("mount", errno);
}

// A runtime's pivot_root moves every process whose root is the namespace's root into the container's: an untrusted
// image. A root that is a clone of the mount tree is not the namespace's root and stays. Returns an errno, or 0.
// The descriptor stays open across exec: it keeps the cloned tree mounted.
static int TakeOwnRoot() {
  const long tree = syscall(kOpenTree, AT_FDCWD, "/", kOpenTreeClone | kAtRecursive);
  if (tree < 0) return errno;
  if (fchdir(static_cast<int>(tree)) != 0 || chroot(".") != 0) {
    const int error = errno;
    close(static_cast<int>(tree));
    if (chdir("/") != 0) Fail("chdir", errno);
    return error;
  }
  return 0;
}

static long PositiveNumber(const char* text) {
  char* end = nullptr;
  const long number = strtol(text, &end, 10);
  return *end == '\0' && number > 0 ? number : 0;
}

static int RunNotifier(pid_t parent, char** program) {
  DieWithParent(parent);
  EnterNewMountNamespace();
  const int error = TakeOwnRoot();
  const std::string root = error == 0 ? "own" : "shared " + std::to_string(error);
  if (setenv("HOTLAYER_ROOT", root.c_str(), 1) != 0) Fail("setenv", errno);
  execv(program[0], program);
  Fail("execv", errno);
}

static bool ReadAll(int file, char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = read(file, data, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

// Node raises the limit on descriptors to its maximum; the command gets the one that whoever started Node has.
static void RestoreDescriptorLimit(pid_t as) {
  rlimit own{}, other{};
  if (getrlimit(RLIMIT_NOFILE, &own) != 0 || prlimit(as, RLIMIT_NOFILE, nullptr, &other) != 0) return;
  own.rlim_cur = std::min(other.rlim_cur, own.rlim_max);
  setrlimit(RLIMIT_NOFILE, &own);
}

// Through the socket at descriptor 3: says "ready" when it is in its namespace, whose mounts the notifier then marks,
// and waits for what to execute: a u32 (the machine's byte order) of bytes to follow, the number of arguments, the
// arguments and the environment, each ended by a zero byte. They are bytes that Node cannot hand over as arguments.
// The mount table stays as it is, propagation included. The socket closes at the execution; before that, a line on it
// tells what failed. A notifier that is gone ends this process.
static int RunCommand(pid_t limits_as, const char* root) {
  report_to = 3;
  if (fcntl(report_to, F_SETFD, FD_CLOEXEC) != 0) return kExitUsage;
  if (unshare(CLONE_NEWNS) != 0) Fail("unshare", errno);
  if (*root != '\0' && (chroot(root) != 0 || chdir("/") != 0)) Fail("chroot", errno);
  dprintf(report_to, "ready\n");

  uint32_t size = 0;
  if (!ReadAll(report_to, reinterpret_cast<char*>(&size), sizeof size)) return kExitFailed;
  std::vector<char> text(size);
  if (!ReadAll(report_to, text.data(), size) || size == 0 || text.back() != '\0') return kExitFailed;
  std::vector<char*> words;
  for (size_t at = 0; at < size; at += strlen(&text[at]) + 1) words.push_back(&text[at]);
  const size_t arguments = static_cast<size_t>(PositiveNumber(words[0]));
  if (arguments == 0 || arguments >= words.size()) return kExitUsage;
  words.erase(words.begin());
  std::vector<char*> environment(words.begin() + static_cast<ptrdiff_t>(arguments), words.end());
  environment.push_back(nullptr);
  words.resize(arguments);
  words.push_back(nullptr);

  RestoreDescriptorLimit(limits_as);
  const char* slash = strrchr(words[0], '/');
  // The first event may be read before the execution has given the process its name.
  prctl(PR_SET_NAME, slash ? slash + 1 : words[0]);
  environ = environment.data();
  execvp(words[0], words.data());
  const int error = errno;
  Report("execvp", error);
  return error == ENOENT ? kExitNotFound : kExitNotExecutable;
}

int main(int count, char** arguments) {
  if (count == 4 && strcmp(arguments[1], "command") == 0)
    return RunCommand(static_cast<pid_t>(PositiveNumber(arguments[2])), arguments[3]);
  if (count >= 5 && strcmp(arguments[1], "container") == 0)
    return RunContainer(arguments[2], arguments[3], arguments + 4);
  const long parent = count >= 3 ? PositiveNumber(arguments[1]) : 0;
  if (parent == 0) {
    dprintf(STDERR_FILENO, "usage %d launcher <pid of the parent> <program> [argument]...\n", EINVAL);
    return kExitUsage;
  }
  return RunNotifier(static_cast<pid_t>(parent), arguments + 2);
}
