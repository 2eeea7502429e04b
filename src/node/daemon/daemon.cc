#include "node/daemon/daemon.h"

#include <mutex>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "base/crypto/keyfile.h"
#include "base/telemetry/metrics.h"
#include "exchange/payload/payload.h"
#include "exchange/router/mix_app.h"
#include "node/api/http_server.h"
#include "node/api/stream_server.h"
#include "node/daemon/backup_role.h"
#include "node/daemon/folder.h"
#include "node/daemon/mesh_role.h"
#include "node/daemon/auditor_role.h"
#include "node/daemon/provider_role.h"
#include "node/daemon/services_role.h"
#include "node/daemon/version.h"
#include "node/roles/beacon_keeper.h"
#include "node/roles/validator.h"
#include "store/blob/blob.h"

namespace hanse::daemon {
namespace {

constexpr std::int64_t kGraceMs = 2'000;  // for API calls that run when the node stops

class LogReport final : public roles::Report {
 public:
  void say(logging::Level level, std::string_view event, logging::Fields fields,
           const std::source_location& where) override {
    switch (level) {
      case logging::Level::kTrace: return logging::log_trace(event, fields, where);
      case logging::Level::kDebug: return logging::log_debug(event, fields, where);
      case logging::Level::kInfo: return logging::log_info(event, fields, where);
      case logging::Level::kWarn: return logging::log_warn(event, fields, where);
      case logging::Level::kError: return logging::log_error(event, fields, where);
    }
  }
};

Result<std::string> read_passphrase(const std::string& path) {
  if (path.empty()) return std::string();
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & 077) != 0)
    return fail(Kind::kDenied, "daemon.passphrase",
                text("found {} open to others (mode {:o}), expected 600", path, unsigned{st.st_mode & 07777}));
  TRY(const Bytes bytes, read_file(real_fs(), path, 4096));
  const std::string_view all = as_text(bytes);
  return std::string(all.substr(0, all.find('\n')));
}

class Process final : public Daemon, public api::Probe {
 public:
  explicit Process(Settings settings) : settings_(std::move(settings)) {}
  ~Process() override { stop(); }

  Status begin() {
    TRY(auto folder, Folder::hold(settings_.dir));
    folder_.emplace(std::move(folder));
    TRY_OK(read_identity());
    TRY_OK(read_network());
    if (settings_.validator) {
      TRY_OK(begin_validator());
    } else {
      TRY_OK(folder_->bind_network(network_));
    }
    TRY_OK(begin_mesh());
    TRY_OK(begin_http());
    TRY_OK(begin_stream());
    if (settings_.services.enabled) {
      TRY(auto role, ServicesRole::start(settings_.services, *identity_, folder_->path("services.pem")));
      const std::lock_guard lock(mutex_);  // probes are answered already
      services_ = std::move(role);
    }
    if (settings_.provider) {
      TRY(auto role, ProviderRole::start(
                         *identity_, report_,
                         {.settings = settings_.offer,
                          .jobs_dir = folder_->path("jobs"),
                          .network = network_,
                          .key = settings_.offer.private_jobs ? std::optional(payload::provider_key(seeds_.kem.view()))
                                                              : std::nullopt,
                          .on_end = [this](Status s) { ended(std::move(s)); }}));
      const std::lock_guard lock(mutex_);  // probes are answered already
      provider_ = std::move(role);
    }
    if (settings_.auditor) {
      TRY(auditor_, AuditorRole::start(*identity_, report_,
                                       {.settings = settings_.audits, .network = network_, .on_end = [this](Status s) {
                                          ended(std::move(s));
                                        }}));
    }
    logging::log_info(
        "node ready",
        {{"version", version()}, {"node", codec::encode_id(identity_->id().view())}, {"network", network_}});
    return folder_->write_ready(ready_line() + "\n");
  }

