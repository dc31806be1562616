// Errors of system calls as node:fs throws them.
#pragma once

#include <napi.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "unique_fd.h"

// A failed system call, for threads that must not throw; none when it has no name.
struct Failure {
  const char* syscall = nullptr;
  int error = 0;
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
