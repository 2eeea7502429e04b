// Makes a plug-in out of a JobKind. A file plugin_x.cc is:
//
//   struct Source {
//     static constexpr const char* kManifest =
//         "id = \"wasm\"\nversion = \"1.0.0\"\nabi = \"1\"\ncapabilities = \"wasm/v1\"\n";   // capabilities = kind
//         names
//     static Result<std::unique_ptr<JobKind>> make(const KindConfig& config);
//   };
//   extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return kind_plugin<Source>(); }
//
// built with plugin(wasm SOURCES ... ROOMS runtime ...) in rooms.cmake, into build/lib/hanse/wasm.so.
//
// Where things run: make() runs in the worker's zygote, before the sandbox and before fork: it may read files, look at
// the CPU and load libraries, and must not start threads, keep sockets or depend on its process id. check, run, prepare
// and verify run in a forked worker inside the sandbox: no network, no files but the scratch directory and what is
// open, threads allowed. A worker does one call and ends; before it is ready it asks check about an empty request, to
// have the code in memory. One kind object gets one call at a time. run is called only when check has passed. Limits:
// request.limits are the kind's to obey; the pool kills a worker that overstays wall_ms. std::bad_alloc becomes the
// error runtime.out_of_memory (exhausted), any other exception runtime.kind_threw (internal) and HANSE_PANIC.
#pragma once

#include <memory>

#include "base/plugin/abi.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::runtime {

// What the worker tells a kind: lines of key = "value".
//   scratch   a private, empty, writable directory inside the sandbox; it is the current directory and TMPDIR when run,
//             prepare and verify are called. It does not exist yet when make() is called. Default ".".
struct KindConfig {
  std::string scratch = ".";
};
Result<KindConfig> parse_kind_config(std::string_view text);

// Carries one JobKind across the C boundary.
class KindServer {
 public:
  KindServer(std::unique_ptr<JobKind> kind, const hanse_host_api* host) : kind_(std::move(kind)), host_(host) {}
  int execute(hanse_blob in, hanse_sink out);

 private:
  Result<Bytes> answer(ByteView call_bytes);

  std::unique_ptr<JobKind> kind_;
  const hanse_host_api* host_;
};

int kind_init(Result<std::unique_ptr<JobKind>> (*make)(const KindConfig&), const hanse_host_api* host,
              hanse_blob config, void** self);

template <class Source>
const hanse_plugin_v1* kind_plugin() {
  static const hanse_plugin_v1 table = {
      .abi = HANSE_PLUGIN_ABI_VERSION,
      .size = sizeof(hanse_plugin_v1),
      .manifest = Source::kManifest,
      .init = [](const hanse_host_api* host, hanse_blob config,
                 void** self) { return kind_init(&Source::make, host, config, self); },
      .start = [](void*) -> int { return HANSE_OK; },
      .pause = [](void*) -> int { return HANSE_OK; },
      .resume = [](void*) -> int { return HANSE_OK; },
      .stop = [](void*) -> int { return HANSE_OK; },
      .execute = [](void* self, hanse_blob in, hanse_sink out,
                    std::uint64_t) { return static_cast<KindServer*>(self)->execute(in, out); },
      .save = nullptr,
      .upgrade = nullptr,
      .destroy = [](void* self) { delete static_cast<KindServer*>(self); },
  };
  return &table;
}

}  // namespace hanse::runtime
