#include "chain/ledger/load_app.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::ledger {
namespace {

Bytes encode_totals(const LoadTotals& totals) {
  codec::CborWriter w;
  w.map(4);
  w.key(0);
  w.u64(totals.count);
  w.key(1);
  w.u64(totals.bytes);
  w.key(2);
  w.bytes(totals.leader.view());
  w.key(3);
  w.u64(totals.body_bytes_max);
  return w.take();
}

// There from block 0 on. One record holds all, so a block of many transactions reads the store once.
Result<LoadTotals> read_totals(const StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kLoadTotalsKey)));
  return decode_load_totals(bytes ? ByteView(*bytes) : ByteView());
}

Status check_body(const Tx& tx, const LoadTotals& totals) {
  if (tx.body.size() <= totals.body_bytes_max) return {};
  return fail(Kind::kExhausted, "load.body",
              text("found a body of {} bytes, expected at most {}", tx.body.size(), totals.body_bytes_max));
}

class LoadApp final : public App {
 public:
  std::uint8_t number() const override { return kLoadApp; }
  std::string_view name() const override { return "load"; }

  Status genesis(ByteView section, const NetworkId&, State& state) override {
    codec::CborReader r(section, {.size_max = 64, .depth_max = 2});
    TRY_OK(r.enter_map("load", 1));
    TRY(const std::uint64_t key, r.key());
    if (key != 1) return r.fail_here("ledger.genesis", text("found key {}, expected 1", key));
    TRY(const std::uint64_t most, r.u64("body_bytes_max"));
    if (most == 0 || most > kLoadBodyMax)
      return r.fail_here("ledger.genesis",
                         text("found bodies of at most {} bytes, expected 1 to {}", most, kLoadBodyMax));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    state.put(as_bytes(kLoadTotalsKey), encode_totals({.count = 0, .bytes = 0, .leader = {}, .body_bytes_max = most}));
    return {};
  }

  Status check(const Tx& tx, const BlockContext&, const StateReader& state) const override {
    TRY(const LoadTotals totals, read_totals(state));
    return check_body(tx, totals);
  }

  Status begin(const BlockContext&, State&) override { return {}; }

  TxResult apply(const Tx& tx, const BlockContext& context, State& state) override {
    const Status counted = count(tx, context, state);
    return counted ? TxResult{} : failed(counted.error());
  }

  Result<EndResult> end(const BlockContext&, State&) override { return EndResult{}; }

  Result<Bytes> query(std::string_view path, ByteView, const StateReader& state) const override {
    if (path != "totals") return fail(Kind::kNotFound, "ledger.query", text("found query {}, expected totals", path));
    TRY(const LoadTotals totals, read_totals(state));
    return encode_totals(totals);
  }

  std::optional<AccountId> payer(const Tx&) const override { return std::nullopt; }

 private:
  Status count(const Tx& tx, const BlockContext& context, State& state) const {
    TRY(LoadTotals totals, read_totals(state));
    TRY_OK(check_body(tx, totals));  // a batch of another validator may hold anything
    totals.count += 1;
    totals.bytes += tx.body.size();
    totals.leader = context.leader;
    state.put(as_bytes(kLoadTotalsKey), encode_totals(totals));
    return {};
  }
};

}  // namespace

Bytes encode_load_genesis(std::size_t body_bytes_max) {
  codec::CborWriter w;
  w.map(1);
  w.key(1);
  w.u64(body_bytes_max);
  return w.take();
}

Result<LoadTotals> decode_load_totals(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = 256, .depth_max = 2});
  LoadTotals totals;
  TRY_OK(r.enter_map("totals", 4));
  for (std::uint64_t expected = 0; expected < 4; ++expected) {
    TRY(const std::uint64_t key, r.key());
    if (key != expected) return r.fail_here("codec.missing", text("found key {}, expected {}", key, expected));
    if (key == 2) {
      TRY_OK(r.fixed("leader", totals.leader));
    } else {
      TRY(const std::uint64_t value, r.u64("total"));
      (key == 0 ? totals.count : key == 1 ? totals.bytes : totals.body_bytes_max) = value;
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return totals;
}

std::unique_ptr<App> make_load_app() { return std::make_unique<LoadApp>(); }

}  // namespace hanse::ledger
