#include "node/daemon/mesh_role.h"

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "node/api/http_server.h"
#include "node/daemon/mix_ledger.h"
#include "node/daemon/version.h"
#include "node/peering/control.h"

namespace hanse::daemon {
namespace {

using codec::Json;

class Role final : public MeshRole {
 public:
  explicit Role(std::function<std::string()> metrics) : metrics_(std::move(metrics)) {}
  ~Role() override { stop(); }

  Status begin(MeshRoleSettings settings, const crypto::Identity& identity) {
    if (!settings.papers.empty()) {
      TRY(const Bytes bytes, read_file(real_fs(), settings.papers, identity::kPapersBytesMax));
      TRY(settings.node.papers, with_context(identity::decode_papers(bytes), text("read {}", settings.papers)));
    }
    const MixLedger::Options mix{.network = settings.node.network,
                                 .epoch_ms = settings.node.mix ? settings.node.mix->epoch_ms : 0,
                                 .mixes = settings.node.mix && settings.node.mix->mixes,
                                 .exit = settings.mix_exit};
    const bool by_ledger = settings.node.mix && settings.node.mix->ledger;
    if (settings.node.mix && !settings.mix_node.empty())
      mix_node_ =
          std::make_unique<NodeLink>([address = settings.mix_node] { return client::Client::connect(address); });
    if (settings.mix_exit)
      settings.node.mix_answer = [link = mix_node_.get()](ByteView question) { return link->answer(question); };
    TRY(node_, peering::MeshNode::start(std::move(settings.node), identity.mldsa()));
    if (by_ledger) mix_ledger_ = std::make_unique<MixLedger>(identity, *node_, *mix_node_, mix);
    TRY(control_, peering::ControlServer::start(settings.socket, peering::mesh_handler(*node_)));
    if (settings.health.empty()) return {};
    TRY(http_,
        api::HttpServer::start({.address = settings.health}, [this](std::string_view method, std::string_view target) {
          return answer(method, target);
        }));
    return {};
  }

  std::vector<std::string> addresses() const override {
    std::vector<std::string> out;
    for (const auto& address : node_->addresses()) out.push_back(transport::address_text(address));
    return out;
  }
  std::uint16_t health_port() const override { return http_ ? http_->port() : 0; }

  Status ready() override {
    TRY(const auto health, node_->health());
    if (health.healthy) return {};
    return fail(Kind::kUnavailable, "daemon.no_peer", "found no peer of the mesh, expected one at least");
  }

  void refresh_metrics() override {
    using telemetry::Metric;
    refresh_mix();
    const auto health = node_->health();
    if (!health) return;
    auto& registry = telemetry::registry();
    registry.gauge(Metric::kMeshPeers).set(static_cast<std::int64_t>(health->peers));
    registry.gauge(Metric::kMeshReservations).set(static_cast<std::int64_t>(health->reservations));
    registry.gauge(Metric::kMeshCircuits).set(static_cast<std::int64_t>(health->circuits));
    registry.counter(Metric::kMeshRelayedBytes).raise_to(health->carried_bytes);
    registry.counter(Metric::kMeshBytes, {"in"}).raise_to(health->sockets.bytes_in);
    registry.counter(Metric::kMeshBytes, {"out"}).raise_to(health->sockets.bytes_out);
    registry.counter(Metric::kMeshDrops, {"relay"}).raise_to(health->dropped);
    registry.counter(Metric::kMeshDrops, {"system"}).raise_to(health->sockets.lost);
    registry.counter(Metric::kMeshPunches, {"direct"}).raise_to(health->counts.punched);
    registry.counter(Metric::kMeshPunches, {"failed"}).raise_to(health->counts.punch_failed);
    registry.counter(Metric::kMeshMoves, {"direct"}).raise_to(health->counts.to_direct);
    registry.counter(Metric::kMeshMoves, {"relay"}).raise_to(health->counts.to_relay);
    for (const auto& [protocol, flow] : health->flows) {
      const std::string name = peering::flow_name(protocol);
      registry.counter(Metric::kMeshProtocolBytes, {name, "in"}).raise_to(flow.bytes_in);
      registry.counter(Metric::kMeshProtocolBytes, {name, "out"}).raise_to(flow.bytes_out);
    }
    registry.counter(Metric::kMeshDrops, {"budget"}).raise_to(health->meters.dropped);
  }

