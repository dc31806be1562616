// The parent of a container's process: what a shim is to containerd.
//
//   launcher container <pid file> <console socket or nothing> <runtime> [argument]...
//
// Starts the runtime, which creates a container (or a process in one), writes the process' pid into the file and ends.
// The process is this one's child then, because this one has made itself the reaper of orphans: it learns how it ended.
// Through the socket at descriptor 3 it says, a line each: `failed <status>` when the runtime did not end with 0, else
// `created <pid>`, and at the end `ended <status>`, 128 + signal where a signal ended it, -1 where that is not known. It hears `signal <number>` and
// `size <columns> <rows>`. When the socket ends, whoever wanted the container is gone: its process is killed.
//
// With a console socket the container has a terminal, whose other end the runtime sends there: what it says goes to
// stdout, what comes at stdin goes into it. Without one stdin, stdout and stderr are the container's alone.
#include "container.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int kSocket = 3, kFailed = 81, kUsage = 82;
constexpr int kSignalOffset = 128, kNotFound = 127, kUnknown = -1;
// For what the runtime may have left when it is killed.
constexpr unsigned kReapSeconds = 5;

int StatusOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? kSignalOffset + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

// Not listened to any more where nobody reads: its end is seen elsewhere.
void Say(const char* word, int number) {
  const std::string line = std::string(word) + " " + std::to_string(number) + "\n";
  if (send(kSocket, line.data(), line.size(), MSG_NOSIGNAL) < 0) return;
}

void SetNonBlocking(int file) { fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK); }

int ListenAt(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 1) != 0) return -1;
  return listener;
}

// The terminal's other end, as the runtime sends it: a descriptor beside its name.
int ReceiveTerminal(int listener) {
  const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return -1;
  char name[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec data{name, sizeof name};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  int terminal = -1;
  if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) > 0) {
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) memcpy(&terminal, CMSG_DATA(header), sizeof terminal);
  }
  close(connection);
  if (terminal >= 0) SetNonBlocking(terminal);
  return terminal;
}

class Parent {
 public:
  Parent(const char* pid_file, int listener) : pid_file_(pid_file), listener_(listener) {}

  int Run(char** command) {
    sigset_t child_ends;
    sigemptyset(&child_ends);
    sigaddset(&child_ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_ends, nullptr);
    signals_ = signalfd(-1, &child_ends, SFD_CLOEXEC | SFD_NONBLOCK);
    runtime_ = fork();
    if (runtime_ < 0) return kFailed;
    if (runtime_ == 0) {
      sigprocmask(SIG_UNBLOCK, &child_ends, nullptr);
      signal(SIGPIPE, SIG_DFL);
      execv(command[0], command);
      _exit(kNotFound);
    }
    while (!over_) Turn();
    return 0;
  }

 private:
  void Turn() {
    pollfd files[] = {{kSocket, POLLIN, 0},
                      {signals_, POLLIN, 0},
                      {listener_, POLLIN, 0},
                      {terminal_, static_cast<short>(POLLIN | (input_.empty() ? 0 : POLLOUT)), 0},
                      {has_input_ && terminal_ >= 0 && input_.empty() ? STDIN_FILENO : -1, POLLIN, 0}};
    if (poll(files, 5, -1) < 0) return;
    if (files[2].revents != 0) return AcceptTerminal();
    if (files[3].revents & (POLLIN | POLLHUP)) ShowTerminal();
    if (files[3].revents & POLLOUT) TypeInput();
    if (files[4].revents != 0) TakeInput();
    if (files[0].revents != 0) Hear();
    if (files[1].revents != 0) Reap();
  }

  void AcceptTerminal() {
    terminal_ = ReceiveTerminal(listener_);
    close(listener_);
    listener_ = -1;
  }

  // At most until there is nothing to read: the end of all who have it open is told as an error.
  void ShowTerminal() {
    char bytes[16384];
    const ssize_t size = read(terminal_, bytes, sizeof bytes);
    if (size <= 0) {
      if (size == 0 || errno != EAGAIN) CloseTerminal();
      return;
    }
    for (ssize_t done = 0; done < size;) {
      const ssize_t written = write(STDOUT_FILENO, bytes + done, static_cast<size_t>(size - done));
      if (written < 0 && errno != EINTR) return;
      if (written > 0) done += written;
    }
  }

  void CloseTerminal() {
    close(terminal_);
    terminal_ = -1;
  }

