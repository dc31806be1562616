#include <napi.h>

void InitMounts(Napi::Env, Napi::Object) {}
