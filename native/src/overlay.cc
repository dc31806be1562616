// Where a file in an overlay's upper directory was copied up from. What the answers mean is decided in overlay.ts.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <climits>
#include <vector>

#include "posix.h"

namespace {

constexpr char kOrigin[] = "trusted.overlay.origin", kMetacopy[] = "trusted.overlay.metacopy";

// struct ovl_fb of the kernel's fs/overlayfs/overlayfs.h: version, magic, length, flags, type, uuid, then the handle.
constexpr size_t kMagicOffset = 1, kLengthOffset = 2, kFlagsOffset = 3, kTypeOffset = 4, kHandleOffset = 21;
constexpr uint8_t kMagic = 0xfb, kBigEndian = 1, kAnyEndian = 2;
constexpr bool kHostIsBigEndian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

// The handle for open_by_handle_at, or false where it holds none (the lower file system has no handles).
bool ParseHandle(const std::vector<uint8_t>& bytes, std::vector<uint8_t>* memory) {
  if (bytes.size() <= kHandleOffset || bytes[kMagicOffset] != kMagic || bytes[kLengthOffset] != bytes.size()) return false;
  const uint8_t flags = bytes[kFlagsOffset];
  if ((flags & kAnyEndian) == 0 && ((flags & kBigEndian) != 0) != kHostIsBigEndian) return false;
  const size_t size = bytes.size() - kHandleOffset;
  memory->assign(sizeof(file_handle) + size, 0);
  auto* handle = reinterpret_cast<file_handle*>(memory->data());
  handle->handle_bytes = static_cast<unsigned>(size);
  handle->handle_type = bytes[kTypeOffset];
  memcpy(handle->f_handle, bytes.data() + kHandleOffset, size);
  return true;
}

UniqueFd OpenHandle(std::vector<uint8_t>* memory, const Napi::Array& folders) {
  for (uint32_t index = 0; index < folders.Length(); index++) {
    const std::string folder = folders.Get(index).As<Napi::String>().Utf8Value();
    const UniqueFd mount(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!mount.valid()) continue;
    UniqueFd file(open_by_handle_at(mount.get(), reinterpret_cast<file_handle*>(memory->data()), O_PATH | O_CLOEXEC));
    if (file.valid()) return file;
  }
  return UniqueFd();
}

// copyUpOrigin(path, lower folders) -> undefined | {metadataOnly: true} | {} | {device, inode, path}
Napi::Value CopyUpOrigin(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Buffer<char> bytes = info[0].As<Napi::Buffer<char>>();
  const std::string path(bytes.Data(), bytes.Length());

  std::vector<uint8_t> origin(UINT8_MAX + 1);
  const ssize_t size = lgetxattr(path.c_str(), kOrigin, origin.data(), origin.size());
  if (size < 0) {
    if (errno == ENODATA || errno == ENOTSUP) return env.Undefined();
    throw ErrnoError(env, "lgetxattr", errno);
  }
  origin.resize(static_cast<size_t>(size));
  Napi::Object found = Napi::Object::New(env);
  if (lgetxattr(path.c_str(), kMetacopy, nullptr, 0) >= 0) {
    found.Set("metadataOnly", Napi::Boolean::New(env, true));
    return found;
  }
  std::vector<uint8_t> memory;
  if (!ParseHandle(origin, &memory)) return found;
  const UniqueFd file = OpenHandle(&memory, info[1].As<Napi::Array>());
  struct stat status;
  if (!file.valid() || fstat(file.get(), &status) != 0) return found;
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(file.get());
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  if (length < 0) throw ErrnoError(env, "readlink", errno);
  found.Set("device", Napi::BigInt::New(env, static_cast<uint64_t>(status.st_dev)));
  found.Set("inode", Napi::BigInt::New(env, static_cast<uint64_t>(status.st_ino)));
  found.Set("path", Napi::Buffer<char>::Copy(env, target, static_cast<size_t>(length)));
  return found;
}

}  // namespace

void InitOverlay(Napi::Env env, Napi::Object exports) {
  exports.Set("copyUpOrigin", Napi::Function::New<CopyUpOrigin>(env, "copyUpOrigin"));
}
