// What a program that runs another one needs of signals, and Node does not have: to know whether the terminal sent a
// signal, and to end the way the other one did. signals.ts gives the types.
#include <napi.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace {

constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGWINCH};

std::atomic<pid_t> receiver{0};
static_assert(std::atomic<pid_t>::is_always_lock_free, "it is read in a signal handler");

void Forward(int signal, siginfo_t* info, void*) {
  // The terminal tells its whole foreground group: the receiver has it already.
  if (info->si_code == SI_KERNEL) return;
  const int error = errno;
  kill(receiver.load(), signal);
  errno = error;
}

// forwardSignals(pid): from now on what is sent to this process is passed on. 0: signals do what they do by default.
void ForwardSignals(const Napi::CallbackInfo& info) {
  struct sigaction action {};
  receiver = info[0].As<Napi::Number>().Int32Value();
  if (receiver.load() == 0) {
    action.sa_handler = SIG_DFL;
  } else {
    action.sa_sigaction = Forward;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
  }
  for (const int signal : kForwarded) sigaction(signal, &action, nullptr);
}

// endBySignal(signal): ends this process as that signal does, without a core dump. Returns if the signal does not end.
void EndBySignal(const Napi::CallbackInfo& info) {
  const int signal = info[0].As<Napi::Number>().Int32Value();
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  kill(getpid(), signal);
}

}  // namespace

void InitSignals(Napi::Env env, Napi::Object exports) {
  exports.Set("forwardSignals", Napi::Function::New(env, ForwardSignals));
  exports.Set("endBySignal", Napi::Function::New(env, EndBySignal));
}
