#include "chain/light/genesis.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/light/fields.h"

namespace hanse::light {
namespace {

constexpr std::size_t kNameMax = 64;
constexpr std::uint64_t kVersion = 1;

std::unexpected<Error> broken(std::string_view path, std::string_view message) {
  return std::unexpected(Error(Kind::kInvalid, "light.genesis", message).at(path));
}

void write_params(codec::CborWriter& w, const Params& p) {
  const std::uint32_t values[] = {p.quorum_bp, p.economic_bp, p.interval_ms, p.block_txs_max, p.block_bytes_max};
  w.map(std::size(values));
  for (std::size_t i = 0; i < std::size(values); ++i) {
    w.key(i);
    w.u64(values[i]);
  }
}

Result<Params> read_params(codec::CborReader& r) {
  Params p;
  std::uint32_t* const values[] = {&p.quorum_bp, &p.economic_bp, &p.interval_ms, &p.block_txs_max, &p.block_bytes_max};
  TRY_OK(r.enter_map("params", std::size(values)));
  for (std::size_t i = 0; i < std::size(values); ++i) {
    TRY_OK(expect_key(r, i));
    TRY(const std::uint64_t value, r.u64("param", 0xFFFF'FFFF));
    *values[i] = static_cast<std::uint32_t>(value);
  }
  TRY_OK(r.leave());
  return p;
}

}  // namespace

void write(codec::CborWriter& w, const ValidatorSet& set) {
  w.array(set.validators.size());
  for (const Validator& v : set.validators) {
    w.array(3);
    w.u64(static_cast<std::uint8_t>(v.key.alg));
    w.bytes(v.key.bytes);
    w.u64(v.power_bp);
  }
}

Result<ValidatorSet> read_set(codec::CborReader& r) {
  ValidatorSet set;
  TRY_OK(r.enter_array("validators", kValidatorsMax));
  while (r.more()) {
    Validator v;
    TRY_OK(r.enter_array("validator", 3));
    TRY(const std::uint64_t alg, r.u64("alg", 255));
    TRY(const crypto::SigSizes sizes, crypto::sig_sizes(static_cast<std::uint8_t>(alg)));
    TRY(const ByteView key, r.bytes("key", sizes.public_key));
    if (key.size() != sizes.public_key)
      return r.fail_here("codec.type", text("found a key of {} bytes, expected {}", key.size(), sizes.public_key));
    TRY(const std::uint64_t power, r.u64("power_bp", kPowerTotalBp));
    TRY_OK(r.leave());
    v.key = {.alg = static_cast<crypto::SigAlg>(alg), .bytes = to_bytes(key)};
    v.power_bp = static_cast<std::uint16_t>(power);
    set.validators.push_back(std::move(v));
  }
  TRY_OK(r.leave());
  return set;
}

Hash32 set_hash(const ValidatorSet& set) {
  codec::CborWriter w;
  write(w, set);
  return crypto::blake3("hanse/valset/1", {w.take()});
}

ValidatorSet sorted_set(std::vector<Validator> validators) {
  std::ranges::sort(validators, {}, [](const Validator& v) { return v.id(); });
  return ValidatorSet{std::move(validators)};
}

Status validate(const ValidatorSet& set) {
  if (set.validators.empty() || set.validators.size() > kValidatorsMax)
    return broken("validators", text("found {} validators, expected 1 to {}", set.validators.size(), kValidatorsMax));
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < set.validators.size(); ++i) {
    const Validator& v = set.validators[i];
    const std::string path = text("validators[{}]", i);
    if (v.key.alg != crypto::SigAlg::kMlDsa65 && v.key.alg != crypto::SigAlg::kMlDsa87)
      return broken(path, text("found a key of type {}, expected mldsa65 or mldsa87", crypto::sig_alg_name(v.key.alg)));
    if (v.power_bp == 0 || v.power_bp > kPowerTotalBp)
      return broken(path, text("found a power of {} bp, expected 1 to {}", v.power_bp, kPowerTotalBp));
    if (i > 0 && !(set.validators[i - 1].id() < v.id()))
      return broken(path, text("found validator {} out of order or twice, expected ascending ids", v.id()));
    total += v.power_bp;
  }
  if (total != kPowerTotalBp)
    return broken("validators", text("found powers that sum to {} bp, expected {}", total, kPowerTotalBp));
  return {};
}

Status validate(const Genesis& g) {
  if (g.name.empty() || g.name.size() > kNameMax)
    return broken("name", text("found a name of {} bytes, expected 1 to {}", g.name.size(), kNameMax));
  if (g.time_ms < 0) return broken("time_ms", text("found {}, expected a time after 1970", g.time_ms));
  const Params& p = g.params;
  if (p.quorum_bp < kQuorumBpMin || p.quorum_bp > kQuorumBpMax)
    return broken("params.quorum_bp", text("found {}, expected {} to {}", p.quorum_bp, kQuorumBpMin, kQuorumBpMax));
  if (p.economic_bp < p.quorum_bp || p.economic_bp > kPowerTotalBp)
    return broken("params.economic_bp", text("found {}, expected {} to {}", p.economic_bp, p.quorum_bp, kPowerTotalBp));
  if (p.interval_ms < 10 || p.interval_ms > 3'600'000)
    return broken("params.interval_ms", text("found {}, expected 10 to 3600000", p.interval_ms));
  if (p.block_txs_max < 1 || p.block_txs_max > 65'536)
    return broken("params.block_txs_max", text("found {}, expected 1 to 65536", p.block_txs_max));
  if (p.block_bytes_max < (64u << 10) || p.block_bytes_max > (16u << 20))
    return broken("params.block_bytes_max", text("found {}, expected 64 KiB to 16 MiB", p.block_bytes_max));
  return validate(g.validators);
}

Bytes encode(const Genesis& g) {
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.text(g.name);
  w.key(2);
  w.i64(g.time_ms);
  w.key(3);
  write_params(w, g.params);
  w.key(4);
  write(w, g.validators);
  w.key(5);
  w.map(g.apps.size());
  for (const auto& [number, section] : g.apps) {
    w.key(number);
    w.bytes(section);
  }
  return w.take();
}

Result<Genesis> decode_genesis(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kGenesisBytesMax, .depth_max = 4});
  Genesis g;
  TRY_OK(r.enter_map("genesis", 6));
  TRY_OK(expect_key(r, 0));
  TRY(const std::uint64_t version, r.u64("version"));
  if (version != kVersion) return broken("version", text("found {}, expected {}", version, kVersion));
  TRY_OK(expect_key(r, 1));
  TRY(const std::string_view name, r.text("name", kNameMax));
  g.name = name;
  TRY_OK(expect_key(r, 2));
  TRY(g.time_ms, r.i64("time_ms"));
  TRY_OK(expect_key(r, 3));
  TRY(g.params, read_params(r));
  TRY_OK(expect_key(r, 4));
  TRY(g.validators, read_set(r));
  TRY_OK(expect_key(r, 5));
  TRY_OK(r.enter_map("apps", 256));
  while (r.more()) {
    TRY(const std::uint64_t number, r.key());
    if (number > 255) return r.fail_here("light.genesis", text("found application {}, expected at most 255", number));
    TRY(const ByteView section, r.bytes("section", kGenesisBytesMax));
    g.apps.emplace(static_cast<std::uint8_t>(number), to_bytes(section));
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  TRY_OK(validate(g));
  return g;
}

NetworkId network_id(ByteView genesis_bytes) {
  return NetworkId{crypto::blake3("hanse/genesis/1", {genesis_bytes}).data};
}
NetworkId network_id(const Genesis& genesis) { return network_id(encode(genesis)); }

}  // namespace hanse::light
