#include "base/plugin/plugin.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>

#include "base/core/text.h"
#include "base/plugin/detail/instance.h"
#include "base/plugin/error_wire.h"

namespace hanse::plugin {

namespace {

constexpr std::string_view kStateNames[] = {"none", "loaded", "ready", "active", "paused", "error", "unloaded"};
// How long a waiting call sleeps before it looks at its deadline and cancel flag again.
constexpr std::int64_t kWaitStepMs = 5;

std::string names_of(std::initializer_list<State> states) {
  std::string out;
  for (const State s : states) {
    if (!out.empty()) out += " or ";
    out += state_name(s);
  }
  return out;
}

}  // namespace

std::string_view state_name(State state) { return kStateNames[static_cast<std::size_t>(state)]; }

struct Plugin::Impl {
  Impl(std::unique_ptr<Instance> i, Clock& c, LogFn l)
      : clock(c), log(std::move(l)), instance(std::move(i)), manifest(instance->manifest()) {}

  Clock& clock;
  LogFn log;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::uint64_t> queue;  // tickets in order of arrival; the front one holds the turn
  std::uint64_t ticket_next = 0;
  State state = State::kLoaded;
  Counters counters;
  std::string last_error;
  std::unique_ptr<Instance> instance;
  Manifest manifest;

  Status expect(std::string_view step, std::initializer_list<State> allowed) const {
    if (std::ranges::find(allowed, state) != allowed.end()) return {};
    return fail(Kind::kConflict, "plugin.invalid_state",
                text("{}: {}: found state {}, expected {}", manifest.id, step, state_name(state), names_of(allowed)));
  }

  std::unexpected<Error> timed_out(std::string_view step) const {
    return fail(Kind::kTimeout, "plugin.timeout", text("{}: {}: the deadline passed", manifest.id, step));
  }

  // Waits for the turn. The caller must give it back with leave().
  Status enter(std::string_view step, std::int64_t deadline_ns) {
    std::unique_lock lock(mutex);
    if (queue.size() > kQueueMax)
      return fail(Kind::kExhausted, "plugin.busy", text("{}: {}: {} calls wait", manifest.id, step, kQueueMax));
    const auto ticket = ticket_next++;
    queue.push_back(ticket);
    while (queue.front() != ticket) {
      if (deadline_ns != 0 && clock.mono_ns() > deadline_ns) {
        std::erase(queue, ticket);
        return timed_out(step);
      }
      if (deadline_ns == 0) {
        changed.wait(lock);
      } else {
        changed.wait_for(lock, std::chrono::milliseconds(kWaitStepMs));
      }
    }
    return {};
  }

  void leave() {
    {
      const std::lock_guard lock(mutex);
      queue.pop_front();
    }
    changed.notify_all();
  }

  void set_state(State next) {
    const std::lock_guard lock(mutex);
    state = next;
    if (next != State::kError) last_error.clear();
  }

  void to_error(std::string_view why) {
    const std::lock_guard lock(mutex);
    state = State::kError;
    last_error = why;
  }

  // Turns the answer of a call without a sink into a Status; a panic moves to Error.
  Status settle(std::string_view step, int answer) {
    if (answer == HANSE_OK) return {};
    {
      const std::lock_guard lock(mutex);
      ++(answer == HANSE_PANIC ? counters.panics : counters.failed);
    }
    if (answer == HANSE_ERROR)
      return fail(Kind::kInternal, "plugin.failed", text("{}: {} was refused by the plug-in", manifest.id, step));
    to_error(text("panic in {}", step));
    return fail(Kind::kInternal, "plugin.panic", text("{}: {} ended in a panic", manifest.id, step));
  }

  template <class Call>
  Status step(std::string_view name, std::initializer_list<State> from, State to, std::int64_t deadline_ns, Call call) {
    TRY_OK(enter(name, deadline_ns));
    const Turn turn(*this);
    TRY_OK(expect(name, from));
    TRY_OK(settle(name, call()));
    set_state(to);
    return {};
  }

  struct Turn {
    explicit Turn(Impl& i) : impl(i) {}
    ~Turn() { impl.leave(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Impl& impl;
  };
};

Plugin::Plugin(std::unique_ptr<Instance> instance, Clock& clock, LogFn log)
    : impl_(std::make_unique<Impl>(std::move(instance), clock, std::move(log))) {}
Plugin::~Plugin() = default;

Manifest Plugin::manifest() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->manifest;
}
State Plugin::state() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->state;
}
Counters Plugin::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counters;
}
std::string Plugin::last_error() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->last_error;
}

