#include <napi.h>

void InitCompression(Napi::Env, Napi::Object) {}
