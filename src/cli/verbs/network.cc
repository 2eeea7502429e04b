#include "cli/verbs/network.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "chain/beacon/beacon.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/load_app.h"
#include "chain/reputation/reputation.h"
#include "chain/stake/stake.h"
#include "chain/light/genesis.h"
#include "cli/door/door_verbs.h"
#include "cli/verbs/session.h"
#include "exchange/market/calls.h"
#include "exchange/router/mix_app.h"

namespace hanse::cli {

namespace {

constexpr std::uint64_t kPayerFundsUt = 1'000'000'000'000;
constexpr std::uint64_t kProviderFundsUt = 1'000'000'000;
constexpr std::uint64_t kBondUt = 100'000'000;
constexpr std::uint64_t kStakeUt = 1'000'000;

Result<crypto::KeySeeds> make_key(const std::string& path) {
  auto seeds = crypto::KeySeeds::generate(system_random());
  TRY_OK(crypto::write_key_file(path, seeds, {}, system_random(), {.allow_unencrypted = true}));
  return seeds;
}

Bytes accounts_section(std::vector<std::pair<AccountId, std::uint64_t>> funds) {
  std::sort(funds.begin(), funds.end());
  codec::CborWriter w;
  w.map(1);
  w.key(1);
  w.array(funds.size());
  for (const auto& [account, amount] : funds) {
    w.array(2);
    w.bytes(account.view());
    w.u64(amount);
  }
  return w.take();
}

// Blocks come every 50 ms while a timeout is pending, so jobs settle while a person watches.
market::Params market_params(const NetworkOptions& options) {
  market::Params params;
  params.precisions = options.precisions;
  params.start_timeout = 500;  // a provider that is started again has jobs waiting
  params.run_timeout = 600;
  params.settle_window = 1;
  params.commit_blocks = 20;
  params.reveal_blocks = 100;
  if (options.audit_percent > 0) {
    params.settle_window = 20;  // a second, for those who doubt
    params.audit_window = 200;
    params.bond.audit_ppm = options.audit_percent * market::kPpm / 100;
  }
  return params;
}

constexpr std::uint64_t kBeaconStepsPerMs =
    200;  // so that the delay ends within its round beside others on this machine

struct ValidatorPlan {
  std::string name, account;  // shown form
  crypto::PublicKey key;
  std::string address;  // of its links
  AccountId id;
};

// The validators' own accounts stand behind their keys, and any account may put as much behind another.
Bytes stakes_section(const std::vector<ValidatorPlan>& validators) {
  std::vector<stake::Member> members;
  for (const ValidatorPlan& v : validators)
    members.push_back({.owner = v.id, .key = v.key, .stake = Amount{kStakeUt}, .address = v.address, .returns = {}});
  std::ranges::sort(members, {}, &stake::Member::owner);
  return stake::encode_stake_genesis({.stake_min = kStakeUt, .cap_bp = 3'300}, members);
}

constexpr std::uint16_t kMetricsPort = 9001;  // and the two after it; any with --services 0

std::string services_toml(const std::string& dir, const std::string& name, const NetworkOptions& options) {
  if (!options.services) return "";
  const std::uint16_t first = *options.services;
  const auto port = [](std::uint16_t base, std::uint16_t n) {
    return base == 0 ? base : static_cast<std::uint16_t>(base + n);
  };
  const std::uint16_t metrics = first == 0 ? std::uint16_t{0} : kMetricsPort;
  return text(
      "\n[services]\nenabled = true\nrouter = \"127.0.0.1:{}\"\nauction = \"127.0.0.1:{}\"\n"
      "execution = \"127.0.0.1:{}\"\nnode = \"unix:{}/{}/api.sock\"\ntoken_file = \"{}/{}/tokens.json\"\nmix = \"{}\"\n"
      "\n[metrics]\naliases = [\"127.0.0.1:{}\", \"127.0.0.1:{}\", \"127.0.0.1:{}\"]\n",
      port(first, 0), port(first, 1), port(first, 2), dir, name, dir, name,
      options.routers > 0 ? text("{}/{}/mesh.sock", dir, kWalletNode) : std::string(), port(metrics, 0),
      port(metrics, 1), port(metrics, 2));
}

std::string validator_toml(const std::string& dir, const std::vector<ValidatorPlan>& all, std::size_t number,
                           const NetworkOptions& options) {
  const std::string& name = all[number].name;
  std::string out = text(
      "# Validator {} and gateway of the development network in this folder.\n"
      "[identity]\nkey = \"{}/{}/key.json\"\nallow_unencrypted = true\n\n"
      "[network]\ngenesis = \"{}/genesis.cbor\"\n\n"
      "[roles]\nenabled = [\"validator\", \"gateway\"{}]\n\n"
      "[storage]\npath = \"{}/{}/data\"\n\n"
      "[api]\nsocket = \"{}/{}/api.sock\"\nhttp = \"{}\"\n",
      number, dir, name, dir, options.audit_percent > 0 ? ", \"auditor\"" : "", dir, name, dir, name,
      number == 0 ? options.http : "127.0.0.1:0");
  // Blobs are where they were given to: with the first validator.
  if (options.audit_percent > 0) out += text("\n[auditor]\nnode = \"unix:{}/{}/api.sock\"\n", dir, all[0].name);
  if (number == 0) out += services_toml(dir, name, options);
  if (all.size() == 1) return out;
  std::string peers;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i != number) peers += text("{}\"{}@{}\"", peers.empty() ? "" : ",\n         ", all[i].account, all[i].address);
  return out + text("\n[consensus]\nlisten = \"{}\"\npeers = [{}]\n", all[number].address, peers);
}

// Loopback ports of UDP that were free a moment ago: every validator's file names the ports of all, so they are chosen
// before anybody listens. A port that somebody else takes meanwhile shows as transport.listen when the network starts.
Result<std::vector<std::string>> free_addresses(std::size_t count) {
  std::vector<int> held;
  std::vector<std::string> out;
  const auto release = [&] {
    for (const int fd : held) ::close(fd);
  };
  for (std::size_t i = 0; i < count; ++i) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (fd >= 0) held.push_back(fd);
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      release();
      return fail(Kind::kUnavailable, "cli.start_failed",
                  text("cannot reserve a loopback port: {}", std::strerror(errno)));
    }
    out.push_back(text("127.0.0.1:{}", std::uint64_t{ntohs(address.sin_port)}));
  }
  release();
  return out;
}

std::vector<light::Validator> equal_powers(const std::vector<ValidatorPlan>& plans) {
  std::vector<light::Validator> out;
  const std::size_t n = plans.size();
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t share = light::kPowerTotalBp / n + (i < light::kPowerTotalBp % n ? 1 : 0);
    out.push_back({.key = plans[i].key, .power_bp = static_cast<std::uint16_t>(share)});
  }
  return out;
}