  void TakeInput() {
    char bytes[4096];
    const ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
    if (size > 0) input_.assign(bytes, static_cast<size_t>(size));
    else if (size == 0 || errno != EAGAIN) has_input_ = false;
  }

  void TypeInput() {
    const ssize_t size = write(terminal_, input_.data(), input_.size());
    if (size > 0) input_.erase(0, static_cast<size_t>(size));
  }

  void Hear() {
    char bytes[256];
    const ssize_t size = recv(kSocket, bytes, sizeof bytes, 0);
    if (size <= 0) {
      if (size == 0 || errno != EINTR) Abandon();
      return;
    }
    heard_.append(bytes, static_cast<size_t>(size));
    for (size_t end; (end = heard_.find('\n')) != std::string::npos; heard_.erase(0, end + 1)) Obey(heard_.substr(0, end));
  }

  void Obey(const std::string& line) {
    int one = 0, other = 0;
    if (sscanf(line.c_str(), "signal %d", &one) == 1) {
      if (process_ > 0) kill(process_, one);
    } else if (sscanf(line.c_str(), "size %d %d", &one, &other) == 2 && terminal_ >= 0) {
      const winsize size{static_cast<unsigned short>(other), static_cast<unsigned short>(one), 0, 0};
      ioctl(terminal_, TIOCSWINSZ, &size);
    }
  }

  void Reap() {
    signalfd_siginfo info;
    while (read(signals_, &info, sizeof info) > 0) {
    }
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == runtime_) RuntimeEnded(StatusOf(status));
      // What the runtime left may end before the runtime does: nobody knows its number by then.
      else if (pid == process_ || (process_ == 0 && pid == ReadPid())) Ended(StatusOf(status));
    }
  }

  void RuntimeEnded(int status) {
    runtime_ = 0;
    if (status != 0) {
      Say("failed", status);
      over_ = true;
      return;
    }
    if (process_ == 0) process_ = ReadPid();
    Say("created", process_ < 0 ? -process_ : process_);
    pollfd waiting{listener_, POLLIN, 0};
    if (listener_ >= 0 && poll(&waiting, 1, 0) > 0) AcceptTerminal();
    if (terminal_ < 0) ForgetStreams();
    siginfo_t info;
    if (early_status_ >= 0) Ended(early_status_);
    // It has ended, and whoever reaped it knows how.
    else if (waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) Ended(kUnknown);
  }

  // They are the container's: their end is its end.
  void ForgetStreams() {
    const int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++) dup2(none, file);
    has_input_ = false;
  }

  void Ended(int status) {
    if (runtime_ > 0) {
      process_ = -ReadPid();
      early_status_ = status;
      return;
    }
    while (terminal_ >= 0) {
      pollfd file{terminal_, POLLIN, 0};
      if (poll(&file, 1, 0) <= 0) break;
      ShowTerminal();
    }
    ForgetStreams();
    Say("ended", status);
    over_ = true;
  }

  // Whoever started this is gone.
  void Abandon() {
    if (runtime_ > 0) kill(runtime_, SIGKILL);
    const pid_t process = process_ > 0 ? process_ : ReadPid();
    if (process > 0) kill(process, SIGKILL);
    alarm(kReapSeconds);
    while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    over_ = true;
  }

  // 0 where there is none yet.
  pid_t ReadPid() const {
    FILE* file = fopen(pid_file_, "re");
    if (file == nullptr) return 0;
    int pid = 0;
    const int found = fscanf(file, "%d", &pid);
    fclose(file);
    return found == 1 && pid > 0 ? pid : 0;
  }

  const char* pid_file_;
  int listener_, signals_ = -1, terminal_ = -1;
  // 0: not known, or gone. Negative: gone before the runtime was.
  pid_t runtime_ = 0, process_ = 0;
  int early_status_ = -1;
  bool has_input_ = true, over_ = false;
  std::string input_, heard_;
};

}  // namespace

int RunContainer(const char* pid_file, const char* console, char** command) {
  if (fcntl(kSocket, F_SETFD, FD_CLOEXEC) != 0) return kUsage;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return kFailed;
  signal(SIGPIPE, SIG_IGN);
  const int listener = *console == '\0' ? -1 : ListenAt(console);
  if (*console != '\0' && listener < 0) return kFailed;
  return Parent(pid_file, listener).Run(command);
}
