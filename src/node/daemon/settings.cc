#include "node/daemon/settings.h"

#include <charconv>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "exchange/gxf/job_file.h"
#include "node/client/exchange.h"
#include "node/peering/control.h"

namespace hanse::daemon {
namespace {

using config::Config;

std::string from_base(std::string_view path, const std::string& base) {
  if (path.empty() || path.front() == '/' || base.empty()) return std::string(path);
  return base + "/" + std::string(path);
}

Result<std::string> address_of(const Config& config, std::string_view key, const std::string& base) {
  const std::string_view given = config.text(key);
  if (given.empty()) return std::string();
  constexpr std::string_view kUnix = "unix:", kDoor = client::kDoorScheme;
  if (given.starts_with(kDoor)) return std::string(kDoor) + from_base(given.substr(kDoor.size()), base);
  const std::string full =
      given.starts_with(kUnix) ? std::string(kUnix) + from_base(given.substr(kUnix.size()), base) : std::string(given);
  if (auto parsed = client::parse_address(full); !parsed) return config.refuse(key, parsed.error().message());
  return full;
}

Result<std::string> port_of(const Config& config, std::string_view key) {
  TRY(const auto address, address_of(config, key, {}));
  if (address.starts_with("unix:") || address.starts_with(client::kDoorScheme))
    return config.refuse(key, "127.0.0.1:PORT or [::1]:PORT");
  return address;
}

Status read_roles(const Config& config, Settings& out) {
  out.role_names = config.list("roles.enabled");
  for (const auto& name : out.role_names) {
    bool* role = name == "validator"  ? &out.validator
                 : name == "gateway"  ? &out.gateway
                 : name == "provider" ? &out.provider
                 : name == "mesh"     ? &out.mesh
                 : name == "router"   ? &out.router
                 : name == "auditor"  ? &out.auditor
                                      : nullptr;
    if (role == nullptr || *role)
      return config.refuse("roles.enabled", "each of validator, gateway, provider, auditor, mesh, router at most once");
    *role = true;
  }
  if (out.router && !out.mesh)
    return config.refuse("roles.enabled", "router with mesh: its cells travel over connections of the mesh");
  if (out.role_names.empty()) return config.refuse("roles.enabled", "at least one role");
  if (out.gateway != out.validator)
    return config.refuse("roles.enabled",
                         "validator and gateway together: the gateway answers from the validator's ledger");
  return {};
}

Result<std::uint16_t> read_region(const Config& config) {
  const std::string_view given = config.text("provider.region");
  if (const auto* known = gxf::find_region(given)) return static_cast<std::uint16_t>(known->bit);
  std::uint16_t bit = 0;
  const auto [end, ec] = std::from_chars(given.data(), given.data() + given.size(), bit);
  if (given.empty() || ec != std::errc{} || end != given.data() + given.size() || bit >= market::kRegionsMax) {
    std::string names;
    for (const auto& region : gxf::regions())
      names += std::string(names.empty() ? "" : ", ") + std::string(region.name);
    return config.refuse("provider.region", text("one of {} or a bit number below {}", names, market::kRegionsMax));
  }
  return bit;
}

Result<std::uint8_t> read_precisions(const Config& config) {
  std::uint8_t mask = 0;
  for (const auto& name : config.list("provider.precisions")) {
    const auto one = name == "int8"   ? gxf::Precision::kInt8
                     : name == "e5m2" ? gxf::Precision::kE5m2
                     : name == "fp8"  ? gxf::Precision::kFp8
                                      : gxf::Precision::kBf16;
    if (one == gxf::Precision::kBf16 && name != "bf16")
      return config.refuse("provider.precisions", "int8, e5m2, fp8 or bf16");
    mask |= market::precision_bit(one);
  }
  if (mask == 0) return config.refuse("provider.precisions", "at least one of int8, e5m2, fp8, bf16");
  return mask;
}

template <class T>
T number(const Config& config, std::string_view key) {
  return static_cast<T>(config.number(key));  // the table keeps the range
}

Status read_auditor(const Config& c, const std::string& base, AuditorSettings& out) {
  TRY(out.node, address_of(c, "auditor.node", base));
  if (out.node.empty()) return c.refuse("auditor.node", "the address of a node");
  out.recheck_ms = number<std::int64_t>(c, "auditor.recheck_ms");
  out.workers = {.warm = number<std::uint32_t>(c, "auditor.workers"),
                 .running_max = 1,
                 .program = from_base(c.text("auditor.worker"), base),
                 .plugin_dir = from_base(c.text("auditor.plugin_dir"), base),
                 .cgroup = {}};
  return {};
}

Status read_provider(const Config& c, const std::string& base, ProviderSettings& out) {
  TRY(out.node, address_of(c, "provider.node", base));
  if (out.node.empty()) return c.refuse("provider.node", "the address of a node");
  TRY(out.offer.region, read_region(c));
  TRY(out.offer.precisions, read_precisions(c));
  out.offer.isolation = number<std::uint8_t>(c, "provider.isolation_max");
  out.offer.capacity = number<std::uint32_t>(c, "provider.capacity");
  out.offer.bond = Amount{c.number("provider.bond_ut")};
  out.offer.level_max = number<std::uint8_t>(c, "provider.level_max");
  out.offer.max_seq = number<std::uint32_t>(c, "provider.max_seq");
  out.offer.max_batch = number<std::uint16_t>(c, "provider.max_batch");
  out.offer.latency_ms = number<std::uint32_t>(c, "provider.latency_ms");
  out.offer.base_price = Amount{c.number("provider.base_price_ut")};
  out.offer.unit_price = Amount{c.number("provider.unit_price_ut")};
  out.offer.capacity_cu = c.number("provider.capacity_cu");
  out.offer.ask_blocks = c.number("provider.ask_blocks");
  out.private_jobs = c.flag("provider.private_jobs");
  out.recheck_ms = number<std::int64_t>(c, "provider.recheck_ms");
  out.drain_ms = number<std::int64_t>(c, "provider.drain_ms");
  out.workers = {.warm = number<std::uint32_t>(c, "provider.workers"),
                 .running_max = number<std::uint32_t>(c, "provider.parallel"),
                 .program = from_base(c.text("provider.worker"), base),
                 .plugin_dir = from_base(c.text("provider.plugin_dir"), base),
                 .cgroup = std::string(c.text("provider.cgroup")),
                 .cgroup_memory_bytes = c.number("provider.cgroup_memory_bytes"),
                 .cgroup_cpu_percent = number<std::uint32_t>(c, "provider.cgroup_cpu_percent")};
  TRY(out.pilots, read_pilots(c, base));
  return {};
}

Status read_logging(const Config& c, const std::string& base, logging::Options& out) {
  TRY(out.level, logging::parse_level(c.text("logging.level")));
  out.format = c.text("logging.format") == "json" ? logging::Format::kJson : logging::Format::kPretty;
  out.file = from_base(c.text("logging.file"), base);
  out.file_bytes_max = c.number("logging.file_bytes_max");
  return {};
}

Status read_consensus(const Config& c, ConsensusSettings& out) {
  out.listen = c.text("consensus.listen");
  for (const auto& item : c.list("consensus.peers")) {
    const std::size_t at = item.find('@');
    ConsensusSettings::Peer peer;
    const auto id = codec::decode_id(std::string_view(item).substr(0, at));
    if (at == std::string::npos || at + 1 == item.size() || !id || !AccountId::from(*id, peer.account))
      return c.refuse("consensus.peers", text("ACCOUNT@ADDRESS in '{}'", item));
    peer.address = item.substr(at + 1);
    out.peers.push_back(std::move(peer));
  }
  out.timeout_ms = number<std::int64_t>(c, "consensus.timeout_ms");
  out.beacon_proofs = c.flag("consensus.beacon_proofs");
  out.sync_lag = c.number("consensus.sync_lag");
  out.sync_bytes_per_s = c.number("consensus.sync_bytes_per_s");
  out.snapshot_every = c.number("consensus.snapshot_every");
  if (out.snapshot_every % consensus::Config{}.checkpoint_every != 0)
    return c.refuse("consensus.snapshot_every",
                    text("a multiple of {}, the distance of checkpoints", consensus::Config{}.checkpoint_every));
  out.snapshot_bytes_per_s = c.number("consensus.snapshot_bytes_per_s");
  out.number = number<replica::PeerNumber>(c, "consensus.number");
  out.quorum_bp = number<std::uint32_t>(c, "consensus.quorum_bp");
  out.economic_bp = number<std::uint32_t>(c, "consensus.economic_bp");
  out.signature_algorithm = c.text("crypto.signature_algorithm");
  if (!out.signature_algorithm.empty() && out.signature_algorithm != "mldsa65" && out.signature_algorithm != "mldsa87")
    return c.refuse("crypto.signature_algorithm", "mldsa65, mldsa87 or nothing");
  return {};
}

// A folder's path is taken from the file's folder, as every path is.
void read_backup(const Config& c, const std::string& base, BackupSettings& out) {
  constexpr std::string_view kDir = "dir:";
  const std::string_view target = c.text("backup.target");
  const bool folder = !target.contains("://");
  const std::string_view path = target.starts_with(kDir) ? target.substr(kDir.size()) : target;
  if (!target.empty()) out.target = folder ? text("{}{}", kDir, from_base(path, base)) : std::string(target);
  out.interval_ms = number<std::int64_t>(c, "backup.interval_s") * 1'000;
  out.blocks_interval_ms = number<std::int64_t>(c, "backup.blocks_interval_s") * 1'000;
  out.retention_days = c.number("backup.retention_days");
  out.verify = c.flag("backup.verify");
  out.program = from_base(c.text("backup.program"), base);
}

std::unexpected<Error> contradicts(std::string_view key, std::string_view found, std::string_view genesis) {
  return fail(Kind::kInvalid, "config.bad_value",
              text("{}: found {}, but the genesis file says {}", key, found, genesis));
}

// "ACCOUNT" with every scope, or "ACCOUNT/route+bid".
Status read_identities(const Config& c, std::map<AccountId, services::Scopes>& out) {
  for (const std::string& one : c.list("services.identities")) {
    const std::string_view given = one;
    const auto slash = given.find('/');
    const auto id = codec::decode_id(given.substr(0, slash));
    AccountId account;
    if (!id || !AccountId::from(*id, account) || out.contains(account) || out.size() == services::kIdentitiesMax)
      return c.refuse("services.identities", text("ACCOUNT or ACCOUNT/SCOPE+SCOPE, each once, in '{}'", one));
    services::Scopes scopes = services::kScopesAll;
    if (slash != given.npos) {
      const auto parsed = services::parse_scopes(given.substr(slash + 1), '+');
      if (!parsed) return c.refuse("services.identities", parsed.error().message());
      scopes = *parsed;
    }
    out.emplace(account, scopes);
  }
  return {};
}

Status read_services(const Config& c, const std::string& base, ServicesSettings& out) {
  out.enabled = c.flag("services.enabled");
  TRY(out.node, address_of(c, "services.node", base));
  if (out.enabled && out.node.empty()) return c.refuse("services.node", "the address of a node");
  out.mix = from_base(c.text("services.mix"), base);
  out.access.token_file = from_base(c.text("services.token_file"), base);
  TRY_OK(read_identities(c, out.access.identities));
  out.access.rate = {.per_s = c.number("services.identity_calls_per_s"), .burst = c.number("services.identity_burst")};
  gate::Options& gate = out.server.gate;
  for (const std::string_view key : {"services.router", "services.auction", "services.execution"})
    gate.addresses.emplace_back(c.text(key));
  gate.connections_max = number<std::uint32_t>(c, "services.connections_max");
  gate.handshakes_max = number<std::uint32_t>(c, "services.handshakes_max");
  gate.handshake_ms = number<std::int64_t>(c, "services.handshake_ms");
  gate.first_call_ms = number<std::int64_t>(c, "services.first_call_ms");
  gate.idle_ms = number<std::int64_t>(c, "services.idle_ms");
  out.server.calls_max = number<std::uint32_t>(c, "services.calls_max");
  out.server.watches_max = number<std::uint32_t>(c, "services.watches_max");
  out.server.execute_ms_max = number<std::int64_t>(c, "services.execute_ms_max");
  return {};
}

Status read_aliases(const Config& c, std::vector<std::string>& out) {
  for (const std::string& one : c.list("metrics.aliases")) {
    const auto parsed = client::parse_address(one);
    if (!parsed || !parsed->path.empty() || out.size() == kMetricsAliasesMax)
      return c.refuse("metrics.aliases", text("at most {} of 127.0.0.1:PORT or [::1]:PORT", kMetricsAliasesMax));
    out.push_back(one);
  }
  return {};
}

}  // namespace

Result<std::optional<replica::NetworkOptions>> validator_network(const ConsensusSettings& settings,
                                                                 const light::Genesis& genesis, const AccountId& self) {
  const light::Params& params = genesis.params;
  if (settings.quorum_bp != 0 && settings.quorum_bp != params.quorum_bp)
    return contradicts("consensus.quorum_bp", text("{}", settings.quorum_bp), text("{}", params.quorum_bp));
  if (settings.economic_bp != 0 && settings.economic_bp != params.economic_bp)
    return contradicts("consensus.economic_bp", text("{}", settings.economic_bp), text("{}", params.economic_bp));
  replica::NetworkOptions out{.listen = settings.listen, .addresses = {}, .number = settings.number};
  for (const auto& peer : settings.peers) out.addresses[peer.account] = peer.address;
  std::size_t known = 0;
  for (const auto& validator : genesis.validators.validators) {
    const std::string_view algorithm = crypto::sig_alg_name(validator.key.alg);
    if (!settings.signature_algorithm.empty() && settings.signature_algorithm != algorithm)
      return contradicts("crypto.signature_algorithm", settings.signature_algorithm, algorithm);
    const bool has_address = out.addresses.contains(validator.id());
    known += has_address ? 1 : 0;
    if (!has_address && validator.id() != self)
      return fail(
          Kind::kInvalid, "config.bad_value",
          text("consensus.peers: found no address of the validator {}", codec::encode_id(validator.id().view())));
  }
  if (known != settings.peers.size())
    return fail(Kind::kInvalid, "config.bad_value",
                text("consensus.peers: found {} peers, expected different validators of the genesis file, which {} are",
                     settings.peers.size(), known));
  if (genesis.validators.validators.size() == 1) return std::nullopt;
  if (settings.listen.empty())
    return fail(Kind::kInvalid, "config.bad_value",
                text("consensus.listen: found nothing, expected an address: the genesis file has {} validators",
                     genesis.validators.validators.size()));
  return out;
}

Status read_trust(const Config& c, const std::string& base, MeshRoleSettings& out) {
  out.papers = from_base(c.text("mesh.papers"), base);
  identity::Trust& trust = out.node.trust;
  if (c.text("mesh.admission") == "trusted") trust.admission = identity::Admission::kTrusted;
  for (const std::string& one : c.list("mesh.trust"))
    if (const auto good = trust.trust(one); !good) return c.refuse("mesh.trust", good.error().message());
  for (const std::string& one : c.list("mesh.revoked"))
    if (const auto good = trust.revoke(one); !good) return c.refuse("mesh.revoked", good.error().message());
  return {};
}

// Wildcards too: the mesh is for other machines.
Status read_mesh(const Config& c, const std::string& base, MeshRoleSettings& out) {
  for (std::string_view left = c.text("mesh.bind_address"); !left.empty();) {
    const std::size_t comma = std::min(left.find(','), left.size());
    out.node.bind.emplace_back(left.substr(0, comma));
    left.remove_prefix(std::min(comma + 1, left.size()));
  }
  if (out.node.bind.empty() || out.node.bind.size() > 2)
    return c.refuse("mesh.bind_address", "one address, or one of IPv4 and one of IPv6");
  std::size_t v4 = 0;
  for (const std::string& bind : out.node.bind) {
    const auto parsed = transport::parse_address(bind);
    if (!parsed) return c.refuse("mesh.bind_address", parsed.error().message());
    v4 += parsed->is_v4() ? 1 : 0;
  }
  if (out.node.bind.size() == 2 && v4 != 1)
    return c.refuse("mesh.bind_address", "one address, or one of IPv4 and one of IPv6");
  TRY(out.health, port_of(c, "mesh.health_address"));
  out.socket = from_base(c.text("mesh.socket"), base);
  if (auto parsed = client::parse_address("unix:" + out.socket); !parsed)
    return c.refuse("mesh.socket", parsed.error().message());
  if (const auto given = c.text("mesh.network"); !given.empty()) {
    const auto id = codec::fixed_from_hex<NetworkId>(given);
    if (!id || *id == NetworkId{}) return c.refuse("mesh.network", "64 hex digits, not all zero");
    out.node.network = *id;
  }
  for (const std::string& one : c.list("mesh.known_peers")) {
    auto known = peering::parse_known(one);
    if (!known) return c.refuse("mesh.known_peers", text("ID@ADDRESS: {}", known.error().message()));
    out.node.known.push_back(std::move(*known));
  }
  if (c.flag("mesh.coordinator")) out.node.roles |= reach::kCoordinatorRole;
  if (c.flag("mesh.reflector")) out.node.roles |= reach::kReflectorRole;
  if (c.flag("mesh.relay")) out.node.roles |= reach::kRelayRole;
  out.node.reserve = c.flag("mesh.reserve");
  for (const std::string& one : c.list("mesh.api_peers")) {
    if (one == "*") {
      out.node.api_for_all = true;
      continue;
    }
    const auto known = peering::parse_known(one);
    if (!known || !known->addresses.empty()) return c.refuse("mesh.api_peers", "ids of peers, or *");
    out.node.api_peers.insert(known->peer);
  }
  out.node.lan = c.flag("mesh.lan");
  out.node.port_mapping = c.flag("mesh.port_mapping");
  out.node.punch = c.flag("mesh.punch");
  out.node.findable = c.flag("mesh.findable");
  out.node.gossip = c.flag("mesh.gossip");
  out.node.speed_test = c.flag("mesh.speed_test");
  out.node.standalone = c.flag("mesh.standalone");
  TRY_OK(read_trust(c, base, out));
  out.node.peer_bytes_per_second = c.number("mesh.peer_bytes_per_s");
  out.node.relay.reservations = c.number("mesh.relay_reservations");
  out.node.relay.circuits = c.number("mesh.relay_circuits");
  out.node.relay.circuits_per_peer = c.number("mesh.relay_circuits_per_peer");
  out.node.relay.bytes_per_second = number<std::uint32_t>(c, "mesh.relay_bytes_per_s");
  out.node.relay.bytes_per_day = c.number("mesh.relay_bytes_per_day");
  return {};
}

Status read_router(const Config& c, const std::string& base, MeshRoleSettings& out) {
  mixing::MixingSettings& mix = out.node.mix.emplace();
  for (const std::string& one : c.list("router.nodes")) {
    const auto place = mixing::parse_place(one);
    if (!place) return c.refuse("router.nodes", place.error().message());
    mix.nodes.push_back(*place);
  }
  TRY(out.mix_node, address_of(c, "router.node", base));
  out.mix_exit = c.flag("router.exit");
  mix.mixes = c.flag("router.mixes");
  mix.ledger = mix.nodes.empty();
  if (mix.ledger && out.mix_node.empty())
    return c.refuse("router.nodes", "all nodes of the mix, this one too, or router.node, whose ledger names them");
  if (out.mix_exit && out.mix_node.empty()) return c.refuse("router.exit", "router.node with it, whom an exit asks");
  const auto per_s = [&](std::string_view key) { return static_cast<double>(c.number(key)) / 60; };
  mix.sends_per_s = per_s("router.sends_per_min");
  mix.loops_per_s = per_s("router.loops_per_min");
  mix.mix_loops_per_s = per_s("router.mix_loops_per_min");
  mix.wanted = {.bits = static_cast<double>(c.number("router.anonymity_bits")),
                .mean_ms_min = static_cast<double>(c.number("router.delay_min_ms")),
                .mean_ms_max = static_cast<double>(c.number("router.delay_max_ms"))};
  if (mix.wanted.mean_ms_min > mix.wanted.mean_ms_max)
    return c.refuse("router.delay_min_ms", "at most router.delay_max_ms");
  mix.peer_cells_per_s = number<std::uint32_t>(c, "router.peer_cells_per_s");
  mix.epoch_ms = number<std::int64_t>(c, "router.epoch_ms");
  mix.grace_ms = mix.epoch_ms / 10;
  return {};
}

Result<Settings> settings_of(const Config& c, const std::string& base) {
  Settings out;
  out.key_file = from_base(c.text("identity.key"), base);
  out.passphrase_file = from_base(c.text("identity.passphrase_file"), base);
  out.allow_unencrypted = c.flag("identity.allow_unencrypted");
  out.genesis_file = from_base(c.text("network.genesis"), base);
  TRY_OK(read_roles(c, out));
  out.dir = from_base(c.text("storage.path"), base);
  if (out.dir.empty()) return c.refuse("storage.path", "a folder");
  out.cache_bytes = c.number("storage.cache_bytes");
  out.write_buffer_bytes = c.number("storage.write_buffer_bytes");
  out.blob_bytes_max = c.number("storage.blob_bytes_max");
  out.journal_segment_bytes = number<std::uint32_t>(c, "storage.journal_segment_bytes");
  if (out.journal_segment_bytes % 4096 != 0) return c.refuse("storage.journal_segment_bytes", "a multiple of 4096");
  out.grpc.socket = from_base(c.text("api.socket"), base);
  if (auto parsed = client::parse_address("unix:" + out.grpc.socket); !parsed)
    return c.refuse("api.socket", parsed.error().message());
  TRY(out.grpc.tcp, port_of(c, "api.grpc"));
  out.grpc.calls_max = number<std::uint32_t>(c, "api.calls_max");
  out.grpc.watches_max = number<std::uint32_t>(c, "api.watches_max");
  out.grpc.wait_ms_max = number<std::int64_t>(c, "api.wait_ms_max");
  TRY(out.http, port_of(c, "api.http"));
  TRY(out.websocket, port_of(c, "api.websocket"));
  out.http_connections_max = number<std::uint32_t>(c, "api.http_connections_max");
  TRY(out.metrics, port_of(c, "metrics.address"));
  TRY_OK(read_aliases(c, out.metrics_aliases));
  TRY_OK(read_services(c, base, out.services));
  TRY_OK(read_consensus(c, out.consensus));
  TRY_OK(read_provider(c, base, out.offer));
  TRY_OK(read_auditor(c, base, out.audits));
  read_backup(c, base, out.backup);
  if (!out.backup.target.empty() && !out.validator)
    return c.refuse("backup.target", "nothing without the role validator: there is no ledger");
  TRY_OK(read_mesh(c, base, out.mesh_role));
  out.mesh_role.node.folder = out.dir;
  if (out.router) TRY_OK(read_router(c, base, out.mesh_role));
  TRY_OK(read_logging(c, base, out.log));
  return out;
}

}  // namespace hanse::daemon
