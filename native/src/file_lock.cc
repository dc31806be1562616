// flock(2): a lock that the kernel takes back when its holder ends, however that happens and in whatever namespace it was.
#include <sys/file.h>

#include "posix.h"

// tryLock(descriptor) -> whether it is locked now, alone, until the descriptor is closed.
static Napi::Value TryLock(const Napi::CallbackInfo& info) {
  const int locked = flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB);
  if (locked != 0 && errno != EWOULDBLOCK) throw ErrnoError(info.Env(), "flock", errno);
  return Napi::Boolean::New(info.Env(), locked == 0);
}

void InitFileLock(Napi::Env env, Napi::Object exports) { exports.Set("tryLock", Napi::Function::New(env, TryLock)); }
