// Starts a program in a mount namespace of its own, for which the program must be born there: a namespace belongs to
// threads, and a running Node has many. docs/namespaces.md tells why each step is where it is.
//
//   launcher <pid of the parent> <program> [argument]...
//
// A failure is one line `<stage> <errno> <text>` on stderr and exit status 81 (82: the arguments are wrong).
// Environment of the program: HOTLAYER_ROOT is `own`, or `shared <errno>` where the kernel refused a root of its own.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

static constexpr int kExitFailed = 81, kExitUsage = 82;

// By number, since the wrapper came with glibc 2.36; the same on every architecture.
static constexpr long kOpenTree = 428;
static constexpr unsigned kOpenTreeClone = 1, kAtRecursive = 0x8000;

[[noreturn]] static void Fail(const char* stage, int error) {
  dprintf(STDERR_FILENO, "%s %d %s\n", stage, error, strerror(error));
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

int main(int count, char** arguments) {
  char* end = nullptr;
  const long parent = count >= 3 ? strtol(arguments[1], &end, 10) : 0;
  if (count < 3 || *end != '\0' || parent <= 0) {
    dprintf(STDERR_FILENO, "usage %d launcher <pid of the parent> <program> [argument]...\n", EINVAL);
    return kExitUsage;
  }
  DieWithParent(static_cast<pid_t>(parent));
  EnterNewMountNamespace();
  const int error = TakeOwnRoot();
  const std::string root = error == 0 ? "own" : "shared " + std::to_string(error);
  if (setenv("HOTLAYER_ROOT", root.c_str(), 1) != 0) Fail("setenv", errno);
  execv(arguments[2], arguments + 2);
  Fail("execv", errno);
}
