// The loopback interface of another network namespace, and connections made inside one. What the arguments mean is
// decided in network.ts.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <thread>

#include "posix.h"

// Moves the calling thread, which stays there: only for threads that end soon.
static Failure Enter(const std::string& path) {
  const UniqueFd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space.valid()) return {"open", errno};
  if (setns(space.get(), CLONE_NEWNET) != 0) return {"setns", errno};
  return {};
}

static Failure RaiseLoopbackHere() {
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
  std::thread([&] {
    failure = Enter(path);
    if (failure.syscall == nullptr) failure = RaiseLoopbackHere();
  }).join();
  if (failure.syscall != nullptr) throw ErrnoError(info.Env(), failure.syscall, failure.error);
}

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

static bool ParseAddress(const std::string& text, uint16_t port, Address* address) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address->storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address->storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address->size = sizeof *v4;
  } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address->size = sizeof *v6;
  }
  return address->size != 0;
}

static Failure ConnectHere(const Address& address, int timeout_ms, UniqueFd* connected) {
  UniqueFd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return {"socket", errno};
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    if (errno != EINPROGRESS) return {"connect", errno};
    pollfd waiting = {fd.get(), POLLOUT, 0};
    const int ready = poll(&waiting, 1, timeout_ms);
    if (ready < 0) return {"poll", errno};
    if (ready == 0) return {"connect", ETIMEDOUT};
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return {"getsockopt", errno};
    if (error != 0) return {"connect", error};
  }
  *connected = std::move(fd);
  return {};
}

class TcpConnect : public Napi::AsyncWorker {
 public:
  TcpConnect(Napi::Env env, std::string path, Address address, int timeout_ms)
      : Napi::AsyncWorker(env), deferred_(env), path_(std::move(path)), address_(address), timeout_ms_(timeout_ms) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  // A worker thread is used again by others and must not move: the step into the namespace has a thread of its own.
  void Execute() override {
    std::thread([this] {
      failure_ = Enter(path_);
      if (failure_.syscall == nullptr) failure_ = ConnectHere(address_, timeout_ms_, &connected_);
    }).join();
  }

  void OnOK() override {
    if (failure_.syscall != nullptr) return deferred_.Reject(ErrnoError(Env(), failure_.syscall, failure_.error).Value());
    deferred_.Resolve(Napi::Number::New(Env(), connected_.get()));
    connected_.Release();
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  Napi::Promise::Deferred deferred_;
  const std::string path_;
  const Address address_;
  const int timeout_ms_;
  Failure failure_;
  UniqueFd connected_;
};

// connectTcp(path of the network namespace, address, port, timeout in ms) -> promise of a descriptor
static Napi::Value ConnectTcp(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value(), text = info[1].As<Napi::String>().Utf8Value();
  Address address;
  if (!ParseAddress(text, static_cast<uint16_t>(info[2].As<Napi::Number>().Uint32Value()), &address))
    throw Napi::TypeError::New(info.Env(), "not an IPv4 or IPv6 address: " + text);
  auto* worker = new TcpConnect(info.Env(), path, address, info[3].As<Napi::Number>().Int32Value());
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// peerPid(path of a Unix socket) -> the process that listens there, in our pid namespace; 0 when it is in none of ours
static Napi::Value PeerPid(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw ErrnoError(info.Env(), "connect", ENAMETOOLONG);
  memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd peer(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!peer.valid()) throw ErrnoError(info.Env(), "socket", errno);
  if (connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw ErrnoError(info.Env(), "connect", errno);
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  if (getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    throw ErrnoError(info.Env(), "getsockopt", errno);
  return Napi::Number::New(info.Env(), credentials.pid);
}

void InitNetwork(Napi::Env env, Napi::Object exports) {
  exports.Set("peerPid", Napi::Function::New<PeerPid>(env, "peerPid"));
  exports.Set("raiseLoopback", Napi::Function::New<RaiseLoopback>(env));
  exports.Set("connectTcp", Napi::Function::New<ConnectTcp>(env));
}