std::string precision_list(std::uint8_t precisions) {
  std::string out;
  const std::array<std::pair<gxf::Precision, std::string_view>, 4> names = {{{gxf::Precision::kInt8, "int8"},
                                                                             {gxf::Precision::kE5m2, "e5m2"},
                                                                             {gxf::Precision::kFp8, "fp8"},
                                                                             {gxf::Precision::kBf16, "bf16"}}};
  for (const auto& [precision, name] : names)
    if ((precisions & market::precision_bit(precision)) != 0) out += text("{}\"{}\"", out.empty() ? "" : ", ", name);
  return out;
}

std::string provider_toml(const std::string& dir, std::size_t number, const NetworkOptions& options) {
  return text(
      "# Provider {} of the development network in this folder.\n"
      "[identity]\nkey = \"{}/provider-{}/key.json\"\nallow_unencrypted = true\n\n"
      "[network]\ngenesis = \"{}/genesis.cbor\"\n\n"
      "[roles]\nenabled = [\"provider\"]\n\n"
      "[storage]\npath = \"{}/provider-{}/data\"\n\n"
      "[provider]\nnode = \"unix:{}/validator-0/api.sock\"\nregion = \"{}\"\nbond_ut = {}\nbase_price_ut = {}\n"
      "unit_price_ut = {}\nprecisions = [{}]\ncapacity = 16\n",
      number, dir, number, dir, dir, number, dir, number % 2 == 0 ? "US" : "EU", kBondUt, 1000 + 200 * number,
      900 + 100 * number, precision_list(options.precisions));
}

struct MixPlan {
  std::string name, id, address;  // folder, shown form, of its mesh
};