Status Plugin::init(ByteView config) {
  return impl_->step("init", {State::kLoaded}, State::kReady, 0, [&] {
    const int answer = impl_->instance->init(config);
    if (answer == HANSE_OK && !impl_->instance->has_self()) return static_cast<int>(HANSE_PANIC);
    return answer;
  });
}
Status Plugin::start() {
  return impl_->step("start", {State::kReady}, State::kActive, 0, [&] { return impl_->instance->start(); });
}
Status Plugin::pause() {
  return impl_->step("pause", {State::kActive}, State::kPaused, 0, [&] { return impl_->instance->pause(); });
}
Status Plugin::resume() {
  return impl_->step("resume", {State::kPaused}, State::kActive, 0, [&] { return impl_->instance->resume(); });
}
// The turn is what drains: it comes only after every call that arrived before, and later ones find Ready.
Status Plugin::stop(std::int64_t deadline_ns) {
  return impl_->step("stop", {State::kActive, State::kPaused}, State::kReady, deadline_ns,
                     [&] { return impl_->instance->stop(); });
}
Status Plugin::reset() {
  return impl_->step("reset", {State::kError}, State::kLoaded, 0, [&] { return impl_->instance->destroy(); });
}

Result<Bytes> Plugin::execute(ByteView in, const CallOptions& options) {
  auto& impl = *impl_;
  TRY_OK(impl.enter("execute", options.deadline_ns));
  const Impl::Turn turn(impl);
  TRY_OK(impl.expect("execute", {State::kActive}));
  if (options.deadline_ns != 0 && impl.clock.mono_ns() > options.deadline_ns) return impl.timed_out("execute");

  Bytes out;
  bool out_full = false;
  const int answer = impl.instance->execute(in, options, out, out_full);
  const bool late = options.deadline_ns != 0 && impl.clock.mono_ns() > options.deadline_ns;
  {
    const std::lock_guard lock(impl.mutex);
    ++impl.counters.calls;
    if (late) ++impl.counters.timeouts;
    if (answer == HANSE_ERROR) ++impl.counters.failed;
  }
  if (answer == HANSE_PANIC) {
    auto panic = impl.settle("execute", answer);
    const auto why = decode_error(out);
    return std::unexpected(why ? std::move(panic).error().with(why->str()) : std::move(panic).error());
  }
  if (late) {
    impl.to_error("a call overran its deadline");
    return impl.timed_out("execute");
  }
  if (out_full)
    return fail(
        Kind::kExhausted, "plugin.output_too_large",
        text("{}: the answer is longer than {} bytes", impl.manifest.id, std::min(options.output_max, kOutputMax)));
  if (answer == HANSE_OK) return out;
  auto error = decode_error(out);
  if (error) return std::unexpected(std::move(*error));
  impl.to_error("answered an error that cannot be read");
  return fail(Kind::kInvalid, "plugin.bad_error",
              text("{}: answered an error that cannot be read: {}", impl.manifest.id, error.error().str()));
}

PluginHost::PluginHost(Clock& clock, LogFn log) : clock_(clock), log_(std::move(log)) {}
PluginHost::~PluginHost() = default;

Status PluginHost::check_needs(const Manifest& manifest) const {
  for (const auto& need : manifest.needs) {
    const auto it = plugins_.find(need.id);
    const auto found = it == plugins_.end() ? std::string("none") : it->second->manifest().version.str();
    if (it == plugins_.end() || !need.met_by(it->second->manifest().version))
      return fail(Kind::kNotFound, "plugin.missing_need",
                  text("{} needs {} >= {}: found {}", manifest.id, need.id, need.version_min.str(), found));
  }
  return {};
}

Result<std::shared_ptr<Plugin>> PluginHost::load(const std::string& path) {
  TRY(auto instance, Instance::open(path, clock_, log_));
  const auto id = instance->manifest().id;
  const std::lock_guard lock(mutex_);
  if (plugins_.contains(id)) return fail(Kind::kConflict, "plugin.exists", text("{} is loaded already", id));
  if (plugins_.size() >= kPluginsMax)
    return fail(Kind::kExhausted, "plugin.full", text("{}: {} plug-ins are loaded, no more fit", id, kPluginsMax));
  TRY_OK(check_needs(instance->manifest()));
  auto plugin = std::make_shared<Plugin>(std::move(instance), clock_, log_);
  plugins_.emplace(id, plugin);
  return plugin;
}

