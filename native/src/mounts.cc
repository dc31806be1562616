// mount(2), umount2(2), mkfifo(3) and the new mount API, as thin as they are, and a mount copied into another namespace. What the arguments mean is decided in
// mounts.ts. Every function throws what node:fs would throw.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <thread>

#include "posix.h"

// The new mount API by number: its wrappers came with glibc 2.36, and its header fights with <sys/mount.h>.
// The numbers are the same on every architecture (they are newer than the unified tables).
static constexpr long kOpenTree = 428, kMoveMount = 429, kFsopen = 430, kFsconfig = 431, kFsmount = 432;
static constexpr unsigned kOpenTreeClone = 1, kOpenTreeCloexec = O_CLOEXEC, kAtRecursive = 0x8000;
static constexpr unsigned kFsopenCloexec = 1, kFsmountCloexec = 1, kMoveMountFromEmptyPath = 4;
static constexpr unsigned kFsconfigSetFlag = 0, kFsconfigSetString = 1, kFsconfigCreate = 6;

static std::string Text(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::String>().Utf8Value();
}

static uint32_t Number(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Number>().Uint32Value();
}

// mount(source, target, type, flags, data)
static void Mount(const Napi::CallbackInfo& info) {
  const std::string source = Text(info, 0), target = Text(info, 1), type = Text(info, 2), data = Text(info, 4);
  if (mount(source.c_str(), target.c_str(), type.c_str(), Number(info, 3), data.c_str()) != 0)
    throw ErrnoError(info.Env(), "mount", errno);
}

// What the file system has to say about the failure: it is read, a line per call, from its context descriptor.
static std::string ContextMessages(int context) {
  std::string messages;
  char line[512];
  for (ssize_t size; (size = read(context, line, sizeof line)) > 0;)
    messages += (messages.empty() ? "" : "; ") + std::string(line, static_cast<size_t>(size));
  return messages;
}

static Napi::Error ContextError(Napi::Env env, const char* syscall, int error, int context) {
  Napi::Error thrown = ErrnoError(env, syscall, error);
  const std::string messages = ContextMessages(context);
  if (!messages.empty()) thrown.Set("details", Napi::String::New(env, messages));
  return thrown;
}

// mountWithParameters(type, target, attributes, [[key, value | null], …]): no page-sized limit on the options.
static void MountWithParameters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string type = Text(info, 0), target = Text(info, 1);
  const Napi::Array parameters = info[3].As<Napi::Array>();

  UniqueFd context(static_cast<int>(syscall(kFsopen, type.c_str(), kFsopenCloexec)));
  if (!context.valid()) throw ErrnoError(env, "fsopen", errno);
  for (uint32_t index = 0; index < parameters.Length(); index++) {
    const Napi::Array pair = parameters.Get(index).As<Napi::Array>();
    const std::string key = pair.Get(0u).As<Napi::String>().Utf8Value();
    const Napi::Value value = pair.Get(1u);
    const std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
    const unsigned command = value.IsString() ? kFsconfigSetString : kFsconfigSetFlag;
    if (syscall(kFsconfig, context.get(), command, key.c_str(), value.IsString() ? text.c_str() : nullptr, 0) != 0)
      throw ContextError(env, "fsconfig", errno, context.get());
  }
  if (syscall(kFsconfig, context.get(), kFsconfigCreate, nullptr, nullptr, 0) != 0)
    throw ContextError(env, "fsconfig", errno, context.get());
  UniqueFd mounted(static_cast<int>(syscall(kFsmount, context.get(), kFsmountCloexec, Number(info, 2))));
  if (!mounted.valid()) throw ContextError(env, "fsmount", errno, context.get());
  if (syscall(kMoveMount, mounted.get(), "", AT_FDCWD, target.c_str(), kMoveMountFromEmptyPath) != 0)
    throw ErrnoError(env, "move_mount", errno);
}

static bool SameFile(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Moves the calling thread into the namespace, where it stays: only for threads that end soon.
static Failure PutInto(const std::string& space, int tree, const struct stat& root, const std::string& target) {
  const UniqueFd entry(open(space.c_str(), O_RDONLY | O_CLOEXEC));
  if (!entry.valid()) return {"open", errno};
  // A thread that shares its root and working directory with others cannot move.
  if (unshare(CLONE_FS) != 0) return {"unshare", errno};
  if (setns(entry.get(), CLONE_NEWNS) != 0) return {"setns", errno};
  struct stat there;
  if (stat(target.c_str(), &there) != 0) return {"stat", errno};
  // Where the namespaces' mounts are shared it has come by itself.
  if (SameFile(there, root)) return {};
  if (syscall(kMoveMount, tree, "", AT_FDCWD, target.c_str(), kMoveMountFromEmptyPath) != 0)
    return {"move_mount", errno};
  return {};
}

// copyMountInto(path of a mount namespace, target): what is mounted at target here is mounted there, too.
static void CopyMountInto(const Napi::CallbackInfo& info) {
  const std::string space = Text(info, 0), target = Text(info, 1);
  struct stat root;
  if (stat(target.c_str(), &root) != 0) throw ErrnoError(info.Env(), "stat", errno);
  const UniqueFd tree(static_cast<int>(
      syscall(kOpenTree, AT_FDCWD, target.c_str(), kOpenTreeClone | kOpenTreeCloexec | kAtRecursive)));
  if (!tree.valid()) throw ErrnoError(info.Env(), "open_tree", errno);
  Failure failure;
  std::thread([&] { failure = PutInto(space, tree.get(), root, target); }).join();
  if (failure.syscall != nullptr) throw ErrnoError(info.Env(), failure.syscall, failure.error);
}

// unmount(target, flags)
static void Unmount(const Napi::CallbackInfo& info) {
  if (umount2(Text(info, 0).c_str(), static_cast<int>(Number(info, 1))) != 0)
    throw ErrnoError(info.Env(), "umount2", errno);
}

// makeFifo(path, mode)
static void MakeFifo(const Napi::CallbackInfo& info) {
  if (mkfifo(Text(info, 0).c_str(), Number(info, 1)) != 0) throw ErrnoError(info.Env(), "mkfifo", errno);
}

void InitMounts(Napi::Env env, Napi::Object exports) {
  exports.Set("mount", Napi::Function::New<Mount>(env, "mount"));
  exports.Set("mountWithParameters", Napi::Function::New<MountWithParameters>(env, "mountWithParameters"));
  exports.Set("copyMountInto", Napi::Function::New<CopyMountInto>(env, "copyMountInto"));
  exports.Set("unmount", Napi::Function::New<Unmount>(env, "unmount"));
  exports.Set("makeFifo", Napi::Function::New<MakeFifo>(env, "makeFifo"));
}
