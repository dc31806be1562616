// The export table, nothing else. addon.d.ts gives the types.
#include <napi.h>

void InitMounts(Napi::Env env, Napi::Object exports);
void InitFanotify(Napi::Env env, Napi::Object exports);
void InitCompression(Napi::Env env, Napi::Object exports);
void InitFileLock(Napi::Env env, Napi::Object exports);
void InitNetwork(Napi::Env env, Napi::Object exports);
void InitOverlay(Napi::Env env, Napi::Object exports);
void InitUnpack(Napi::Env env, Napi::Object exports);
void InitSignals(Napi::Env env, Napi::Object exports);
void InitMemory(Napi::Env env, Napi::Object exports);
void InitInflate(Napi::Env env, Napi::Object exports);

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitMounts(env, exports);
  InitFanotify(env, exports);
  InitCompression(env, exports);
  InitFileLock(env, exports);
  InitNetwork(env, exports);
  InitOverlay(env, exports);
  InitUnpack(env, exports);
  InitSignals(env, exports);
  InitMemory(env, exports);
  InitInflate(env, exports);
  return exports;
}

NODE_API_MODULE(addon, Init)
