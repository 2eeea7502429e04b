#include "base/plugin/detail/instance.h"

#include <algorithm>

#include <dlfcn.h>

#include "base/core/text.h"

namespace hanse::plugin {

namespace {

constexpr std::size_t kLogTextMax = 4096;

template <class Call>
int guarded(Call call) noexcept {
  try {
    const int answer = call();
    return answer == HANSE_OK || answer == HANSE_ERROR ? answer : HANSE_PANIC;
  } catch (...) {
    return HANSE_PANIC;
  }
}

struct Sink {
  Bytes& out;
  std::size_t size_max;
  bool full = false;

  static int write(void* ctx, const std::uint8_t* data, std::uint64_t size) {
    auto& sink = *static_cast<Sink*>(ctx);
    if (sink.full || size > sink.size_max - sink.out.size()) {
      sink.full = true;
      return HANSE_ERROR;
    }
    sink.out.insert(sink.out.end(), data, data + size);
    return HANSE_OK;
  }
  hanse_sink c_sink() { return {.ctx = this, .write = &Sink::write}; }
};

hanse_blob blob(ByteView bytes) { return {.data = bytes.data(), .size = bytes.size()}; }

Status check_table(const hanse_plugin_v1* table, const std::string& path) {
  if (table == nullptr)
    return fail(Kind::kUnsupported, "plugin.bad_abi", text("{}: the entry answered no table", path));
  if (table->abi != HANSE_PLUGIN_ABI_VERSION)
    return fail(Kind::kUnsupported, "plugin.bad_abi",
                text("{}: found ABI {}, expected {}", path, table->abi, HANSE_PLUGIN_ABI_VERSION));
  if (table->size < sizeof(hanse_plugin_v1))
    return fail(
        Kind::kUnsupported, "plugin.bad_abi",
        text("{}: found a table of {} bytes, expected at least {}", path, table->size, sizeof(hanse_plugin_v1)));
  const bool complete = table->manifest && table->init && table->start && table->pause && table->resume &&
                        table->stop && table->execute && table->destroy;
  if (!complete)
    return fail(Kind::kUnsupported, "plugin.bad_abi", text("{}: the table lacks a required function", path));
  return {};
}

}  // namespace

Result<std::shared_ptr<Library>> Library::open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return fail(Kind::kUnavailable, "plugin.open", text("{}: {}", path, why ? why : "unknown"));
  }
  return std::shared_ptr<Library>(new Library(handle, path));
}

Library::~Library() { dlclose(handle_); }

Result<const hanse_plugin_v1*> Library::table() const {
  void* symbol = dlsym(handle_, HANSE_PLUGIN_ENTRY_NAME);
  if (symbol == nullptr)
    return fail(Kind::kInvalid, "plugin.no_entry", text("{}: found no {}", path_, HANSE_PLUGIN_ENTRY_NAME));
  const auto entry = reinterpret_cast<hanse_plugin_entry_fn>(symbol);
  const hanse_plugin_v1* table = nullptr;
  guarded([&] {
    table = entry();
    return HANSE_OK;
  });
  TRY_OK(check_table(table, path_));
  return table;
}

Result<std::unique_ptr<Instance>> Instance::open(const std::string& path, Clock& clock, LogFn log) {
  TRY(auto library, Library::open(path));
  TRY(const auto* table, library->table());
  TRY(auto manifest, with_context(parse_manifest(table->manifest), path));
  if (manifest.abi != HANSE_PLUGIN_ABI_VERSION)
    return fail(Kind::kUnsupported, "plugin.bad_abi",
                text("{}: manifest says ABI {}, expected {}", path, manifest.abi, HANSE_PLUGIN_ABI_VERSION));
  return std::make_unique<Instance>(std::move(library), *table, std::move(manifest), clock, std::move(log));
}

Instance::Instance(std::shared_ptr<Library> library, const hanse_plugin_v1& table, Manifest manifest, Clock& clock,
                   LogFn log)
    : library_(std::move(library)), table_(table), manifest_(std::move(manifest)), clock_(clock), log_(std::move(log)) {
  api_ = {.abi = HANSE_PLUGIN_ABI_VERSION,
          .size = sizeof api_,
          .host = this,
          .log = &Instance::on_log,
          .mono_ns = &Instance::on_mono_ns,
          .stop = &Instance::on_stop};
}

Instance::~Instance() { destroy(); }

int Instance::init(ByteView config) {
  return guarded([&] { return table_.init(&api_, blob(config), &self_); });
}
int Instance::start() {
  return guarded([&] { return table_.start(self_); });
}
int Instance::pause() {
  return guarded([&] { return table_.pause(self_); });
}
int Instance::resume() {
  return guarded([&] { return table_.resume(self_); });
}
int Instance::stop() {
  return guarded([&] { return table_.stop(self_); });
}
int Instance::save(Bytes& out) {
  Sink sink{.out = out, .size_max = kOutputMax};
  const int answer = guarded([&] { return table_.save(self_, sink.c_sink()); });
  return answer == HANSE_OK && sink.full ? HANSE_ERROR : answer;
}
int Instance::upgrade(ByteView old_state, const std::string& old_version) {
  return guarded([&] { return table_.upgrade(self_, blob(old_state), old_version.c_str()); });
}

int Instance::execute(ByteView in, const CallOptions& options, Bytes& out, bool& out_full) {
  deadline_ns_.store(options.deadline_ns);
  cancelled_.store(options.cancelled);
  Sink sink{.out = out, .size_max = std::min(options.output_max, kOutputMax)};
  const int answer = guarded(
      [&] { return table_.execute(self_, blob(in), sink.c_sink(), static_cast<std::uint64_t>(options.deadline_ns)); });
  deadline_ns_.store(0);
  cancelled_.store(nullptr);
  out_full = sink.full;
  return answer;
}

int Instance::destroy() {
  if (self_ == nullptr) return HANSE_OK;
  const int answer = guarded([&] {
    table_.destroy(self_);
    return HANSE_OK;
  });
  self_ = nullptr;
  return answer;
}

void Instance::on_log(void* host, int level, const char* line, std::uint64_t size) {
  auto& self = *static_cast<Instance*>(host);
  if (!self.log_ || line == nullptr) return;
  const auto clamped = static_cast<LogLevel>(std::clamp(level, 0, 3));
  self.log_(self.manifest_.id, clamped, {line, std::min<std::size_t>(size, kLogTextMax)});
}

std::uint64_t Instance::on_mono_ns(void* host) {
  return static_cast<std::uint64_t>(static_cast<Instance*>(host)->clock_.mono_ns());
}

int Instance::on_stop(void* host) {
  const auto& self = *static_cast<Instance*>(host);
  const auto* cancelled = self.cancelled_.load(std::memory_order_relaxed);
  if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return 1;
  const auto deadline_ns = self.deadline_ns_.load(std::memory_order_relaxed);
  return deadline_ns != 0 && self.clock_.mono_ns() > deadline_ns ? 1 : 0;
}

}  // namespace hanse::plugin
