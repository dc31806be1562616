// What a layer's entries become in a folder. Every path is resolved by the kernel as if the folder were the root
// (openat2), so that nothing outside of it is ever reached, whatever ".." and symbolic links say. What the entries mean
// is decided in optimizer/unpack; every function throws what node:fs would throw.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "posix.h"

namespace {

// The same on every architecture.
constexpr long kOpenat2 = 437;
constexpr int64_t kNanoseconds = 1000000000;

std::string Bytes(const Napi::CallbackInfo& info, size_t index) {
  const auto buffer = info[index].As<Napi::Buffer<char>>();
  return std::string(buffer.Data(), buffer.Length());
}

int Int(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Int32Value(); }
uint32_t Uint(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Uint32Value(); }

UniqueFd OpenIn(int root, const std::string& path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  const char* name = path.empty() ? "." : path.c_str();
  return UniqueFd(static_cast<int>(syscall(kOpenat2, root, name, &how, sizeof how)));
}

// The folder that a path's last part is in, and that part: "." for the root itself.
struct Place {
  UniqueFd folder;
  std::string name;

  Place(Napi::Env env, int root, const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    name = path.empty() ? "." : path.substr(slash == std::string::npos ? 0 : slash + 1);
    // A name that would lead elsewhere is none that an entry can have.
    if (!path.empty() && (name.empty() || name == "." || name == "..")) throw ErrnoError(env, "openat2", EINVAL);
    folder = OpenIn(root, parent, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (!folder.valid()) throw ErrnoError(env, "openat2", errno);
  }
};

bool IsDirectory(const Place& place) {
  struct stat status;
  return fstatat(place.folder.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

// Makes something where perhaps something else is: that goes, unless it is a folder with something in it.
template <typename Make>
void MakeOver(Napi::Env env, const Place& place, const char* syscall_name, Make make) {
  if (make() == 0) return;
  if (errno != EEXIST) throw ErrnoError(env, syscall_name, errno);
  const int flags = IsDirectory(place) ? AT_REMOVEDIR : 0;
  if (unlinkat(place.folder.get(), place.name.c_str(), flags) != 0) throw ErrnoError(env, "unlinkat", errno);
  if (make() != 0) throw ErrnoError(env, syscall_name, errno);
}

// isFolder(root, path) -> boolean: also where links lead to one inside the root.
Napi::Value IsFolder(const Napi::CallbackInfo& info) {
  const UniqueFd found =
      OpenIn(Int(info, 0), Bytes(info, 1), O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  return Napi::Boolean::New(info.Env(), found.valid());
}

// makeFolder(root, path): one that is there already stays.
void MakeFolder(const Napi::CallbackInfo& info) {
  const Place place(info.Env(), Int(info, 0), Bytes(info, 1));
  if (IsDirectory(place)) return;
  MakeOver(info.Env(), place, "mkdirat", [&] { return mkdirat(place.folder.get(), place.name.c_str(), 0755); });
}

// makeFile(root, path) -> descriptor, for writing.
Napi::Value MakeFile(const Napi::CallbackInfo& info) {
  const Place place(info.Env(), Int(info, 0), Bytes(info, 1));
  int file = -1;
  MakeOver(info.Env(), place, "openat", [&] {
    file = openat(place.folder.get(), place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return file < 0 ? -1 : 0;
  });
  return Napi::Number::New(info.Env(), file);
}

// makeSymlink(root, path, target)
void MakeSymlink(const Napi::CallbackInfo& info) {
  const Place place(info.Env(), Int(info, 0), Bytes(info, 1));
  const std::string target = Bytes(info, 2);
  MakeOver(info.Env(), place, "symlinkat",
           [&] { return symlinkat(target.c_str(), place.folder.get(), place.name.c_str()); });
}

// makeLink(root, path, path of what is there already)
void MakeLink(const Napi::CallbackInfo& info) {
  const int root = Int(info, 0);
  const Place place(info.Env(), root, Bytes(info, 1)), target(info.Env(), root, Bytes(info, 2));
  MakeOver(info.Env(), place, "linkat", [&] {
    return linkat(target.folder.get(), target.name.c_str(), place.folder.get(), place.name.c_str(), 0);
  });
}

// makeNode(root, path, type bits, major, minor): a device or a named pipe.
void MakeNode(const Napi::CallbackInfo& info) {
  const Place place(info.Env(), Int(info, 0), Bytes(info, 1));
  const mode_t mode = static_cast<mode_t>(Uint(info, 2)) | 0600;
  const dev_t device = makedev(Uint(info, 3), Uint(info, 4));
  MakeOver(info.Env(), place, "mknodat",
           [&] { return mknodat(place.folder.get(), place.name.c_str(), mode, device); });
}

void SetXattrs(Napi::Env env, const Place& place, const Napi::Array& pairs) {
  // There is no call that takes folder and name; the kernel follows this link to the folder itself.
  const std::string path = "/proc/self/fd/" + std::to_string(place.folder.get()) + "/" + place.name;
  for (uint32_t index = 0; index < pairs.Length(); index++) {
    const Napi::Array pair = pairs.Get(index).As<Napi::Array>();
    const std::string name = pair.Get(0u).As<Napi::String>().Utf8Value();
    const auto value = pair.Get(1u).As<Napi::Buffer<char>>();
    if (lsetxattr(path.c_str(), name.c_str(), value.Data(), value.Length(), 0) == 0) continue;
    // What a file system has no place for is left out, as containerd does, but for what overlayfs is told.
    if (errno != EOPNOTSUPP || name.rfind("trusted.overlay.", 0) == 0) throw ErrnoError(env, "lsetxattr", errno);
  }
}

// setAttributes(root, path, uid, gid, mode, mtime, [[xattr, value], …]): the change of owner comes first, for it takes
// set-user-ID bits and capabilities away.
void SetAttributes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Place place(env, Int(info, 0), Bytes(info, 1));
  const int folder = place.folder.get();
  const char* name = place.name.c_str();
  if (fchownat(folder, name, Uint(info, 2), Uint(info, 3), AT_SYMLINK_NOFOLLOW) != 0) throw ErrnoError(env, "fchownat", errno);
  SetXattrs(env, place, info[6].As<Napi::Array>());
  const int mode = Int(info, 4);
  struct stat status;
  if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) throw ErrnoError(env, "fstatat", errno);
  // A link has none, and this call would follow it.
  if (!S_ISLNK(status.st_mode) && fchmodat(folder, name, static_cast<mode_t>(mode), 0) != 0) throw ErrnoError(env, "fchmodat", errno);
  bool lossless = false;
  const int64_t mtime = info[5].As<Napi::BigInt>().Int64Value(&lossless);
  timespec times[2];
  times[1].tv_nsec = (mtime % kNanoseconds + kNanoseconds) % kNanoseconds;
  times[1].tv_sec = (mtime - times[1].tv_nsec) / kNanoseconds;
  times[0] = times[1];
  if (utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) != 0) throw ErrnoError(env, "utimensat", errno);
}

// folderFacts(root, path) -> {uid, gid, mode, mtime}: of a folder that is one without any link; undefined where there is
// nothing, null where there is something else, or on the way to it.
Napi::Value FolderFacts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const UniqueFd found = OpenIn(Int(info, 0), Bytes(info, 1), O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!found.valid() && errno == ENOENT) return env.Undefined();
  struct stat status;
  if (!found.valid() || fstat(found.get(), &status) != 0 || !S_ISDIR(status.st_mode)) return env.Null();
  Napi::Object facts = Napi::Object::New(env);
  facts.Set("uid", Napi::Number::New(env, status.st_uid));
  facts.Set("gid", Napi::Number::New(env, status.st_gid));
  facts.Set("mode", Napi::Number::New(env, status.st_mode & 07777));
  facts.Set("mtime", Napi::BigInt::New(env, static_cast<int64_t>(status.st_mtim.tv_sec) * kNanoseconds + status.st_mtim.tv_nsec));
  return facts;
}

}  // namespace

void InitUnpack(Napi::Env env, Napi::Object exports) {
  exports.Set("isFolder", Napi::Function::New(env, IsFolder));
  exports.Set("makeFolder", Napi::Function::New(env, MakeFolder));
  exports.Set("makeFile", Napi::Function::New(env, MakeFile));
  exports.Set("makeSymlink", Napi::Function::New(env, MakeSymlink));
  exports.Set("makeLink", Napi::Function::New(env, MakeLink));
  exports.Set("makeNode", Napi::Function::New(env, MakeNode));
  exports.Set("setAttributes", Napi::Function::New(env, SetAttributes));
  exports.Set("folderFacts", Napi::Function::New(env, FolderFacts));
}
