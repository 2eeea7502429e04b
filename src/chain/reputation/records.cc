#include "chain/reputation/records.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::reputation {
namespace {

// A map of unsigned integers with every key from 0 on.
Result<std::vector<std::uint64_t>> read_numbers(codec::CborReader& r, std::string_view what, std::size_t count) {
  TRY_OK(r.enter_map(what, count));
  std::vector<std::uint64_t> out;
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (key != out.size()) return r.fail_here("codec.missing", text("found key {}, expected {}", key, out.size()));
    TRY(out.emplace_back(), r.u64("number"));
  }
  TRY_OK(r.leave());
  if (out.size() != count) return r.fail_missing("number");
  return out;
}

Result<Standing> standing_of(codec::CborReader& r) {
  TRY(const auto n, read_numbers(r, "standing", 4));
  if (n[0] > kScoreMax || n[1] > 1)
    return r.fail_here("codec.type",
                       text("found score {} and flag {}, expected at most {} and 1", n[0], n[1], kScoreMax));
  return Standing{.score = static_cast<std::uint32_t>(n[0]), .out = n[1] == 1, .out_until = n[2], .faults = n[3]};
}

Result<Slash> read_slash(std::uint64_t number, ByteView value) {
  codec::CborReader r(value);
  Slash s{.number = number, .validator = {}, .stake_bp = 0, .fault = {}, .epoch = 0, .height = {}};
  TRY_OK(r.enter_array("slash", 5));
  TRY_OK(r.fixed("validator", s.validator));
  TRY(const std::uint64_t stake_bp, r.u64("stake_bp", 10'000));
  TRY(const std::uint64_t fault, r.u64("fault", 6));
  TRY(s.epoch, r.u64("epoch"));
  TRY(s.height.value, r.u64("height"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  s.stake_bp = static_cast<std::uint32_t>(stake_bp);
  s.fault = static_cast<Fault>(fault);
  return s;
}

ledger::Tx content_tx(std::uint64_t key, ByteView content) {
  codec::CborWriter w;
  w.map(1);
  w.key(key);
  w.bytes(content);
  return {.app = kReputationApp, .body = w.take()};
}

}  // namespace

Bytes numbered_key(std::string_view prefix, std::uint64_t number) {
  Bytes key = to_bytes(prefix);
  std::uint8_t be[8];
  store_be(be, number);
  append(key, be);
  return key;
}

Bytes encode_numbers(std::initializer_list<std::uint64_t> numbers) {
  codec::CborWriter w;
  w.map(numbers.size());
  std::uint64_t key = 0;
  for (const std::uint64_t number : numbers) {
    w.key(key++);
    w.u64(number);
  }
  return w.take();
}

Result<std::vector<std::uint64_t>> decode_numbers(ByteView bytes, std::size_t count) {
  codec::CborReader r(bytes);
  TRY(auto out, read_numbers(r, "numbers", count));
  TRY_OK(r.finish());
  return out;
}

std::unexpected<Error> bad_record(std::string_view key, const Error& error) {
  return fail(Kind::kCorrupt, "reputation.record", text("{}: {}", key, error.str()));
}

Result<Now> read_now(const ledger::StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kNowKey)));
  if (!bytes) return fail(Kind::kCorrupt, "reputation.record", text("found nothing under {}", kNowKey));
  codec::CborReader r(*bytes);
  const auto n = read_numbers(r, "now", 4);
  if (!n) return bad_record(kNowKey, n.error());
  return Now{.epoch = (*n)[0], .has_set = (*n)[1] == 1, .slashes = (*n)[2], .facts = (*n)[3]};
}

void write_now(ledger::State& state, const Now& now) {
  state.put(as_bytes(kNowKey), encode_numbers({now.epoch, now.has_set ? 1u : 0u, now.slashes, now.facts}));
}

// ---- standings -----------------------------------------------------------------------------------------------------

Bytes standing_key(const AccountId& validator) {
  Bytes key = to_bytes(kStandingPrefix);
  append(key, validator.view());
  return key;
}

