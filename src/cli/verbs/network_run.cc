#include <poll.h>
#include <signal.h>

#include "base/codec/json.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "cli/verbs/network.h"
#include "exchange/market/calls.h"
#include "exchange/market/view.h"
#include "node/client/client.h"
#include "node/peering/control.h"

namespace hanse::cli {

namespace {

constexpr std::int64_t kStartWaitMs = 90'000;

std::string run_path(const Network& network, const NetworkNode& node) {
  return text("{}/{}/run.json", network.dir, node.name);
}

void pause_ms(int ms) { ::poll(nullptr, 0, ms); }

// What a node that ended while starting has to say: the end of its log.
std::string last_words(const Network& network, const NetworkNode& node) {
  auto log = read_system_file(text("{}/{}/node.log", network.dir, node.name), 64u << 20);
  if (!log) return "it left no log";
  while (!log->empty() && log->back() == '\n') log->pop_back();
  const std::size_t from = log->size() > 600 ? log->find('\n', log->size() - 600) : 0;
  return log->substr(from == std::string::npos ? 0 : from);
}

Status start_node(const Network& network, const NetworkNode& node) {
  const std::string folder = network.dir + "/" + node.name;
  TRY(const Process process,
      start_process(program_folder() + "/hansed", {"--config", folder + "/node.toml"}, folder + "/node.log"));
  codec::Json json = codec::Json::object();
  json.set("pid", std::int64_t{process.pid}).set("start_ticks", process.start_ticks);
  return replace_file(real_fs(), run_path(network, node), as_bytes(json.dump() + "\n"));
}

Status still_runs(const Network& network, const NetworkNode& node) {
  if (node_process(network, node)) return {};
  return fail(Kind::kUnavailable, "cli.start_failed",
              text("{} ended while starting: {}", node.name, last_words(network, node)));
}

Result<std::size_t> standing_providers(client::Client& client) {
  TRY(const Bytes answer,
      client.query(market::kMarketApp, "providers", market::encode_query(market::ProvidersQuery{})));
  TRY(const auto providers, market::decode_providers(answer));
  std::size_t standing = 0;
  for (const auto& provider : providers) standing += provider.asks > 0 ? 1 : 0;
  return standing;
}

// Why a lane is not open to the wallet; "" when both are.
std::string closed_lane(const std::string& socket) {
  codec::Json request = codec::Json::object();
  request.set("do", "mix_status");
  const auto status = peering::ask({.path = socket, .request = std::move(request), .wait_ms = 1'000});
  if (!status) return status.error().str();
  for (const char* name : {"flash_error", "deep_error"}) {
    const codec::Json* why = status->find(name);
    const auto words = why != nullptr ? why->as_text(name) : Result<std::string_view>("no answer");
    if (!words || !words->empty()) return words ? std::string(*words) : words.error().str();
  }
  return "";
}

template <class Ready>
Status wait_until(const Network& network, std::string_view what, plugin::Talk& talk, Ready ready) {
  const std::int64_t start_ns = system_clock().mono_ns();
  while (true) {
    if (ready()) return {};
    const std::int64_t waited_ms = (system_clock().mono_ns() - start_ns) / 1'000'000;
    for (const auto& node : network.nodes) TRY_OK(still_runs(network, node));
    if (waited_ms > kStartWaitMs)
      return fail(Kind::kTimeout, "cli.start_failed",
                  text("waited {} ms for {}; see {}/*/node.log", waited_ms, what, network.dir));
    talk.progress(text("waiting for {} ({} ms)", what, waited_ms));
    pause_ms(20);
  }
}

// Keys are of use two epochs after they are published, and traffic must be measured before the Deep lane is open.
Status wait_for_mix(const Network& network, plugin::Talk& talk) {
  for (const auto& node : network.nodes) {
    if (node.role != "wallet") continue;
    std::string why, told;
    TRY_OK(with_context(wait_until(network, "both lanes of the mix", talk,
                                   [&] {
                                     why = closed_lane(text("{}/{}/mesh.sock", network.dir, node.name));
                                     if (why != told && !why.empty()) talk.say(text("the mix is not open: {}", why));
                                     told = why;
                                     return why.empty();
                                   }),
                        why));
  }
  return {};
}

}  // namespace

Result<Process> node_process(const Network& network, const NetworkNode& node) {
  const auto not_started = [&] {
    return fail(Kind::kUnavailable, "cli.not_started", text("{} of {} does not run", node.name, network.dir));
  };
  auto bytes = read_file(real_fs(), run_path(network, node), 4096);
  if (!bytes) return not_started();
  TRY(const codec::Json json, codec::parse_json(as_text(*bytes)));
  const codec::Json* pid = json.find("pid");
  const codec::Json* ticks = json.find("start_ticks");
  if (pid == nullptr || ticks == nullptr) return not_started();
  TRY(const std::uint64_t number, pid->as_u64("pid"));
  TRY(const std::uint64_t start, ticks->as_u64("start_ticks"));
  const Process process{.pid = static_cast<int>(number), .start_ticks = start};
  if (!is_running(process)) return not_started();
  return process;
}

std::string ready_path(const Network& network, const NetworkNode& node) {
  return text("{}/{}/data/ready", network.dir, node.name);
}

Status start_network(const Network& network, plugin::Talk& talk) {
  for (const auto& node : network.nodes)
    if (!node_process(network, node)) TRY_OK(start_node(network, node));
  std::unique_ptr<client::Client> client;
  std::size_t providers = 0;
  for (const auto& node : network.nodes) {
    if (node.role == "provider") ++providers;
    if (node.role != "validator") continue;
    TRY_OK(wait_until(network, node.name, talk, [&] {
      const std::string address = text("unix:{}/{}/api.sock", network.dir, node.name);
      auto connected = client::Client::connect(address, {.deadline_ms = 1000});
      if (!connected || !(*connected)->info()) return false;
      if (!real_fs().exists(ready_path(network, node)).value_or(false)) return false;  // serves all that it offers
      if (!client) client = std::move(*connected);
      return true;
    }));
  }
  TRY_OK(wait_until(network, "the providers", talk, [&] {
    auto standing = standing_providers(*client);
    return standing && *standing >= providers;
  }));
  return wait_for_mix(network, talk);
}

Result<std::size_t> stop_network(const Network& network, std::int64_t wait_ms, plugin::Talk& talk) {
  std::size_t ended = 0;
  // Providers first: they withdraw their asks through the validator.
  for (const char* role : {"provider", "wallet", "router", "validator"}) {
    std::vector<std::pair<const NetworkNode*, Process>> running;
    for (const auto& node : network.nodes) {
      if (node.role != role) continue;
      auto process = node_process(network, node);
      if (!process) continue;
      signal_process(*process, SIGTERM);
      running.emplace_back(&node, *process);
    }
    for (const auto& [node, process] : running) {
      talk.progress(text("stopping {}", node->name));
      if (!wait_until_gone(process, wait_ms)) {
        talk.say(text("{} did not end within {} ms and is killed", node->name, wait_ms));
        signal_process(process, SIGKILL);
        wait_until_gone(process, wait_ms);
      }
      ++ended;
    }
  }
  for (const auto& node : network.nodes)
    if (real_fs().exists(run_path(network, node)).value_or(false)) TRY_OK(real_fs().unlink(run_path(network, node)));
  return ended;
}

}  // namespace hanse::cli
