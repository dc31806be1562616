// Memory of a buffer given back at once. memory.ts gives the types.
#include <napi.h>

namespace {

// detach(arrayBuffer): its memory is freed, all views of it are empty from now on.
void Detach(const Napi::CallbackInfo& info) {
  const napi_status status = napi_detach_arraybuffer(info.Env(), info[0]);
  if (status != napi_ok) throw Napi::TypeError::New(info.Env(), "this buffer cannot be detached");
}

}  // namespace

void InitMemory(Napi::Env env, Napi::Object exports) { exports.Set("detach", Napi::Function::New(env, Detach)); }
