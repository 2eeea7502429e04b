// A plug-in for tests of the host. Its state is a counter. Compiled several times: PROBE_VERSION is its version,
// PROBE_FAULT what is wrong with it.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "base/core/result.h"
#include "base/plugin/abi.h"
#include "base/plugin/error_wire.h"

#ifndef PROBE_ID
#define PROBE_ID "probe"
#endif
#ifndef PROBE_NEEDS
#define PROBE_NEEDS ""
#endif
#ifndef PROBE_FAULT
#define PROBE_FAULT ""
#endif

namespace {

constexpr std::string_view kFault = PROBE_FAULT;

struct Probe {
  const hanse_host_api* host;
  std::uint64_t count = 0;
  bool no_start = false;
};

int answer(hanse_sink out, std::string_view text) {
  return out.write(out.ctx, reinterpret_cast<const std::uint8_t*>(text.data()), text.size()) == HANSE_OK ? HANSE_OK
                                                                                                         : HANSE_ERROR;
}

int init(const hanse_host_api* host, hanse_blob config, void** self) {
  const std::string_view text(reinterpret_cast<const char*>(config.data), config.size);
  if (text == "refuse") return HANSE_ERROR;
  if (text == "no self") return HANSE_OK;
  *self = new Probe{.host = host, .count = 0, .no_start = text == "no start"};
  host->log(host->host, HANSE_LOG_INFO, "ready", 5);
  return HANSE_OK;
}

int start(void* self) { return static_cast<Probe*>(self)->no_start ? HANSE_ERROR : HANSE_OK; }
int nothing(void*) { return HANSE_OK; }

int execute(void* self, hanse_blob in, hanse_sink out, std::uint64_t) {
  auto& probe = *static_cast<Probe*>(self);
  const auto& host = *probe.host;
  const std::string_view word(reinterpret_cast<const char*>(in.data), in.size);
  ++probe.count;
  if (word == "count") return answer(out, std::to_string(probe.count));
  if (word == "version") return answer(out, PROBE_VERSION);
  if (word == "echo") return answer(out, word);
  if (word == "until stop") {
    host.log(host.host, HANSE_LOG_INFO, "waiting", 7);
    while (host.stop(host.host) == 0) std::this_thread::yield();
    return answer(out, "stopped");
  }
  if (word == "throw") throw std::runtime_error("thrown on purpose");
  if (word == "panic") return HANSE_PANIC;
  if (word == "odd answer") return 77;
  if (word == "error") {
    const auto bytes =
        hanse::plugin::encode_error(hanse::Error(hanse::Kind::kNotFound, "probe.nothing", "found nothing"));
    return out.write(out.ctx, bytes.data(), bytes.size()) == HANSE_OK ? HANSE_ERROR : HANSE_PANIC;
  }
  if (word == "bad error") {
    answer(out, "no error at all");
    return HANSE_ERROR;
  }
  if (word.starts_with("write ")) {
    const std::string block(std::strtoull(std::string(word.substr(6)).c_str(), nullptr, 10), 'x');
    answer(out, block);  // does not look whether it was taken
    return HANSE_OK;
  }
  return HANSE_ERROR;
}

int save(void* self, hanse_sink out) {
  if (kFault == "save panics") return HANSE_PANIC;
  return answer(out, std::to_string(static_cast<Probe*>(self)->count));
}

int upgrade(void* self, hanse_blob old_state, const char*) {
  if (kFault == "upgrade fails") return HANSE_ERROR;
  static_cast<Probe*>(self)->count =
      std::strtoull(std::string(reinterpret_cast<const char*>(old_state.data), old_state.size).c_str(), nullptr, 10);
  return HANSE_OK;
}

void destroy(void* self) { delete static_cast<Probe*>(self); }

constexpr const char* kManifest = "# a test plug-in\nid = \"" PROBE_ID "\"\nversion = \"" PROBE_VERSION
                                  "\"\nabi = \"1\"\nneeds = \"" PROBE_NEEDS "\"\ncapabilities = \"probe/v1\"\n";

const hanse_plugin_v1 kTable = {
    .abi = kFault == "other abi" ? 2u : HANSE_PLUGIN_ABI_VERSION,
    .size = kFault == "small table" ? 40u : static_cast<std::uint32_t>(sizeof(hanse_plugin_v1)),
    .manifest = kFault == "bad manifest" ? "id = 7" : kManifest,
    .init = init,
    .start = start,
    .pause = nothing,
    .resume = nothing,
    .stop = nothing,
    .execute = kFault == "no execute" ? nullptr : execute,
    .save = kFault == "no save" ? nullptr : save,
    .upgrade = upgrade,
    .destroy = destroy};

}  // namespace

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return &kTable; }