  void refresh_mix() {
    using telemetry::Metric;
    const auto f = node_->mix();
    if (!f) return;
    auto& registry = telemetry::registry();
    registry.gauge(Metric::kMixAlarm).set(f->mix_alarm || f->own_alarm ? 1 : 0);
    registry.gauge(Metric::kMixHeld).set(static_cast<std::int64_t>(f->held));
    registry.gauge(Metric::kMixEntropy).set(static_cast<std::int64_t>(f->entropy_bits));
    registry.gauge(Metric::kMixNodes).set(static_cast<std::int64_t>(f->nodes));
    registry.counter(Metric::kMixReplays).raise_to(f->mix.replays);
    registry.counter(Metric::kMixLoops, {"sent"}).raise_to(f->mix.loops_sent + f->sent.loops);
    registry.counter(Metric::kMixLoops, {"back"}).raise_to(f->mix.loops_back + f->loops_back);
    for (const auto& [name, count] : mixing::results(*f)) registry.counter(Metric::kMixCells, {name}).raise_to(count);
    for (const auto& [name, count] : mixing::calls(*f)) registry.counter(Metric::kMixCalls, {name}).raise_to(count);
    for (const auto& [name, count] : mixing::refusals(*f))
      registry.counter(Metric::kMixRefused, {name}).raise_to(count);
  }

  void stop() override {
    mix_ledger_.reset();
    if (node_) node_->stop();  // still answers on its control socket and /health while it drains
    control_.reset();
    http_.reset();
    node_.reset();
  }

 private:
  api::HttpReply answer(std::string_view method, std::string_view target) {
    const bool health = target == "/health" || target == "/ready";
    if (method != "GET")
      return api::http_error(Error(Kind::kUnsupported, "api.bad_method", text("found {}, expected GET", method)));
    if (target == "/metrics") {
      refresh_metrics();
      return {.status = 200, .type = "text/plain; version=0.0.4", .body = metrics_()};
    }
    if (!health) return api::http_error(Error(Kind::kNotFound, "api.no_route", "expected /health, /ready or /metrics"));
    const auto h = node_->health();
    if (!h) return api::http_error(h.error());
    Json roles = Json::array();
    for (const auto& role : h->roles) roles.push(role);
    Json relay = Json::object();
    relay.set("reservations", std::uint64_t{h->reservations}).set("circuits", std::uint64_t{h->circuits});
    Json out = Json::object();
    out.set("status", h->healthy ? "healthy" : "degraded").set("version", version());
    out.set("peer_id", codec::encode_id(node_->id().view())).set("peers", std::uint64_t{h->peers});
    out.set("roles", std::move(roles)).set("relay", std::move(relay)).set("nat", h->nat).set("uptime_s", h->uptime_s);
    return {.status = h->healthy ? 200u : 503u, .body = out.dump() + "\n"};
  }

  std::function<std::string()> metrics_;
  std::unique_ptr<NodeLink> mix_node_;
  std::unique_ptr<peering::MeshNode> node_;  // its exit borrows mix_node_
  std::unique_ptr<MixLedger> mix_ledger_;
  std::unique_ptr<peering::ControlServer> control_;
  std::unique_ptr<api::HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<MeshRole>> MeshRole::start(MeshRoleSettings settings, const crypto::Identity& identity,
                                                  std::function<std::string()> metrics) {
  auto role = std::make_unique<Role>(std::move(metrics));
  TRY_OK(role->begin(std::move(settings), identity));
  return role;
}

}  // namespace hanse::daemon
