// Chunks to gzip members with libdeflate: many chunks per call, since a call from JavaScript costs as much as a
// small member. The header is written by ours to be the same whatever the level: MTIME 0, XFL 0, OS 255.
#include <napi.h>

#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>

#include <memory>

namespace {

constexpr size_t kXflOffset = 8, kOsOffset = 9;

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const { libdeflate_free_compressor(compressor); }
};

struct Bytes {
  uint8_t* data;
  size_t size;
};

Bytes BytesOf(const Napi::Value& value) {
  Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

// new MemberCompressor(level)
class MemberCompressor : public Napi::ObjectWrap<MemberCompressor> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "MemberCompressor",
                       {InstanceMethod<&MemberCompressor::Compress>("compress")});
  }

  explicit MemberCompressor(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MemberCompressor>(info) {
    const int level = info[0].As<Napi::Number>().Int32Value();
    compressor_.reset(libdeflate_alloc_compressor(level));
    if (!compressor_) throw Napi::RangeError::New(info.Env(), "libdeflate has no such level, or no memory");
  }

 private:
  // compress(input, chunkLengths, output, memberLengths) -> bytes written to output
  Napi::Value Compress(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Bytes input = BytesOf(info[0]), output = BytesOf(info[2]);
    const Napi::Uint32Array chunks = info[1].As<Napi::Uint32Array>();
    Napi::Uint32Array members = info[3].As<Napi::Uint32Array>();
    const size_t count = chunks.ElementLength();
    if (members.ElementLength() < count) throw Napi::RangeError::New(env, "fewer member lengths than chunks");

    size_t read = 0, written = 0;
    for (size_t index = 0; index < count; index++) {
      const size_t chunk = chunks[index];
      if (chunk > input.size - read) throw Napi::RangeError::New(env, "the chunks are longer than the input");
      uint8_t* member = output.data + written;
      const size_t size =
          libdeflate_gzip_compress(compressor_.get(), input.data + read, chunk, member, output.size - written);
      if (size == 0) throw Napi::RangeError::New(env, "the output is too small for the members");
      member[kXflOffset] = 0;
      member[kOsOffset] = 255;
      members[index] = static_cast<uint32_t>(size);
      read += chunk;
      written += size;
    }
    return Napi::Number::New(env, static_cast<double>(written));
  }

  std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor_;
};

}  // namespace

void InitCompression(Napi::Env env, Napi::Object exports) {
  exports.Set("MemberCompressor", MemberCompressor::Define(env));
  exports.Set("libdeflateVersion", Napi::String::New(env, LIBDEFLATE_VERSION_STRING));
}

#else

// Built without libdeflate: compression.ts sees that nothing is exported and uses node:zlib.
void InitCompression(Napi::Env, Napi::Object) {}

#endif
