// Inflater for JavaScript: InflateDecoder, on a thread of Node's pool. inflate.ts gives the types.
#include <napi.h>

#include <memory>

#include "inflate_decoder.h"

namespace {

using Status = InflateDecoder::Status;

// One piece of input into one piece of output; both stay where they are until it is done.
class Step : public Napi::AsyncWorker {
 public:
  Step(const Napi::CallbackInfo& info, std::shared_ptr<InflateDecoder> decoder)
      : Napi::AsyncWorker(info.Env()), deferred_(info.Env()), decoder_(std::move(decoder)) {
    auto input = info[0].As<Napi::Uint8Array>(), output = info[1].As<Napi::Uint8Array>();
    held_[0] = Napi::Persistent(input.As<Napi::Object>());
    held_[1] = Napi::Persistent(output.As<Napi::Object>());
    in_ = input.Data();
    in_end_ = in_ + input.ByteLength();
    out_ = output.Data();
    out_end_ = out_ + output.ByteLength();
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    const uint8_t* in = in_;
    uint8_t* out = out_;
    status_ = decoder_->Run(in, in_end_, out, out_end_);
    taken_ = in - in_;
    given_ = out - out_;
  }

  void OnOK() override {
    if (status_ == Status::kFailed) return deferred_.Reject(Napi::Error::New(Env(), decoder_->failure()).Value());
    Napi::Object done = Napi::Object::New(Env());
    done.Set("taken", Napi::Number::New(Env(), static_cast<double>(taken_)));
    done.Set("given", Napi::Number::New(Env(), static_cast<double>(given_)));
    done.Set("ahead", status_ == Status::kEnd ? Ahead() : Env().Null());
    deferred_.Resolve(done);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  Napi::Value Ahead() {
    uint8_t bytes[sizeof(uint64_t)];
    const size_t count = decoder_->TakenAhead(bytes);
    return Napi::Buffer<uint8_t>::Copy(Env(), bytes, count);
  }

  Napi::Promise::Deferred deferred_;
  const std::shared_ptr<InflateDecoder> decoder_;
  Napi::ObjectReference held_[2];
  const uint8_t* in_;
  const uint8_t* in_end_;
  uint8_t* out_;
  uint8_t* out_end_;
  Status status_ = Status::kFailed;
  size_t taken_ = 0, given_ = 0;
};

// new Inflater()
class Inflater : public Napi::ObjectWrap<Inflater> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Inflater", {InstanceMethod<&Inflater::Run>("step")});
  }

  explicit Inflater(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Inflater>(info), decoder_(std::make_shared<InflateDecoder>()) {}

 private:
  // step(input, output) -> promise of what was taken and given; not before the one before is done
  Napi::Value Run(const Napi::CallbackInfo& info) {
    auto* step = new Step(info, decoder_);
    const Napi::Promise promise = step->promise();
    step->Queue();
    return promise;
  }

  // A step under way outlives the object.
  const std::shared_ptr<InflateDecoder> decoder_;
};

}  // namespace

void InitInflate(Napi::Env env, Napi::Object exports) { exports.Set("Inflater", Inflater::Define(env)); }
