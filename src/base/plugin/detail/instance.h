// One opened library and one instance of its table: size checks, guarded calls, the sink and the host's callbacks.
// Threads: one call at a time; the owner sees to that.
#pragma once

#include "base/plugin/abi.h"
#include "base/plugin/plugin.h"

namespace hanse::plugin {

class Library {
 public:
  static Result<std::shared_ptr<Library>> open(const std::string& path);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  Result<const hanse_plugin_v1*> table() const;

 private:
  Library(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* handle_;
  std::string path_;
};

class Instance {
 public:
  static Result<std::unique_ptr<Instance>> open(const std::string& path, Clock& clock, LogFn log);
  Instance(std::shared_ptr<Library> library, const hanse_plugin_v1& table, Manifest manifest, Clock& clock, LogFn log);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const Manifest& manifest() const { return manifest_; }
  bool can_save() const { return table_.save != nullptr; }
  bool can_upgrade() const { return table_.upgrade != nullptr; }
  bool has_self() const { return self_ != nullptr; }

  // HANSE_OK, HANSE_ERROR or HANSE_PANIC; an exception or any other number counts as a panic.
  int init(ByteView config);
  int start();
  int pause();
  int resume();
  int stop();
  int save(Bytes& out);
  int upgrade(ByteView old_state, const std::string& old_version);
  int execute(ByteView in, const CallOptions& options, Bytes& out, bool& out_full);
  int destroy();  // the instance has no self afterwards

 private:
  std::shared_ptr<Library> library_;
  hanse_plugin_v1 table_;
  Manifest manifest_;
  Clock& clock_;
  LogFn log_;
  void* self_ = nullptr;
  hanse_host_api api_{};
  std::atomic<std::int64_t> deadline_ns_{0};
  std::atomic<const std::atomic<bool>*> cancelled_{nullptr};

  static void on_log(void* host, int level, const char* text, std::uint64_t size);
  static std::uint64_t on_mono_ns(void* host);
  static int on_stop(void* host);
};

}  // namespace hanse::plugin