// Four cells of the Deep lane a second each: cover of the wallet's node, loops of the mixes.
std::string mix_toml(const std::string& dir, const std::vector<MixPlan>& all, std::size_t number, bool mixes) {
  const MixPlan& own = all[number];
  std::string peers;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i != number) peers += text("{}\"{}@{}\"", peers.empty() ? "" : ",\n               ", all[i].id, all[i].address);
  return text(
      "# {} of the development network in this folder.\n"
      "[identity]\nkey = \"{}/{}/key.json\"\nallow_unencrypted = true\n\n"
      "[network]\ngenesis = \"{}/genesis.cbor\"\n\n"
      "[roles]\nenabled = [\"mesh\", \"router\"]\n\n"
      "[storage]\npath = \"{}/{}/data\"\n\n"
      "[mesh]\nbind_address = \"{}\"\nsocket = \"{}/{}/mesh.sock\"\nhealth_address = \"\"\nreserve = false\n"
      "punch = false\ngossip = false\nknown_peers = [{}]\n\n"
      "[router]\nnode = \"unix:{}/validator-0/api.sock\"\nmixes = {}\nexit = {}\nsends_per_min = {}\n",
      mixes ? text("Mix and exit {}", number) : std::string("The wallet's node of the mix"), dir, own.name, dir, dir,
      own.name, own.address, dir, own.name, peers, dir, mixes, mixes, mixes ? 60 : 1'200);
}

Status write_text(const std::string& path, std::string_view content) {
  return replace_file(real_fs(), path, as_bytes(content));
}

codec::Json network_json(const Network& network) {
  codec::Json nodes = codec::Json::array();
  for (const auto& node : network.nodes) {
    codec::Json one = codec::Json::object();
    one.set("name", node.name).set("role", node.role).set("id", node.account);
    nodes.push(std::move(one));
  }
  codec::Json json = codec::Json::object();
  json.set("format", 1).set("nodes", std::move(nodes));
  return json;
}

Result<std::string> absolute(const std::string& dir) {
  char* real = ::realpath(dir.c_str(), nullptr);
  if (real == nullptr) return fail(Kind::kNotFound, "cli.network_folder", text("cannot resolve the folder {}", dir));
  std::string out(real);
  std::free(real);
  return out;
}

}  // namespace

