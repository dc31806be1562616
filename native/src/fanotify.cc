#include <napi.h>

void InitFanotify(Napi::Env, Napi::Object) {}
