// FanotifyGroup for JavaScript: FanotifyReader, and a wait on its descriptor that belongs to Node's event loop.
// fanotify.ts gives the types. Everything throws what node:fs would throw.
#include <memory>

#include "fanotify_reader.h"
#include "posix.h"

namespace {

// A uv_poll_t outlives its owner until the loop has closed it.
struct Poll {
  uv_poll_t handle;
  Napi::FunctionReference callback;
};

class FanotifyGroup : public Napi::ObjectWrap<FanotifyGroup> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "FanotifyGroup",
                       {
                           InstanceMethod<&FanotifyGroup::Mark>("mark"),
                           InstanceMethod<&FanotifyGroup::MarkMountOfRoot>("markMountOfRoot"),
                           InstanceMethod<&FanotifyGroup::UseRootOf>("useRootOf"),
                           InstanceMethod<&FanotifyGroup::MarkMountAt>("markMountAt"),
                           InstanceMethod<&FanotifyGroup::Read>("read"),
                           InstanceMethod<&FanotifyGroup::OnceReadable>("onceReadable"),
                           InstanceMethod<&FanotifyGroup::ForgetSeen>("forgetSeen"),
                           InstanceMethod<&FanotifyGroup::Counters>("counters"),
                           InstanceMethod<&FanotifyGroup::ReportsDescriptorErrors>("reportsDescriptorErrors"),
                           InstanceMethod<&FanotifyGroup::Close>("close"),
                       });
  }

  // new FanotifyGroup(regularFilesOnly: boolean)
  explicit FanotifyGroup(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FanotifyGroup>(info) {
    Guarded(info.Env(), [&] { reader_ = std::make_unique<FanotifyReader>(info[0].ToBoolean()); });
  }

  ~FanotifyGroup() override { ClosePoll(); }

 private:
  template <typename Call>
  static void Guarded(Napi::Env env, Call call) {
    try {
      call();
    } catch (const SystemError& failed) {
      throw ErrnoError(env, failed.syscall, failed.error);
    }
  }

  FanotifyReader& Reader(Napi::Env env) {
    if (!reader_) throw ErrnoError(env, "fanotify", EBADF);
    return *reader_;
  }

  // mark(kind: 'filesystem' | 'mount', path: Buffer, reads: boolean)
  void Mark(const Napi::CallbackInfo& info) {
    const bool filesystem = info[0].As<Napi::String>().Utf8Value() == "filesystem";
    const auto path = info[1].As<Napi::Buffer<char>>();
    Guarded(info.Env(), [&] {
      Reader(info.Env())
          .Mark(filesystem ? MarkKind::kFilesystem : MarkKind::kMount, std::string(path.Data(), path.Length()),
                info[2].ToBoolean());
    });
  }

  // markMountOfRoot(pid, reads: boolean)
  void MarkMountOfRoot(const Napi::CallbackInfo& info) {
    const pid_t pid = info[0].As<Napi::Number>().Int32Value();
    Guarded(info.Env(), [&] { Reader(info.Env()).MarkMountOfRoot(pid, info[1].ToBoolean()); });
  }

  // useRootOf(pid): what stands in front of the paths below that root
  Napi::Value UseRootOf(const Napi::CallbackInfo& info) {
    const pid_t pid = info[0].As<Napi::Number>().Int32Value();
    Guarded(info.Env(), [&] { Reader(info.Env()).UseRootOf(pid); });
    return Bytes(info.Env(), Reader(info.Env()).root_path());
  }

  // markMountAt(path: Buffer, reads: boolean)
  void MarkMountAt(const Napi::CallbackInfo& info) {
    const auto path = info[0].As<Napi::Buffer<char>>();
    Guarded(info.Env(), [&] {
      Reader(info.Env()).MarkMountAt(std::string(path.Data(), path.Length()), info[1].ToBoolean());
    });
  }

  // read(): null when no event waits, else [names: Buffer, figures: Float64Array], as native/access-batch.ts has them
  Napi::Value Read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    batch_.Clear();
    bool any = false;
    Guarded(env, [&] { any = Reader(env).Read(&batch_); });
    if (!any) return env.Null();
    Napi::Float64Array figures = Napi::Float64Array::New(env, batch_.accesses.size() * kAccessFigures);
    double* figure = figures.Data();
    for (const FileAccess& access : batch_.accesses) {
      *figure++ = static_cast<double>(access.path_bytes);
      *figure++ = static_cast<double>(access.command_bytes);
      *figure++ = access.kinds;
      *figure++ = access.pid;
      *figure++ = static_cast<double>(access.read_microseconds);
      *figure++ = static_cast<double>(access.size_bytes);
    }
    Napi::Array result = Napi::Array::New(env, 2);
    result[0u] = Bytes(env, batch_.names);
    result[1u] = figures;
    return result;
  }

  static constexpr size_t kAccessFigures = 6;

  static Napi::Value Bytes(Napi::Env env, const std::string& bytes) {
    return Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size());
  }

  // onceReadable(callback): calls it once, from the event loop, when an event waits. The loop stays alive for it.
  void OnceReadable(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    FanotifyReader& reader = Reader(env);
    if (!poll_) {
      uv_loop_t* loop = nullptr;
      if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "this thread has no event loop");
      auto poll = std::make_unique<Poll>();
      const int error = uv_poll_init(loop, &poll->handle, reader.fd());
      if (error != 0) throw ErrnoError(env, "uv_poll_init", -error);
      poll->handle.data = poll.get();
      poll_ = poll.release();
    }
    poll_->callback = Napi::Persistent(info[0].As<Napi::Function>());
    if (uv_is_active(reinterpret_cast<uv_handle_t*>(&poll_->handle))) return;
    const int error = uv_poll_start(&poll_->handle, UV_READABLE, Readable);
    if (error != 0) throw ErrnoError(env, "uv_poll_start", -error);
  }

  static void Readable(uv_poll_t* handle, int, int) {
    Poll* poll = static_cast<Poll*>(handle->data);
    const Napi::Env env = poll->callback.Env();
    const Napi::HandleScope scope(env);
    const Napi::FunctionReference callback = std::move(poll->callback);
    try {
      // An error of the poll shows in the read(2) that the callback makes.
      callback.MakeCallback(env.Global(), {});
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());
    }
    // Who has asked for more by now is spared a stop and a start, which are system calls each.
    uv_handle_t* any_handle = reinterpret_cast<uv_handle_t*>(handle);
    if (poll->callback.IsEmpty() && !uv_is_closing(any_handle)) uv_poll_stop(handle);
  }

  void ForgetSeen(const Napi::CallbackInfo& info) {
    Guarded(info.Env(), [&] { Reader(info.Env()).ForgetSeen(); });
  }

  Napi::Value Counters(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const ReaderCounters& counters = Reader(env).counters();
    Napi::Object result = Napi::Object::New(env);
    result.Set("read", static_cast<double>(counters.read));
    result.Set("merged", static_cast<double>(counters.merged));
    result.Set("overflows", static_cast<double>(counters.overflows));
    result.Set("descriptorErrors", static_cast<double>(counters.descriptor_errors));
    result.Set("unresolved", static_cast<double>(counters.unresolved));
    result.Set("deleted", static_cast<double>(counters.deleted));
    result.Set("ignoredOwn", static_cast<double>(counters.ignored_own));
    return result;
  }

  Napi::Value ReportsDescriptorErrors(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), Reader(info.Env()).reports_descriptor_errors());
  }

  // close(): the kernel drops the mark, the ignore marks and unread events. May be called again.
  void Close(const Napi::CallbackInfo&) {
    ClosePoll();
    reader_.reset();
  }

  void ClosePoll() {
    if (!poll_) return;
    poll_->callback.Reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_->handle),
             [](uv_handle_t* handle) { delete static_cast<Poll*>(handle->data); });
    poll_ = nullptr;
  }

  std::unique_ptr<FanotifyReader> reader_;
  // Kept for its memory.
  AccessBatch batch_;
  Poll* poll_ = nullptr;
};

}  // namespace

void InitFanotify(Napi::Env env, Napi::Object exports) { exports.Set("FanotifyGroup", FanotifyGroup::Define(env)); }
