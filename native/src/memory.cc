// Memory of a buffer given back at once. memory.ts gives the types.
#include <napi.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

// detach(arrayBuffer): its memory is freed, all views of it are empty from now on.
void Detach(const Napi::CallbackInfo& info) {
  const napi_status status = napi_detach_arraybuffer(info.Env(), info[0]);
  if (status != napi_ok) throw Napi::TypeError::New(info.Env(), "this buffer cannot be detached");
}

// forget(bytes): whole pages of it go back to the system, what lies in them is gone. It stays as long as it is: what is
// used of it later is zeros.
void Forget(const Napi::CallbackInfo& info) {
  auto bytes = info[0].As<Napi::Uint8Array>();
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<uintptr_t>(bytes.Data());
  const uintptr_t first = (start + page - 1) & ~(page - 1), end = (start + bytes.ByteLength()) & ~(page - 1);
  // Pages that cannot be given back (locked ones) stay.
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

}  // namespace

void InitMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("detach", Napi::Function::New(env, Detach));
  exports.Set("forget", Napi::Function::New(env, Forget));
}