Status PluginHost::load_all(const std::vector<std::string>& paths) {
  std::vector<Manifest> manifests;
  for (const auto& path : paths) {
    TRY(const auto instance, Instance::open(path, clock_, log_));
    manifests.push_back(instance->manifest());
  }
  TRY(const auto order, load_order(manifests));
  std::vector<std::string> loaded;
  for (const auto i : order) {
    auto plugin = load(paths[i]);
    if (plugin) {
      loaded.push_back(manifests[i].id);
      continue;
    }
    // Users were loaded after what they need, so the way back is the reverse order.
    for (auto it = loaded.rbegin(); it != loaded.rend(); ++it) TRY_OK(unload(*it));
    return std::unexpected(std::move(plugin).error());
  }
  return {};
}

Result<std::shared_ptr<Plugin>> PluginHost::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto it = plugins_.find(id);
  if (it == plugins_.end()) return fail(Kind::kNotFound, "plugin.not_found", text("found no plug-in {}", id));
  return it->second;
}

std::vector<std::string> PluginHost::ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [id, plugin] : plugins_) out.push_back(id);
  return out;
}

Status PluginHost::unload(std::string_view id) {
  TRY(const auto plugin, find(id));
  auto& impl = *plugin->impl_;
  TRY_OK(impl.enter("unload", 0));
  const Plugin::Impl::Turn turn(impl);
  TRY_OK(impl.expect("unload", {State::kLoaded, State::kReady, State::kError}));
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [other_id, other] : plugins_) {
      const auto& needs = other->manifest().needs;
      if (std::ranges::any_of(needs, [&](const Need& n) { return n.id == id; }))
        return fail(Kind::kConflict, "plugin.needed", text("{} is needed by {}", id, other_id));
    }
    const auto it = plugins_.find(id);
    if (it != plugins_.end()) plugins_.erase(it);
  }
  impl.instance->destroy();
  impl.set_state(State::kUnloaded);
  impl.instance.reset();
  return {};
}

Status PluginHost::upgrade(std::string_view id, const std::string& path, ByteView config, std::int64_t deadline_ns) {
  TRY(const auto plugin, find(id));
  TRY(auto fresh, Instance::open(path, clock_, log_));
  if (fresh->manifest().id != id)
    return fail(Kind::kInvalid, "plugin.bad_manifest",
                text("{}: found id {}, expected {}", path, fresh->manifest().id, id));
  {
    const std::lock_guard lock(mutex_);
    TRY_OK(check_needs(fresh->manifest()));
  }
  auto& impl = *plugin->impl_;
  TRY_OK(impl.enter("upgrade", deadline_ns));
  const Plugin::Impl::Turn turn(impl);
  TRY_OK(impl.expect("upgrade", {State::kActive, State::kPaused}));
  if (!impl.instance->can_save() || !fresh->can_upgrade())
    return fail(Kind::kUnsupported, "plugin.no_upgrade",
                text("{}: save of {} or upgrade of {} is absent", id, impl.manifest.version.str(),
                     fresh->manifest().version.str()));

  // The new instance must pass every step before the old one is let go; its failure is not the old one's.
  const auto attempt = [&](std::string_view name, int answer) -> Status {
    if (answer == HANSE_OK) return {};
    return fail(Kind::kInternal, "plugin.failed",
                text("{}: {} failed in version {}, {} goes on", id, name, fresh->manifest().version.str(),
                     impl.manifest.version.str()));
  };
  TRY_OK(attempt("init", fresh->init(config)));
  if (!fresh->has_self()) return attempt("init", HANSE_PANIC);
  Bytes state;
  TRY_OK(impl.settle("save", impl.instance->save(state)));
  TRY_OK(attempt("upgrade", fresh->upgrade(state, impl.manifest.version.str())));
  TRY_OK(attempt("start", fresh->start()));
  if (impl.state == State::kPaused) TRY_OK(attempt("pause", fresh->pause()));

  std::unique_ptr<Instance> old = std::move(impl.instance);
  {
    const std::lock_guard lock(impl.mutex);
    impl.manifest = fresh->manifest();
    impl.instance = std::move(fresh);
  }
  old->stop();  // its answer cannot change anything any more
  return {};
}

}  // namespace hanse::plugin
