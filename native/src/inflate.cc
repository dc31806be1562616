// Inflater for JavaScript: zlib's inflate of raw deflate, on a thread of Node's pool. inflate.ts gives the types.
// zlib is Node's own, which its programs export for addons (Node's documentation of addons, "Linking to libraries
// included with Node.js").
#include <napi.h>

// Distributions that take it out of Node have it in a package of its own, which may not be there.
#if __has_include(<zlib.h>)
#include <zlib.h>

#include <memory>

namespace {

// One stream after the other.
class Stream {
 public:
  Stream() : status_(inflateInit2(&zlib_, -MAX_WBITS)) {}
  ~Stream() { inflateEnd(&zlib_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Run(const uint8_t* in, size_t in_bytes, uint8_t* out, size_t out_bytes) {
    if (status_ == Z_STREAM_END) status_ = inflateReset(&zlib_);
    if (status_ != Z_OK) return;
    zlib_.next_in = const_cast<uint8_t*>(in);
    zlib_.avail_in = static_cast<uInt>(in_bytes);
    zlib_.next_out = out;
    zlib_.avail_out = static_cast<uInt>(out_bytes);
    status_ = inflate(&zlib_, Z_NO_FLUSH);
    // Neither input nor room was left: no error, the next step brings some.
    if (status_ == Z_BUF_ERROR) status_ = Z_OK;
  }

  size_t input_left() const { return zlib_.avail_in; }
  size_t output_left() const { return zlib_.avail_out; }
  bool ended() const { return status_ == Z_STREAM_END; }
  bool failed() const { return status_ != Z_OK && status_ != Z_STREAM_END; }
  const char* failure() const { return zlib_.msg != nullptr ? zlib_.msg : zError(status_); }

 private:
  z_stream zlib_ = {};
  int status_;
};

// One piece of input into one piece of output; both stay where they are until it is done.
class Step : public Napi::AsyncWorker {
 public:
  Step(const Napi::CallbackInfo& info, std::shared_ptr<Stream> stream)
      : Napi::AsyncWorker(info.Env()), deferred_(info.Env()), stream_(std::move(stream)) {
    auto input = info[0].As<Napi::Uint8Array>(), output = info[1].As<Napi::Uint8Array>();
    held_[0] = Napi::Persistent(input.As<Napi::Object>());
    held_[1] = Napi::Persistent(output.As<Napi::Object>());
    in_ = input.Data();
    in_bytes_ = input.ByteLength();
    out_ = output.Data();
    out_bytes_ = output.ByteLength();
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { stream_->Run(in_, in_bytes_, out_, out_bytes_); }

  void OnOK() override {
    if (stream_->failed()) return deferred_.Reject(Napi::Error::New(Env(), stream_->failure()).Value());
    Napi::Object done = Napi::Object::New(Env());
    done.Set("taken", Napi::Number::New(Env(), static_cast<double>(in_bytes_ - stream_->input_left())));
    done.Set("given", Napi::Number::New(Env(), static_cast<double>(out_bytes_ - stream_->output_left())));
    done.Set("ended", Napi::Boolean::New(Env(), stream_->ended()));
    deferred_.Resolve(done);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  Napi::Promise::Deferred deferred_;
  const std::shared_ptr<Stream> stream_;
  Napi::ObjectReference held_[2];
  const uint8_t* in_;
  uint8_t* out_;
  size_t in_bytes_, out_bytes_;
};

// new Inflater()
class Inflater : public Napi::ObjectWrap<Inflater> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Inflater", {InstanceMethod<&Inflater::Run>("step")});
  }

  explicit Inflater(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Inflater>(info), stream_(std::make_shared<Stream>()) {}

 private:
  // step(input, output) -> promise of what was taken and given; not before the one before is done
  Napi::Value Run(const Napi::CallbackInfo& info) {
    auto* step = new Step(info, stream_);
    const Napi::Promise promise = step->promise();
    step->Queue();
    return promise;
  }

  // A step under way outlives the object.
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

void InitInflate(Napi::Env env, Napi::Object exports) { exports.Set("Inflater", Inflater::Define(env)); }

#else
void InitInflate(Napi::Env, Napi::Object) {}
#endif