Result<Network> make_network(const std::string& wanted, const NetworkOptions& options) {
  TRY_OK(real_fs().mkdir(wanted));
  TRY(const std::string dir, absolute(wanted));
  TRY(const auto there, real_fs().list(dir));
  if (!there.empty())
    return fail(
        Kind::kConflict, "cli.network_folder",
        text("found {} without network.json but with {} other entries, expected an empty folder", dir, there.size()));
  // A Unix socket's path has room for 107 bytes.
  if (dir.size() > 80)
    return fail(Kind::kConflict, "cli.network_folder", text("the path {} is too long for a socket inside it", dir));

  for (const char* name : {"receipts", "outputs"}) TRY_OK(real_fs().mkdir(dir + "/" + name));
  TRY(const auto payer_seeds, make_key(dir + "/wallet.json"));
  TRY(const auto payer, payer_seeds.identity());
  Network network{.dir = dir, .nodes = {}};
  const std::size_t mix_nodes = options.routers == 0 ? 0 : options.routers + 1;
  TRY(const auto addresses, free_addresses(options.validators + mix_nodes));
  std::vector<ValidatorPlan> validators;
  for (std::size_t i = 0; i < options.validators; ++i) {
    const std::string name = text("validator-{}", i);
    TRY_OK(real_fs().mkdir(dir + "/" + name));
    TRY(const auto seeds, make_key(dir + "/" + name + "/key.json"));
    TRY(const auto identity, seeds.identity());
    const std::string account = codec::encode_id(identity.id().view());
    validators.push_back({name, account, identity.mldsa().public_key(), addresses[i], identity.id()});
    network.nodes.push_back({name, "validator", account});
    if (i == 0 && options.services)
      TRY_OK(door::make_network_door(dir, text("{}/{}/tokens.json", dir, name), identity.id()));
  }
  std::vector<std::pair<AccountId, std::uint64_t>> funds = {{payer.id(), kPayerFundsUt}};
  for (std::size_t i = 0; i < options.providers; ++i) {
    const std::string name = text("provider-{}", i);
    TRY_OK(real_fs().mkdir(dir + "/" + name));
    TRY(const auto seeds, make_key(dir + "/" + name + "/key.json"));
    TRY(const auto identity, seeds.identity());
    funds.emplace_back(identity.id(), kProviderFundsUt);
    network.nodes.push_back({name, "provider", codec::encode_id(identity.id().view())});
    TRY_OK(write_text(text("{}/{}/node.toml", dir, name), provider_toml(dir, i, options)));
  }
  std::vector<MixPlan> mix;
  for (std::size_t i = 0; i < mix_nodes; ++i) {
    const std::string name = i < options.routers ? text("router-{}", i) : std::string(kWalletNode);
    TRY_OK(real_fs().mkdir(dir + "/" + name));
    TRY(const auto seeds, make_key(dir + "/" + name + "/key.json"));
    TRY(const auto identity, seeds.identity());
    mix.push_back({name, codec::encode_id(identity.id().view()), addresses[options.validators + i]});
    network.nodes.push_back({name, i < options.routers ? "router" : "wallet", mix.back().id});
  }
  for (std::size_t i = 0; i < mix_nodes; ++i)
    TRY_OK(write_text(text("{}/{}/node.toml", dir, mix[i].name), mix_toml(dir, mix, i, i < options.routers)));
  if (options.stakes)
    for (const ValidatorPlan& v : validators) funds.emplace_back(v.id, 2 * kStakeUt);
  light::Genesis genesis;
  genesis.name = "development";
  genesis.time_ms = system_clock().wall_ms();
  genesis.params.interval_ms = 50;
  genesis.validators = light::sorted_set(equal_powers(validators));
  genesis.apps[ledger::kAccountsApp] = accounts_section(std::move(funds));
  genesis.apps[market::kMarketApp] = market::encode_params(market_params(options));
  genesis.apps[reputation::kReputationApp] = reputation::encode_reputation_genesis();
  if (options.stakes) genesis.apps[stake::kStakeApp] = stakes_section(validators);
  if (mix_nodes > 0)
    genesis.apps[router::kMixApp] = router::encode_mix_genesis({.epoch_ms = kToyMix.epoch_ms,
                                                                .anonymity_bits = kToyMix.anonymity_bits,
                                                                .delay_min_ms = kToyMix.delay_min_ms,
                                                                .delay_max_ms = kToyMix.delay_max_ms,
                                                                .nodes = {}});
  if (options.beacon_ms != 0)
    genesis.apps[beacon::kBeaconApp] =
        beacon::encode_beacon_genesis({.round_ms = options.beacon_ms,
                                       .steps = std::min(options.beacon_ms * kBeaconStepsPerMs, crypto::kVdfStepsMax)});
  if (options.load_app) genesis.apps[ledger::kLoadApp] = ledger::encode_load_genesis(ledger::kLoadBodyMax);
  TRY_OK(light::validate(genesis));
  TRY_OK(replace_file(real_fs(), dir + "/genesis.cbor", light::encode(genesis)));
  for (std::size_t i = 0; i < validators.size(); ++i)
    TRY_OK(write_text(text("{}/{}/node.toml", dir, validators[i].name), validator_toml(dir, validators, i, options)));
  // Last: the folder is a network once this file is there.
  TRY_OK(write_text(dir + "/network.json", network_json(network).dump_pretty() + "\n"));
  return network;
}

Result<Network> read_network(const std::string& wanted) {
  TRY(const std::string dir, absolute(wanted));
  TRY(const Bytes bytes, read_file(real_fs(), dir + "/network.json", 1 << 20));
  const auto parse = [&]() -> Result<Network> {
    TRY(const codec::Json json, codec::parse_json(as_text(bytes)));
    Network network{.dir = dir, .nodes = {}};
    const codec::Json* nodes = json.find("nodes");
    if (nodes == nullptr) return fail(Kind::kCorrupt, "cli.network_folder", "found no list of nodes");
    for (const codec::Json& one : nodes->items()) {
      NetworkNode node;
      for (auto [key, field] :
           {std::pair{"name", &node.name}, std::pair{"role", &node.role}, std::pair{"id", &node.account}}) {
        const codec::Json* value = one.find(key);
        if (value == nullptr) return fail(Kind::kCorrupt, "cli.network_folder", text("a node has no {}", key));
        TRY(const std::string_view found, value->as_text(key));
        *field = found;
      }
      if (node.name.find_first_of("/.") != std::string::npos)
        return fail(Kind::kCorrupt, "cli.network_folder",
                    text("found node name '{}', expected a folder's name", node.name));
      network.nodes.push_back(std::move(node));
    }
    return network;
  };
  return with_context(parse(), text("read {}/network.json", dir));
}

}  // namespace hanse::cli
