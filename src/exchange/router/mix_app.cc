#include "exchange/router/mix_app.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/beacon/beacon.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"

namespace hanse::router {
namespace {

using ledger::BlockContext;
using ledger::State;
using ledger::StateReader;

constexpr std::string_view kParamsKey = "router/params", kKeyPrefix = "router/k", kBeaconPrefix = "router/b";
constexpr std::int64_t kDrawnBefore = 4;  // a quarter of an epoch before it begins its strata are drawn, however
constexpr std::size_t kDirectoryBytesMax = 1 << 20;
constexpr std::uint64_t kServesMix = 1, kServesExit = 2, kServesAll = kServesMix | kServesExit;

std::uint64_t serves_of(const Publish& p) { return (p.mixes ? kServesMix : 0) | (p.exit ? kServesExit : 0); }

Bytes epoch_key(std::string_view prefix, std::uint32_t epoch) {
  Bytes out = to_bytes(prefix);
  append_be(out, epoch);
  return out;
}
Bytes node_key(std::uint32_t epoch, const NodeId& node) {
  Bytes out = epoch_key(kKeyPrefix, epoch);
  append(out, node.view());
  return out;
}

const Geometry& geometry_of(Suite suite) { return suite == Suite::kXWing ? kXWingGeometry : kMlKemGeometry; }

Result<Publish> decode_publish(ByteView bytes) {
  codec::CborReader r(bytes);
  Publish out;
  TRY_OK(r.enter_array("publish", 4));
  TRY(const auto epoch, r.u64("epoch", 0xffff'ffff));
  TRY(const auto serves, r.u64("serves", kServesAll));
  TRY(const auto rate, r.u64("deep_per_1000s", 0xffff'ffff));
  TRY(const ByteView key, r.bytes("key", 2'048));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  out.epoch = static_cast<std::uint32_t>(epoch);
  out.mixes = (serves & kServesMix) != 0;
  out.exit = (serves & kServesExit) != 0;
  out.deep_per_1000s = static_cast<std::uint32_t>(rate);
  out.key = to_bytes(key);
  return out;
}

std::unexpected<Error> bad_record(std::string_view what) { return fail(Kind::kCorrupt, "router.record", what); }

Result<MixParams> params(const StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kParamsKey)));
  if (!bytes) return bad_record("the parameters of the mix are missing");
  return decode_mix_genesis(*bytes);
}

Result<std::uint32_t> epoch_at(const StateReader& state, std::int64_t time_ms) {
  TRY(const MixParams p, params(state));
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(std::max<std::int64_t>(0, time_ms)) / p.epoch_ms);
}

class MixApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kMixApp; }
  std::string_view name() const override { return "router"; }

  Status genesis(ByteView section, const NetworkId&, State& state) override {
    TRY_OK(decode_mix_genesis(section));
    state.put(as_bytes(kParamsKey), section);
    return {};
  }

  Status check(const ledger::Tx& tx, const BlockContext& next, const StateReader& state) const override {
    ledger::Overlay trial(state);
    TRY_OK(call(tx, next, trial));
    return {};
  }

  ledger::TxResult apply(const ledger::Tx& tx, const BlockContext& context, State& state) override {
    auto result = call(tx, context, state);
    return result ? *std::move(result) : ledger::failed(result.error());
  }

  Status begin(const BlockContext& context, State& state) override {
    TRY(const MixParams p, params(state));
    TRY(const std::uint32_t now, epoch_at(state, context.time_ms));
    for (const std::uint32_t epoch : {now, now + 1}) {
      const Bytes key = epoch_key(kBeaconPrefix, epoch);
      TRY(const auto drawn, state.get(key));
      if (drawn) continue;
      const auto begin_ms = static_cast<std::int64_t>(epoch * p.epoch_ms),
                 length = static_cast<std::int64_t>(p.epoch_ms);
      TRY(const auto value, beacon::draw(state, context,
                                         {.purpose = "hanse/mix-strata/1",
                                          .from_ms = begin_ms - length,
                                          .until_ms = begin_ms - length / kDrawnBefore}));
      if (value) state.put(key, value->view());
    }
    return {};
  }

  Result<ledger::EndResult> end(const BlockContext& context, State& state) override {
    TRY(const std::uint32_t now, epoch_at(state, context.time_ms));
    std::vector<Bytes> past;
    for (const std::string_view prefix : {kKeyPrefix, kBeaconPrefix})
      TRY_OK(state.scan(as_bytes(prefix), as_bytes(prefix), [&](ByteView key, ByteView) {
        const bool over = load_be<std::uint32_t>(key.data() + prefix.size()) + 1 < now;
        if (over) past.push_back(to_bytes(key));
        return over && past.size() < kPrunedPerBlock;
      }));
    for (const Bytes& key : past) state.erase(key);
    return ledger::EndResult{};
  }

  Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const override {
    if (path == "params") {
      TRY(const auto bytes, state.get(as_bytes(kParamsKey)));
      return bytes.value_or(Bytes{});
    }
    if (path != "directory" || argument.size() != 4)
      return fail(Kind::kNotFound, "ledger.query",
                  text("found query {} with {} bytes, expected params or directory with 4", path, argument.size()));
    return directory(state, load_be<std::uint32_t>(argument.data()));
  }

 private:
  static Result<ledger::TxResult> call(const ledger::Tx& tx, const BlockContext& context, State& state) {
    TRY(const ledger::SignedCall call, ledger::decode_call(tx.body));
    TRY_OK(ledger::check_call(call, kMixApp, context));
    TRY_OK(ledger::use_nonce(state, call.sender, call.nonce));
    if (call.method != kMethodPublish)
      return fail(Kind::kUnsupported, "ledger.method", text("found method {}, expected 1", call.method));
    TRY(const Publish wanted, decode_publish(call.args));
    TRY_OK(publish(call.sender, wanted, context, state));
    return ledger::TxResult{};
  }

  static Status publish(const NodeId& node, const Publish& wanted, const BlockContext& context, State& state) {
    TRY(const MixParams p, params(state));
    TRY(const std::uint32_t now, epoch_at(state, context.time_ms));
    if (!p.nodes.empty() && !std::ranges::binary_search(p.nodes, node))
      return fail(Kind::kDenied, "router.not_listed", text("node {} is not one of the genesis", node));
    if (wanted.epoch < now + kPublishAhead || wanted.epoch > now + kPublishAheadMax)
      return fail(Kind::kInvalid, "router.publish",
                  text("found a key for epoch {}, expected {} to {}", wanted.epoch, now + kPublishAhead,
                       now + kPublishAheadMax));
    const Geometry& g = geometry_of(p.suite);
    SeededRandom fixed(0);  // the same verdict everywhere: only whether the bytes are a key matters
    if (const auto tried = crypto::encapsulate({g.kem, wanted.key}, fixed); !tried)
      return fail(Kind::kInvalid, "router.publish", tried.error().str());
    const Bytes key = node_key(wanted.epoch, node);
    TRY(const auto known, state.get(key));
    if (known)
      return fail(Kind::kConflict, "router.published", text("node {} has a key of epoch {}", node, wanted.epoch));
    std::size_t count = 0;
    const Bytes prefix = epoch_key(kKeyPrefix, wanted.epoch);
    TRY_OK(state.scan(prefix, prefix, [&](ByteView, ByteView) { return ++count < p.nodes_max; }));
    if (count >= p.nodes_max)
      return fail(Kind::kExhausted, "router.nodes_full",
                  text("found {} keys of epoch {}, expected fewer", count, wanted.epoch));
    codec::CborWriter w;
    w.array(3);
    w.u64(serves_of(wanted));
    w.u64(wanted.deep_per_1000s);
    w.bytes(wanted.key);
    state.put(key, w.take());
    return {};
  }

  static Result<Bytes> directory(const StateReader& state, std::uint32_t epoch) {
    TRY(const MixParams p, params(state));
    TRY(const auto beacon, state.get(epoch_key(kBeaconPrefix, epoch)));
    if (!beacon)
      return fail(Kind::kNotFound, "router.no_directory", text("the strata of epoch {} are not drawn", epoch));
    std::vector<std::pair<Bytes, Bytes>> nodes;
    const Bytes prefix = epoch_key(kKeyPrefix, epoch);
    TRY_OK(state.scan(prefix, prefix, [&](ByteView key, ByteView value) {
      nodes.emplace_back(to_bytes(key.subspan(prefix.size())), to_bytes(value));
      return nodes.size() < kNodesMax;
    }));
    codec::CborWriter w;
    w.array(4);
    w.u64(epoch);
    w.u64(static_cast<std::uint64_t>(p.suite));
    w.bytes(*beacon);
    w.array(nodes.size());
    for (const auto& [node, record] : nodes) {
      w.array(2);
      w.bytes(node);
      w.raw(record);
    }
    return w.take();
  }
};

}  // namespace

Bytes encode_mix_genesis(const MixParams& p) {
  codec::CborWriter w;
  w.array(7);
  w.u64(static_cast<std::uint64_t>(p.suite));
  w.u64(p.epoch_ms);
  w.u64(p.nodes_max);
  w.u64(p.anonymity_bits);
  w.u64(p.delay_min_ms);
  w.u64(p.delay_max_ms);
  w.array(p.nodes.size());
  for (const NodeId& node : p.nodes) w.bytes(node.view());
  return w.take();
}

Result<MixParams> decode_mix_genesis(ByteView bytes) {
  codec::CborReader r(bytes);
  MixParams out;
  TRY_OK(r.enter_array("mix", 7));
  TRY(const auto suite, r.u64("suite", 2));
  TRY(out.epoch_ms, r.u64("epoch_ms", 86'400'000));
  TRY(const auto nodes_max, r.u64("nodes_max", kNodesMax));
  TRY(const auto bits, r.u64("anonymity_bits", kAnonymityBitsMax));
  TRY(const auto delay_min_ms, r.u64("delay_min_ms", kDelayMaxMs));
  TRY(const auto delay_max_ms, r.u64("delay_max_ms", kDelayMaxMs));
  TRY_OK(r.enter_array("nodes", kNodesMax));
  while (r.more()) {
    NodeId node;
    TRY_OK(r.fixed("node", node));
    out.nodes.push_back(node);
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  out.suite = static_cast<Suite>(suite);
  out.nodes_max = static_cast<std::uint32_t>(nodes_max);
  out.anonymity_bits = static_cast<std::uint32_t>(bits);
  out.delay_min_ms = static_cast<std::uint32_t>(delay_min_ms);
  out.delay_max_ms = static_cast<std::uint32_t>(delay_max_ms);
  if (suite == 0 || out.epoch_ms < 1'000 || nodes_max == 0 || delay_min_ms == 0 || delay_min_ms > delay_max_ms ||
      std::ranges::adjacent_find(out.nodes, std::greater_equal<>()) != out.nodes.end())
    return fail(Kind::kInvalid, "ledger.genesis",
                text("found suite {}, epochs of {} ms, {} nodes, delays of {} to {} ms, expected suite 1 or 2, 1000 ms "
                     "and more, 1 and more, 1 and more, ids ascending",
                     suite, out.epoch_ms, nodes_max, delay_min_ms, delay_max_ms));
  return out;
}

Bytes encode_publish(const Publish& p) {
  codec::CborWriter w;
  w.array(4);
  w.u64(p.epoch);
  w.u64(serves_of(p));
  w.u64(p.deep_per_1000s);
  w.bytes(p.key);
  return w.take();
}

std::unique_ptr<ledger::App> make_mix_app() { return std::make_unique<MixApp>(); }

Result<Directory> decode_directory(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kDirectoryBytesMax});
  Directory out;
  Hash32 beacon;
  TRY_OK(r.enter_array("directory", 4));
  TRY(const auto epoch, r.u64("epoch", 0xffff'ffff));
  TRY(const auto suite, r.u64("suite", 2));
  if (suite == 0) return r.fail_here("codec.type", "found suite 0, expected 1 or 2");
  TRY_OK(r.fixed("beacon", beacon));
  TRY_OK(r.enter_array("nodes", kNodesMax));
  const Geometry& g = geometry_of(static_cast<Suite>(suite));
  while (r.more()) {
    MixNode node;
    TRY_OK(r.enter_array("node", 2));
    TRY_OK(r.fixed("id", node.node));
    TRY_OK(r.enter_array("record", 3));
    TRY(const auto serves, r.u64("serves", kServesAll));
    TRY(const auto rate, r.u64("deep_per_1000s", 0xffff'ffff));
    TRY(const ByteView key, r.bytes("key", 2'048));
    TRY_OK(r.leave());
    TRY_OK(r.leave());
    node.key = {g.kem, to_bytes(key)};
    node.deep_per_s = static_cast<double>(rate) / 1'000;
    node.exit = (serves & kServesExit) != 0;
    if ((serves & kServesMix) != 0) node.stratum = 0;
    out.nodes.push_back(std::move(node));
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  out.epoch = static_cast<std::uint32_t>(epoch);
  draw_strata(beacon, out.nodes);
  return out;
}

}  // namespace hanse::router