  std::string ready_line() const override {
    codec::Json out = codec::Json::object();
    out.set("ready", true).set("pid", std::int64_t{::getpid()}).set("network", codec::to_hex(network_.view()));
    if (grpc_) out.set("grpc", "unix:" + settings_.grpc.socket);
    if (grpc_port() != 0) out.set("grpc_port", std::uint64_t{grpc_port()});
    if (http_) out.set("http_port", std::uint64_t{http_->port()});
    if (stream_) out.set("websocket_port", std::uint64_t{stream_->port()});
    if (metrics_) out.set("metrics_port", std::uint64_t{metrics_->port()});
    const auto set_ports = [&](std::string_view name, const auto& ports) {
      codec::Json list = codec::Json::array();
      for (const std::uint16_t port : ports) list.push(std::uint64_t{port});
      out.set(name, std::move(list));
    };
    if (services_) set_ports("services_ports", services_->ports());
    std::vector<std::uint16_t> aliases;
    for (const auto& one : aliases_) aliases.push_back(one->port());
    if (!aliases.empty()) set_ports("metrics_aliases", aliases);
    if (mesh_) {
      codec::Json addresses = codec::Json::array();
      for (const auto& address : mesh_->addresses()) addresses.push(address);
      out.set("mesh", std::move(addresses)).set("mesh_socket", settings_.mesh_role.socket);
      if (mesh_->health_port() != 0) out.set("mesh_health_port", std::uint64_t{mesh_->health_port()});
    }
    return out.dump();
  }
  std::uint16_t http_port() const override { return http_ ? http_->port() : 0; }
  std::uint16_t grpc_port() const override { return grpc_ ? grpc_->tcp_port() : 0; }

  void on_failed(std::function<void()> tell) override {
    const std::lock_guard lock(mutex_);
    tell_ = std::move(tell);
    if (failure_ && tell_) tell_();
  }
  Status failed() const override {
    const std::lock_guard lock(mutex_);
    if (failure_) return std::unexpected(failure_->clone());
    return {};
  }

  void stop() override {
    if (folder_) folder_->remove_ready();
    if (services_) services_->stop();  // it asks through the servers below
    if (auditor_) auditor_->stop();
    if (provider_) provider_->stop();  // its last calls go through the servers below
    if (validator_) validator_->listen({});
    beacon_.reset();
    if (mesh_) mesh_->stop();
    stream_.reset();
    http_.reset();
    metrics_.reset();
    aliases_.clear();
    services_.reset();
    auditor_.reset();
    provider_.reset();
    if (grpc_) grpc_->stop(kGraceMs);
    grpc_.reset();
    mesh_.reset();
    if (backup_) backup_->stop();
    if (validator_) validator_->stop();
    validator_.reset();
    blobs_.reset();
    folder_.reset();
  }

  Status live() override {
    TRY_OK(failed());
    return validator_ ? validator_->live() : Status();
  }
  Status ready() override {
    TRY_OK(failed());
    if (validator_) TRY_OK(validator_->ready());
    if (mesh_) TRY_OK(mesh_->ready());
    const std::lock_guard lock(mutex_);
    if (settings_.provider && !provider_)
      return fail(Kind::kUnavailable, "daemon.not_standing", "found no provider yet");
    return provider_ ? provider_->ready() : Status();
  }
  std::string metrics() override {
    const std::lock_guard refreshing(refresh_mutex_);  // several servers ask
    if (validator_) validator_->refresh_metrics();
    if (mesh_) mesh_->refresh_metrics();
    if (const std::lock_guard lock(mutex_); services_) services_->refresh_metrics();
    telemetry::refresh_process_metrics(telemetry::registry());
    return telemetry::registry().exposition();
  }

 private:
  Status read_identity() {
    TRY(const std::string passphrase, read_passphrase(settings_.passphrase_file));
    TRY(seeds_,
        crypto::open_key_file(settings_.key_file, passphrase, {.allow_unencrypted = settings_.allow_unencrypted}));
    TRY(auto identity, seeds_.identity());
    identity_.emplace(std::move(identity));
    return {};
  }

