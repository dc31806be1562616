// The loopback interface of another network namespace. What the arguments mean is decided in network.ts.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <thread>

#include "posix.h"

struct Failure {
  const char* syscall = nullptr;
  int error = 0;
};

// Runs on a thread of its own: a thread that has entered a namespace stays there.
static Failure RaiseLoopbackHere(const std::string& path) {
  const UniqueFd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space.valid()) return {"open", errno};
  if (setns(space.get(), CLONE_NEWNET) != 0) return {"setns", errno};
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) return {"socket", errno};
  ifreq request = {};
  strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) return {"ioctl", errno};
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) return {"ioctl", errno};
  return {};
}

// raiseLoopback(path of the network namespace)
static void RaiseLoopback(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  Failure failure;
  std::thread([&] { failure = RaiseLoopbackHere(path); }).join();
  if (failure.syscall != nullptr) throw ErrnoError(info.Env(), failure.syscall, failure.error);
}

void InitNetwork(Napi::Env env, Napi::Object exports) {
  exports.Set("raiseLoopback", Napi::Function::New<RaiseLoopback>(env));
}
