// What every file needs to talk to the kernel: descriptors that close themselves, errors as node:fs throws them.
#pragma once

#include <napi.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

// Owns a file descriptor; -1 owns nothing.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// Symbolic name of an errno ("ENOENT"), by libuv's table: the C library's own is glibc's alone.
inline std::string ErrnoName(int error) {
  char name[64];
  return uv_err_name_r(-error, name, sizeof name);
}

// The JavaScript error that node:fs would throw: code "ENOENT", errno -2, syscall, and the text of the errno.
inline Napi::Error ErrnoError(Napi::Env env, const char* syscall, int error) {
  const std::string name = ErrnoName(error);
  Napi::Error thrown = Napi::Error::New(env, name + ": " + strerror(error) + ", " + syscall);
  thrown.Set("code", Napi::String::New(env, name));
  thrown.Set("errno", Napi::Number::New(env, -error));
  thrown.Set("syscall", Napi::String::New(env, syscall));
  return thrown;
}