  // A node of the mesh alone may know its network by name only.
  Status read_network() {
    network_ = settings_.mesh_role.node.network;
    const auto& mix = settings_.mesh_role.node.mix;
    const bool by_name = network_ != NetworkId{} && !settings_.validator && !settings_.provider && !settings_.auditor &&
                         !(mix && mix->ledger);
    if (by_name) return {};
    TRY(const Bytes genesis_bytes,
        with_context(read_file(real_fs(), settings_.genesis_file, light::kGenesisBytesMax), "read the genesis file"));
    TRY(genesis_, with_context(light::decode_genesis(genesis_bytes), settings_.genesis_file));
    if (network_ != NetworkId{} && network_ != light::network_id(genesis_))
      return fail(Kind::kConflict, "daemon.other_network",
                  text("found mesh.network {}, expected the genesis file's {}", network_, light::network_id(genesis_)));
    network_ = light::network_id(genesis_);
    return {};
  }

  Status begin_mesh() {
    if (!settings_.mesh) return {};
    MeshRoleSettings settings = settings_.mesh_role;
    settings.node.network = network_;
    crypto::blake3_xof("hanse/mesh-secret/1", {seeds_.signing.view()}, settings.node.secret.span());
    if (grpc_) settings.node.api = settings_.grpc.socket;
    if (settings.node.mix && settings.node.mix->ledger) TRY_OK(read_mix(*settings.node.mix));
    TRY(mesh_, MeshRole::start(std::move(settings), *identity_, [] { return telemetry::registry().exposition(); }));
    return {};
  }

  // What the genesis says holds for every node of the network, whatever [router] says.
  Status read_mix(mixing::MixingSettings& mix) const {
    const auto section = genesis_.apps.find(router::kMixApp);
    if (section == genesis_.apps.end())
      return fail(Kind::kInvalid, "config.bad_value",
                  text("router.nodes: found none, and no application {} in the genesis file, expected one of the two",
                       std::uint64_t{router::kMixApp}));
    TRY(const router::MixParams params, router::decode_mix_genesis(section->second));
    if (params.suite != router::Suite::kXWing)
      return fail(Kind::kUnsupported, "daemon.mix_suite", "found a mix of suite 2 in the genesis file, expected 1");
    mix.epoch_ms = static_cast<std::int64_t>(params.epoch_ms);
    mix.grace_ms = mix.epoch_ms / 10;
    mix.wanted = params.wanted();
    return {};
  }

  Status begin_validator() {
    TRY(blobs_,
        blob::BlobStore::open(real_fs(), folder_->path("blobs"),
                              {.blob_bytes_max = client::kBlobBytesMax, .quota_bytes = settings_.blob_bytes_max},
                              system_random()));
    TRY(auto key, crypto::SecretKey::from_seed(seeds_.alg, seeds_.signing.view()));
    TRY(auto network, validator_network(settings_.consensus, genesis_, identity_->id()));
    TRY(validator_, roles::Validator::open(genesis_, std::move(key), *blobs_,
                                           {.dir = folder_->path("chain"),
                                            .cache_bytes = settings_.cache_bytes,
                                            .write_buffer_bytes = settings_.write_buffer_bytes,
                                            .journal_segment_bytes = settings_.journal_segment_bytes,
                                            .network = std::move(network),
                                            .timeout_ms = settings_.consensus.timeout_ms,
                                            .sync_lag = settings_.consensus.sync_lag,
                                            .sync_bytes_per_s = settings_.consensus.sync_bytes_per_s,
                                            .snapshot_every = settings_.consensus.snapshot_every,
                                            .snapshot_bytes_per_s = settings_.consensus.snapshot_bytes_per_s,
                                            .version = std::string(version()),
                                            .roles = settings_.role_names}));
    TRY_OK(begin_backup());
    TRY_OK(begin_beacon());
    TRY(grpc_, api::GrpcServer::start(*validator_, settings_.grpc));
    return {};
  }