Bytes encode_standing(const Standing& s) { return encode_numbers({s.score, s.out ? 1u : 0u, s.out_until, s.faults}); }

Result<Standing> decode_standing(ByteView bytes) {
  codec::CborReader r(bytes);
  TRY(const Standing out, standing_of(r));
  TRY_OK(r.finish());
  return out;
}

Result<Standing> standing(const ledger::StateReader& state, const AccountId& validator) {
  TRY(const auto bytes, state.get(standing_key(validator)));
  if (!bytes) return Standing{};
  auto found = decode_standing(*bytes);
  if (!found) return bad_record(kStandingPrefix, found.error());
  return found;
}

// A perfect one needs no record.
void write_standing(ledger::State& state, const AccountId& validator, const Standing& s) {
  if (s.score == kScoreMax && !s.out) {
    state.erase(standing_key(validator));
  } else {
    state.put(standing_key(validator), encode_standing(s));
  }
}

Result<std::vector<Named>> read_standings(const ledger::StateReader& state) {
  std::vector<Named> out;
  std::optional<Error> bad;
  TRY_OK(state.scan(as_bytes(kStandingPrefix), {}, [&](ByteView key, ByteView value) {
    Named named;
    auto s = decode_standing(value);
    if (!s || !AccountId::from(key.subspan(kStandingPrefix.size()), named.validator)) {
      bad.emplace(Kind::kCorrupt, "reputation.record", text("found a record under {} that is no standing", key));
      return false;
    }
    named.standing = *s;
    out.push_back(named);
    return true;
  }));
  if (bad) return std::unexpected(std::move(*bad));
  return out;
}

Bytes encode_standings(const std::vector<Named>& all) {
  const std::size_t count = std::min(all.size(), kStandingsMax);
  codec::CborWriter w;
  w.array(count);
  for (std::size_t i = 0; i < count; ++i) {
    w.array(2);
    w.bytes(all[i].validator.view());
    w.raw(encode_standing(all[i].standing));
  }
  return w.take();
}

