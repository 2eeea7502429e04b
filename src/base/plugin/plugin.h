// Plug-ins: shared libraries behind the C boundary of abi.h, each with its own life and its own queue.
//
// States and the steps between them (systems-engines.md 5A); any other step is plugin.invalid_state and changes
// nothing:
//   none -> Loaded           load: manifest, ABI and needs are right
//   Loaded -> Ready          init           Ready -> Active          start
//   Active -> Paused         pause          Paused -> Active         resume
//   Active, Paused -> Ready  stop: no new calls, those running end first
//   any but Unloaded -> Error   the plug-in panics, throws, overruns a deadline or breaks the boundary's rules
//   Error -> Loaded          reset: the instance is destroyed
//   Loaded, Ready, Error -> Unloaded   unload: the library is closed
// execute needs Active. Calls of one plug-in run one after another in order of arrival; at most kQueueMax wait.
// Plug-ins do not wait for each other: the registry's lock covers look-ups only. A native plug-in shares the process:
// it is trusted not to crash and to watch stop(). What is not trusted runs in hanse-worker, a sandboxed process
// (exchange/runtime), through the same boundary.
//
// Deadlines are mono_ns of the host's clock, 0 = none. A call that returns after its deadline is plugin.timeout and
// leaves the plug-in in Error; a call whose deadline passes while it waits for its turn is plugin.timeout without a
// change of state.
//
// Errors:
//   plugin.invalid_state (conflict)   says current and expected states
//   plugin.open (unavailable)         dlopen failed              plugin.no_entry (invalid)  no hanse_plugin_entry
//   plugin.bad_abi (unsupported)      other ABI number, or a table too small or without a required function
//   plugin.bad_manifest (invalid)     see manifest.h             plugin.missing_need (not_found)  a need is not loaded
//   plugin.cycle (invalid)            needs form a ring          plugin.needed (conflict)  another plug-in needs it
//   plugin.exists (conflict)          the id is taken            plugin.not_found (not_found)
//   plugin.full (exhausted)           kPluginsMax are loaded     plugin.busy (exhausted)  kQueueMax calls wait
//   plugin.timeout (timeout)          see above                  plugin.panic (internal)  HANSE_PANIC or an exception
//   plugin.output_too_large (exhausted)                          plugin.bad_error (invalid)  an Error that is none
//   plugin.no_upgrade (unsupported)   save or upgrade is absent  plugin.failed (internal)  a call answered HANSE_ERROR
// Threads: any, for every function here.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "base/core/bytes.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/plugin/manifest.h"

struct hanse_plugin_v1;

namespace hanse::plugin {

constexpr std::size_t kPluginsMax = 64;
constexpr std::size_t kQueueMax = 256;
constexpr std::size_t kOutputMax = 65u << 20;  // bytes of one answer

enum class State : std::uint8_t { kNone, kLoaded, kReady, kActive, kPaused, kError, kUnloaded };
std::string_view state_name(State state);  // "none", "loaded", ...

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
using LogFn = std::function<void(std::string_view plugin_id, LogLevel level, std::string_view text)>;

struct CallOptions {
  std::int64_t deadline_ns = 0;                  // mono_ns of the host's clock; 0 = none
  const std::atomic<bool>* cancelled = nullptr;  // seen by the plug-in through stop()
  std::size_t output_max = kOutputMax;
};

struct Counters {
  std::uint64_t calls = 0, failed = 0, timeouts = 0, panics = 0;
};

class Library;   // one dlopen handle
class Instance;  // one table and its self

// One loaded plug-in. Made by PluginHost; shared because a call may still run while the host forgets it.
class Plugin {
 public:
  Plugin(std::unique_ptr<Instance> instance, Clock& clock, LogFn log);
  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  Manifest manifest() const;
  State state() const;
  Counters counters() const;
  std::string last_error() const;  // why it is in Error, or ""

  Status init(ByteView config);
  Status start();
  Status pause();
  Status resume();
  Status stop(std::int64_t deadline_ns = 0);
  Status reset();
  Result<Bytes> execute(ByteView in, const CallOptions& options = {});

 private:
  friend class PluginHost;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class PluginHost {
 public:
  explicit PluginHost(Clock& clock = system_clock(), LogFn log = {});
  ~PluginHost();

  // None -> Loaded. The library is opened with RTLD_NOW | RTLD_LOCAL.
  Result<std::shared_ptr<Plugin>> load(const std::string& path);
  // All of them, needs first; on an error those of this call are unloaded again.
  Status load_all(const std::vector<std::string>& paths);
  Result<std::shared_ptr<Plugin>> find(std::string_view id) const;
  std::vector<std::string> ids() const;

  // To Unloaded, from Loaded, Ready or Error.
  Status unload(std::string_view id);

  // Replaces the plug-in's code: loads `path` beside the running one, initialises it with `config`, waits until no call
  // runs, hands over the old one's save() to the new one's upgrade(), brings it to the old one's state and switches.
  // Calls that arrive meanwhile wait and run on the new one. On any error the old one goes on as before.
  Status upgrade(std::string_view id, const std::string& path, ByteView config, std::int64_t deadline_ns = 0);

 private:
  Status check_needs(const Manifest& manifest) const;  // under mutex_

  Clock& clock_;
  LogFn log_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Plugin>, std::less<>> plugins_;
};

}  // namespace hanse::plugin