  Status begin_beacon() {
    if (!genesis_.apps.contains(beacon::kBeaconApp)) return {};
    TRY(auto key, crypto::SecretKey::from_seed(seeds_.alg, seeds_.signing.view()));
    beacon_key_.emplace(std::move(key));
    roles::BeaconKeeperOptions options{
        .network = network_, .key = &*beacon_key_, .secret = {}, .proves = settings_.consensus.beacon_proofs};
    crypto::blake3_xof("hanse/beacon-node/1", {seeds_.signing.view()}, options.secret.span());
    TRY(beacon_, roles::BeaconKeeper::start(*validator_, options));
    return {};
  }

  Status begin_backup() {
    if (settings_.backup.target.empty()) return {};
    TRY(backup_,
        BackupRole::start({.settings = settings_.backup,
                           .genesis_file = settings_.genesis_file,
                           .dir = folder_->path("backup"),
                           .state_file = folder_->path("backup.json"),
                           .checkpoint = [this](const std::string& to) { return validator_->checkpoint(to); }}));
    validator_->say_backup([this] { return backup_->info(); });
    return {};
  }

  Status begin_http() {
    const auto handler = [this](std::string_view method, std::string_view target) {
      return api::http_reply(*this, validator_.get(), method, target);
    };
    if (!settings_.http.empty()) {
      TRY(http_, api::HttpServer::start({.address = settings_.http, .connections_max = settings_.http_connections_max},
                                        handler));
    }
    const auto plain = [this](std::string_view method, std::string_view target) {
      return api::http_reply(*this, nullptr, method, target);
    };
    const auto listen = [&](const std::string& address) {
      return api::HttpServer::start({.address = address, .connections_max = settings_.http_connections_max}, plain);
    };
    if (!settings_.metrics.empty()) {
      TRY(metrics_, listen(settings_.metrics));
    }
    for (const std::string& alias : settings_.metrics_aliases) {
      TRY(auto one, listen(alias));
      aliases_.push_back(std::move(one));
    }
    return {};
  }

  Status begin_stream() {
    if (settings_.websocket.empty() || !validator_) return {};
    TRY(stream_, api::StreamServer::start({.address = settings_.websocket,
                                           .topics = {"block.fast", "block.economic", "view", "evidence"},
                                           .clients_max = settings_.http_connections_max}));
    validator_->listen([this](std::string_view topic, const std::string& json) { stream_->publish(topic, json); });
    return {};
  }

  void ended(Status why) {
    const std::lock_guard lock(mutex_);
    if (!why && !failure_) failure_.emplace(std::move(why.error()));
    if (tell_) tell_();
  }

  const Settings settings_;
  LogReport report_;
  std::optional<Folder> folder_;
  crypto::KeySeeds seeds_;
  std::optional<crypto::Identity> identity_;
  light::Genesis genesis_;
  NetworkId network_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<roles::Validator> validator_;
  std::unique_ptr<BackupRole> backup_;  // borrows the validator
  std::optional<crypto::SecretKey> beacon_key_;
  std::unique_ptr<roles::BeaconKeeper> beacon_;  // borrows both
  std::unique_ptr<api::GrpcServer> grpc_;
  std::unique_ptr<api::HttpServer> http_, metrics_;
  std::vector<std::unique_ptr<api::HttpServer>> aliases_;  // of metrics_
  std::unique_ptr<api::StreamServer> stream_;
  std::unique_ptr<ProviderRole> provider_;
  std::unique_ptr<AuditorRole> auditor_;
  std::unique_ptr<ServicesRole> services_;  // borrows the identity
  std::unique_ptr<MeshRole> mesh_;          // borrows the identity

  std::mutex refresh_mutex_;
  mutable std::mutex mutex_;
  std::function<void()> tell_;
  std::optional<Error> failure_;
};

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(Settings settings) {
  auto process = std::make_unique<Process>(std::move(settings));
  TRY_OK(process->begin());
  return process;
}

}  // namespace hanse::daemon