Result<std::vector<Named>> decode_standings(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = 256u << 10, .depth_max = 4});
  std::vector<Named> out;
  TRY_OK(r.enter_array("standings", kStandingsMax));
  while (r.more()) {
    Named named;
    TRY_OK(r.enter_array("named", 2));
    TRY_OK(r.fixed("validator", named.validator));
    TRY(named.standing, standing_of(r));
    TRY_OK(r.leave());
    out.push_back(named);
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

// ---- slashes, facts, sets ------------------------------------------------------------------------------------------

Result<std::vector<Slash>> slashed(const ledger::StateReader& state, std::uint64_t from_number) {
  std::vector<Slash> out;
  std::optional<Error> bad;
  TRY_OK(state.scan(as_bytes(kSlashPrefix), numbered_key(kSlashPrefix, from_number), [&](ByteView key, ByteView value) {
    auto slash = read_slash(load_be<std::uint64_t>(key.data() + kSlashPrefix.size()), value);
    if (!slash) {
      bad.emplace(Kind::kCorrupt, "reputation.record", slash.error().str());
      return false;
    }
    out.push_back(*slash);
    return out.size() < kSlashesMax;
  }));
  if (bad) return std::unexpected(std::move(*bad));
  return out;
}

void write_slash(ledger::State& state, const Slash& s) {
  codec::CborWriter w;
  w.array(5);
  w.bytes(s.validator.view());
  w.u64(s.stake_bp);
  w.u64(static_cast<std::uint8_t>(s.fault));
  w.u64(s.epoch);
  w.u64(s.height.value);
  state.put(numbered_key(kSlashPrefix, s.number), w.take());
}

Hash32 fact_id(const consensus::Fact& fact) {
  std::uint8_t bytes[1 + 2 + 24];
  bytes[0] = static_cast<std::uint8_t>(fact.purpose);
  store_le(bytes + 1, fact.replica);
  store_le(bytes + 3, fact.epoch);
  store_le(bytes + 11, fact.view);
  store_le(bytes + 19, fact.place);
  return crypto::blake3("hanse/fact/1", {ByteView(bytes)});
}

Bytes fact_key(const consensus::Fact& fact) {
  Bytes key = numbered_key(kFactPrefix, fact.epoch);
  append(key, fact_id(fact).view());
  return key;
}

void write_proven(ledger::State& state, const Proven& p) {
  codec::CborWriter w;
  w.array(7);
  w.u64(static_cast<std::uint8_t>(p.fact.purpose));
  w.u64(p.fact.replica);
  w.u64(p.fact.epoch);
  w.u64(p.fact.view);
  w.u64(p.fact.place);
  w.bytes(p.validator.view());
  w.u64(p.height.value);
  state.put(fact_key(p.fact), w.take());
}

Result<Bytes> read_proven(const ledger::StateReader& state) {
  std::vector<Bytes> all;
  TRY_OK(state.scan(as_bytes(kFactPrefix), {}, [&](ByteView, ByteView value) {
    all.push_back(to_bytes(value));
    return all.size() < kProvenMax;
  }));
  codec::CborWriter w;
  w.array(all.size());
  for (const Bytes& each : all) w.raw(each);
  return w.take();
}

Result<std::vector<Proven>> decode_proven(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = 256u << 10, .depth_max = 3});
  std::vector<Proven> out;
  TRY_OK(r.enter_array("proven", kProvenMax));
  while (r.more()) {
    Proven p;
    TRY_OK(r.enter_array("fact", 7));
    TRY(const std::uint64_t purpose, r.u64("purpose", 4));
    TRY(const std::uint64_t replica, r.u64("replica", consensus::kReplicasMax - 1));
    TRY(p.fact.epoch, r.u64("epoch"));
    TRY(p.fact.view, r.u64("view"));
    TRY(p.fact.place, r.u64("place"));
    TRY_OK(r.fixed("validator", p.validator));
    TRY(p.height.value, r.u64("height"));
    TRY_OK(r.leave());
    p.fact.purpose = static_cast<consensus::Purpose>(purpose);
    p.fact.replica = static_cast<consensus::Index>(replica);
    out.push_back(p);
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes set_key(std::uint64_t epoch) { return numbered_key(kSetPrefix, epoch); }

Result<std::optional<light::ValidatorSet>> read_set_of(const ledger::StateReader& state, std::uint64_t epoch) {
  TRY(const auto bytes, state.get(set_key(epoch)));
  if (!bytes) return std::optional<light::ValidatorSet>();
  codec::CborReader r(*bytes, {.size_max = ledger::kStateValueMax, .depth_max = 4});
  auto set = light::read_set(r);
  if (!set) return bad_record(kSetPrefix, set.error());
  return std::optional(*std::move(set));
}

// ---- transactions --------------------------------------------------------------------------------------------------

Result<Body> decode_body(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = ledger::kTxBytesMax, .depth_max = 2});
  Body out;
  const auto read = [&]() -> Status {
    TRY_OK(r.enter_map("body", 1));
    TRY(const std::uint64_t key, r.key());
    if (key > 1) return r.fail_here("codec.type", text("found key {}, expected 0 or 1", key));
    TRY(const ByteView content, r.bytes("content", consensus::kEvidenceBytesMax));
    (key == 0 ? out.evidence : out.testimony) = to_bytes(content);
    TRY_OK(r.leave());
    return r.finish();
  };
  if (const Status done = read(); !done)
    return fail(Kind::kInvalid, "reputation.body",
                text("expected a call, evidence or a statement: {}", done.error().str()));
  return out;
}

ledger::Tx evidence_tx(const consensus::Evidence& evidence) { return content_tx(0, encode(evidence)); }
ledger::Tx testimony_tx(const consensus::Statement& own) { return content_tx(1, encode(own)); }

}  // namespace hanse::reputation
