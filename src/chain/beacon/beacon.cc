#include "chain/beacon/beacon.h"

#include <algorithm>
#include <set>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"

namespace hanse::beacon {
namespace {

using ledger::BlockContext;
using ledger::State;
using ledger::StateReader;

constexpr std::string_view kParamsKey = "beacon/params", kClosedKey = "beacon/closed", kLastKey = "beacon/last",
                           kFalseKey = "beacon/false", kSetKey = "beacon/set";
// By round; no other key begins like them.
constexpr std::string_view kCommits = "beacon/C", kReveals = "beacon/R", kRounds = "beacon/M", kFalseOf = "beacon/F";
constexpr std::string_view kSilenced = "beacon/X";

Bytes round_key(std::string_view prefix, std::uint64_t round) {
  Bytes out = to_bytes(prefix);
  append_be(out, round);
  return out;
}
Bytes account_key(std::string_view prefix, std::uint64_t round, const AccountId& account) {
  Bytes out = round_key(prefix, round);
  append(out, account.view());
  return out;
}
Bytes silenced_key(const AccountId& account) {
  Bytes out = to_bytes(kSilenced);
  append(out, account.view());
  return out;
}

std::unexpected<Error> bad_record(std::string_view what) { return fail(Kind::kCorrupt, "beacon.record", what); }

Result<std::optional<std::uint64_t>> number_at(const StateReader& state, ByteView key) {
  TRY(const auto bytes, state.get(key));
  if (!bytes) return std::nullopt;
  if (bytes->size() != 8) return bad_record(text("found a number of {} bytes, expected 8", bytes->size()));
  return load_be<std::uint64_t>(bytes->data());
}
void put_number(State& state, ByteView key, std::uint64_t value) {
  std::uint8_t be[8];
  store_be(be, value);
  state.put(key, be);
}

Result<BeaconParams> params(const StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kParamsKey)));
  if (!bytes) return bad_record("the parameters of the beacon are missing");
  return decode_beacon_genesis(*bytes);
}

std::uint64_t round_at(const BeaconParams& p, std::int64_t time_ms) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time_ms)) / p.round_ms;
}

Result<std::optional<Round>> round_of(const StateReader& state, std::uint64_t round) {
  TRY(const auto bytes, state.get(round_key(kRounds, round)));
  if (!bytes) return std::nullopt;
  TRY(Round out, decode_round(*bytes));
  return out;
}

std::unexpected<Error> no_round(std::uint64_t round) {
  return fail(Kind::kNotFound, "beacon.no_round",
              text("found no seed of round {}, expected one that closed in the last {} rounds", round, kKeptRounds));
}

// ---- the close of a round ------------------------------------------------------------------------------------------

Result<std::vector<std::pair<AccountId, Bytes>>> of_round(const StateReader& state, std::string_view what,
                                                          std::uint64_t round) {
  std::vector<std::pair<AccountId, Bytes>> out;
  const Bytes prefix = round_key(what, round);
  bool good = true;
  TRY_OK(state.scan(prefix, prefix, [&](ByteView key, ByteView value) {
    good = good && AccountId::from(key.subspan(prefix.size()), out.emplace_back().first);
    out.back().second = to_bytes(value);
    return good;
  }));
  if (!good) return bad_record("a contribution's key has no account");
  return out;
}

enum class Silent : std::uint8_t { kPay, kAreExcused };
Status close(std::uint64_t round, Silent those, const BlockContext& context, State& state) {
  TRY(const auto commits, of_round(state, kCommits, round));
  TRY(const auto reveals, of_round(state, kReveals, round));
  std::set<AccountId> silent;
  for (const auto& [account, hash] : commits) {
    silent.insert(account);
    state.erase(account_key(kCommits, round, account));
  }
  crypto::Blake3 contributions("hanse/beacon-contributions/1");
  for (const auto& [account, secret] : reveals) {
    silent.erase(account);
    contributions.update(account.view());
    contributions.update(secret);
    state.erase(account_key(kReveals, round, account));
  }
  if (those == Silent::kAreExcused) silent.clear();
  for (const AccountId& account : silent) put_number(state, silenced_key(account), round + kSilencedRounds);
  if (reveals.empty()) return {};
  TRY(const auto last, state.get(as_bytes(kLastKey)));
  std::uint8_t be[8];
  store_be(be, round);
  Round made{.round = round,
             .contributions = contributions.finish(),
             .contributors = reveals.size(),
             .missing = silent.size(),
             .closed_ms = context.time_ms};
  const Bytes before = last.value_or(Bytes(40));
  made.seed = crypto::blake3("hanse/beacon-seed/1", {ByteView(be), ByteView(before).subspan(8), context.beacon.view(),
                                                     made.contributions.view()});
  state.put(round_key(kRounds, round), encode(made));
  return {};
}

Result<bool> validates(const StateReader& state, const AccountId& account) {
  TRY(const auto set, state.get(as_bytes(kSetKey)));
  if (!set) return true;  // before the first block; what is applied comes after its begin
  for (std::size_t at = 8; at + AccountId::kSize <= set->size(); at += AccountId::kSize)
    if (equal(ByteView(*set).subspan(at, AccountId::kSize), account.view())) return true;
  return false;
}

// ---- calls ---------------------------------------------------------------------------------------------------------

struct Contribution {
  std::uint64_t round = 0;
  Hash32 bytes = {};  // a hash, or a secret
};
Result<Contribution> decode_contribution(ByteView args) {
  codec::CborReader r(args);
  Contribution out;
  TRY_OK(r.enter_array("contribution", 2));
  TRY(out.round, r.u64("round"));
  TRY_OK(r.fixed("bytes", out.bytes));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}
Bytes encode_contribution(std::uint64_t round, ByteView bytes) {
  codec::CborWriter w;
  w.array(2);
  w.u64(round);
  w.bytes(bytes);
  return w.take();
}

// One call of one account on one state.
class Calls {
 public:
  Calls(const BlockContext& context, const AccountId& sender, State& state)
      : context_(context), sender_(sender), state_(state) {}

  Result<ledger::TxResult> run(const ledger::SignedCall& call) {
    TRY(const BeaconParams p, params(state_));
    now_ = round_at(p, context_.time_ms);
    if (call.method == kMethodProve) return prove(call.args, p);
    if (call.method != kMethodCommit && call.method != kMethodReveal)
      return fail(Kind::kUnsupported, "ledger.method", text("found method {}, expected 1, 2 or 3", call.method));
    TRY(const Contribution given, decode_contribution(call.args));
    TRY_OK(call.method == kMethodCommit ? commit(given) : reveal(given));
    return ledger::TxResult{};
  }

 private:
  Status takes(std::uint64_t given, std::uint64_t expected) const {
    if (given == expected) return {};
    return fail(Kind::kInvalid, "beacon.round", text("found round {}, expected {} now", given, expected));
  }
  Status is_validator() const {
    TRY(const bool validator, validates(state_, sender_));
    if (validator) return {};
    return fail(Kind::kDenied, "beacon.not_validator", text("found account {}, expected a validator", sender_));
  }

  Status commit(const Contribution& given) {
    TRY_OK(takes(given.round, now_ + 2));
    TRY_OK(is_validator());
    TRY(const auto silenced, number_at(state_, silenced_key(sender_)));
    if (silenced && *silenced >= given.round)
      return fail(Kind::kDenied, "beacon.silenced",
                  text("{} did not reveal what it committed; found round {}, expected {} or later", sender_,
                       given.round, *silenced + 1));
    if (silenced) state_.erase(silenced_key(sender_));
    const Bytes key = account_key(kCommits, given.round, sender_);
    TRY(const auto known, state_.get(key));
    if (known)
      return fail(Kind::kConflict, "beacon.committed", text("{} has committed for round {}", sender_, given.round));
    TRY(const auto all, of_round(state_, kCommits, given.round));
    if (all.size() >= kContributorsMax)
      return fail(Kind::kExhausted, "beacon.full", text("found {} contributors, expected fewer", all.size()));
    state_.put(key, given.bytes.view());
    return {};
  }

  Status reveal(const Contribution& given) {
    TRY_OK(takes(given.round, now_ + 1));
    TRY(const auto committed, state_.get(account_key(kCommits, given.round, sender_)));
    if (!committed)
      return fail(Kind::kNotFound, "beacon.no_commit", text("{} has not committed for round {}", sender_, given.round));
    const Bytes key = account_key(kReveals, given.round, sender_);
    TRY(const auto known, state_.get(key));
    if (known)
      return fail(Kind::kConflict, "beacon.revealed", text("{} has revealed for round {}", sender_, given.round));
    if (!equal(commit_hash(context_.network, given.round, sender_, Secret{given.bytes.data}).view(), *committed))
      return fail(Kind::kDenied, "beacon.wrong_secret", "the secret is not that of the commit");
    state_.put(key, given.bytes.view());
    return {};
  }

  Result<ledger::TxResult> prove(ByteView args, const BeaconParams& p) {
    codec::CborReader r(args);
    crypto::VdfProof proof;
    TRY_OK(r.enter_array("prove", 3));
    TRY(const auto number, r.u64("round"));
    TRY_OK(r.fixed("y", proof.y));
    TRY_OK(r.fixed("pi", proof.pi));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    TRY(auto found, round_of(state_, number));
    if (!found) return no_round(number);
    if (found->value) return fail(Kind::kConflict, "beacon.made", text("round {} has its value", number));
    const Bytes own_false = account_key(kFalseOf, number, sender_);
    TRY(const auto lied, state_.get(own_false));
    TRY(const auto falses, number_at(state_, as_bytes(kFalseKey)));
    if (lied || falses.value_or(0) >= kFalsePerBlock)
      return fail(Kind::kExhausted, "beacon.busy",
                  text("found {} false proofs in this block, or one of {}", falses.value_or(0), sender_));
    ledger::TxResult out;
    codec::CborWriter w;
    if (!crypto::vdf_verify(found->seed, p.steps, proof)) {
      // Applied, so that it counts: an honest leader takes none, since check() refuses it.
      put_number(state_, as_bytes(kFalseKey), falses.value_or(0) + 1);
      state_.put(own_false, {});
      w.array(2);
      w.u64(number);
      w.bytes(sender_.view());
      out.events.push_back({.topic = "beacon.false_proof", .data = w.take()});
      return out;
    }
    found->value = value_of(*found, proof);
    state_.put(round_key(kRounds, number), encode(*found));
    TRY(const auto last, state_.get(as_bytes(kLastKey)));
    if (!last || load_be<std::uint64_t>(last->data()) < number) {
      Bytes newest;
      append_be(newest, number);
      append(newest, found->value->view());
      state_.put(as_bytes(kLastKey), newest);
    }
    out.events.push_back({.topic = "beacon.value", .data = encode(*found)});
    return out;
  }

  const BlockContext& context_;
  const AccountId& sender_;
  State& state_;
  std::uint64_t now_ = 0;
};

class BeaconApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kBeaconApp; }
  std::string_view name() const override { return "beacon"; }

  Status genesis(ByteView section, const NetworkId&, State& state) override {
    TRY_OK(decode_beacon_genesis(section));
    state.put(as_bytes(kParamsKey), section);
    return {};
  }

  Status check(const ledger::Tx& tx, const BlockContext& next, const StateReader& state) const override {
    ledger::Overlay trial(state);
    TRY(const ledger::TxResult result, call(tx, next, trial));
    if (!result.events.empty() && result.events[0].topic == "beacon.false_proof")
      return fail(Kind::kDenied, "crypto.bad_vdf", "the proof does not show the output of the round's seed");
    return {};
  }

  ledger::TxResult apply(const ledger::Tx& tx, const BlockContext& context, State& state) override {
    auto result = call(tx, context, state);
    return result ? *std::move(result) : ledger::failed(result.error());
  }

  Status begin(const BlockContext& context, State& state) override {
    TRY_OK(note_set(context, state));
    TRY(const auto falses, state.get(as_bytes(kFalseKey)));
    if (falses) state.erase(as_bytes(kFalseKey));
    TRY(const BeaconParams p, params(state));
    const std::uint64_t now = round_at(p, context.time_ms);
    TRY(const auto closed, number_at(state, as_bytes(kClosedKey)));
    if (closed && *closed >= now) return {};
    // In round `closed`, that of the block before, secrets were given for the next one and hashes for that after. Where
    // a whole round has passed without a block, nobody could give a secret.
    if (closed) TRY_OK(close(*closed + 1, Silent::kPay, context, state));
    if (closed && now >= *closed + 2) TRY_OK(close(*closed + 2, Silent::kAreExcused, context, state));
    put_number(state, as_bytes(kClosedKey), now);
    return {};
  }

  Result<ledger::EndResult> end(const BlockContext& context, State& state) override {
    ledger::EndResult out;
    TRY(const BeaconParams p, params(state));
    const std::uint64_t now = round_at(p, context.time_ms);
    std::vector<Bytes> past;
    for (const std::string_view prefix : {kRounds, kFalseOf})
      TRY_OK(state.scan(as_bytes(prefix), as_bytes(prefix), [&](ByteView key, ByteView) {
        const bool over = load_be<std::uint64_t>(key.data() + prefix.size()) + kKeptRounds < now;
        if (over) past.push_back(to_bytes(key));
        return over && past.size() < kPrunedPerBlock;
      }));
    for (const Bytes& key : past) state.erase(key);
    return out;
  }

  Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const override {
    if (path == "params") {
      TRY(const auto bytes, state.get(as_bytes(kParamsKey)));
      return bytes.value_or(Bytes{});
    }
    if (path == "last" || path == "open") return newest(state, path == "last");
    if (path == "mine" && argument.size() == 8 + AccountId::kSize) return mine(argument, state);
    if (path != "round" || argument.size() != 8)
      return fail(Kind::kNotFound, "ledger.query",
                  text("found query {} with {} bytes, expected params, last, open, round with 8 or mine with 40", path,
                       argument.size()));
    const auto number = load_be<std::uint64_t>(argument.data());
    TRY(const auto found, round_of(state, number));
    if (!found) return no_round(number);
    return encode(*found);
  }

 private:
  static Result<ledger::TxResult> call(const ledger::Tx& tx, const BlockContext& context, State& state) {
    TRY(const ledger::SignedCall call, ledger::decode_call(tx.body));
    TRY_OK(ledger::check_call(call, kBeaconApp, context));
    TRY_OK(ledger::use_nonce(state, call.sender, call.nonce));
    return Calls(context, call.sender, state).run(call);
  }

  // check() is not told who validates: the state says it.
  static Status note_set(const BlockContext& context, State& state) {
    TRY(const auto known, state.get(as_bytes(kSetKey)));
    if (known && load_be<std::uint64_t>(known->data()) == context.epoch) return {};
    hanse::check(context.validators != nullptr, "the ledger says who validates the epoch");
    Bytes set;
    append_be(set, context.epoch);
    for (const light::Validator& validator : context.validators->validators) append(set, validator.id().view());
    state.put(as_bytes(kSetKey), set);
    return {};
  }

  static Result<Bytes> mine(ByteView argument, const StateReader& state) {
    const auto round = load_be<std::uint64_t>(argument.data());
    AccountId account;
    AccountId::from(argument.subspan(8), account);
    Mine out;
    TRY(out.validates, validates(state, account));
    TRY(const auto ahead, state.get(account_key(kCommits, round + 2, account)));
    TRY(const auto committed, state.get(account_key(kCommits, round + 1, account)));
    TRY(const auto revealed, state.get(account_key(kReveals, round + 1, account)));
    TRY(const auto silenced, number_at(state, silenced_key(account)));
    out.committed_ahead = ahead.has_value();
    out.committed = committed.has_value();
    out.revealed = revealed.has_value();
    out.silenced_until = silenced.value_or(0);
    return encode(out);
  }

  static Result<Bytes> newest(const StateReader& state, bool with_value) {
    std::optional<Bytes> out;
    Status good;
    TRY_OK(state.scan(as_bytes(kRounds), as_bytes(kRounds), [&](ByteView, ByteView value) {
      const auto round = decode_round(value);
      if (!round) good = std::unexpected(round.error().clone());
      if (round && round->value.has_value() == with_value) out = to_bytes(value);
      return good.has_value();
    }));
    TRY_OK(std::move(good));
    if (out) return *std::move(out);
    return fail(Kind::kNotFound, "beacon.no_round", text("found no round {} a value", with_value ? "with" : "without"));
  }
};

}  // namespace

Bytes encode_beacon_genesis(const BeaconParams& p) {
  codec::CborWriter w;
  w.array(2);
  w.u64(p.round_ms);
  w.u64(p.steps);
  return w.take();
}

Result<BeaconParams> decode_beacon_genesis(ByteView bytes) {
  codec::CborReader r(bytes);
  BeaconParams out;
  TRY_OK(r.enter_array("beacon", 2));
  TRY(out.round_ms, r.u64("round_ms"));
  TRY(out.steps, r.u64("steps"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (out.round_ms < kRoundMsMin || out.round_ms > kRoundMsMax || out.steps == 0 || out.steps > crypto::kVdfStepsMax)
    return fail(Kind::kInvalid, "ledger.genesis",
                text("found rounds of {} ms and {} steps, expected {} to {} ms and 1 to {} steps", out.round_ms,
                     out.steps, kRoundMsMin, kRoundMsMax, crypto::kVdfStepsMax));
  return out;
}

Hash32 commit_hash(const NetworkId& network, std::uint64_t round, const AccountId& validator, const Secret& secret) {
  std::uint8_t be[8];
  store_be(be, round);
  return crypto::blake3("hanse/beacon-commit/1", {network.view(), ByteView(be), validator.view(), secret.view()});
}

Bytes encode_commit(std::uint64_t round, const Hash32& hash) { return encode_contribution(round, hash.view()); }
Bytes encode_reveal(std::uint64_t round, const Secret& secret) { return encode_contribution(round, secret.view()); }
Bytes encode_prove(std::uint64_t round, const crypto::VdfProof& proof) {
  codec::CborWriter w;
  w.array(3);
  w.u64(round);
  w.bytes(proof.y.view());
  w.bytes(proof.pi.view());
  return w.take();
}

std::unique_ptr<ledger::App> make_beacon_app() { return std::make_unique<BeaconApp>(); }

Bytes encode(const Round& round) {
  codec::CborWriter w;
  w.array(7);
  w.u64(round.round);
  w.bytes(round.seed.view());
  w.bytes(round.contributions.view());
  w.u64(round.contributors);
  w.u64(round.missing);
  w.u64(static_cast<std::uint64_t>(round.closed_ms));
  w.bytes(round.value ? round.value->view() : ByteView());
  return w.take();
}

Result<Round> decode_round(ByteView bytes) {
  codec::CborReader r(bytes);
  Round out;
  TRY_OK(r.enter_array("round", 7));
  TRY(out.round, r.u64("round"));
  TRY_OK(r.fixed("seed", out.seed));
  TRY_OK(r.fixed("contributions", out.contributions));
  TRY(out.contributors, r.u64("contributors"));
  TRY(out.missing, r.u64("missing"));
  TRY(const auto closed, r.u64("closed_ms", INT64_MAX));
  out.closed_ms = static_cast<std::int64_t>(closed);
  TRY(const ByteView value, r.bytes("value", Hash32::kSize));
  if (!value.empty() && !Hash32::from(value, out.value.emplace()))
    return r.fail_here("codec.type", text("found a value of {} bytes, expected none or 32", value.size()));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode(const Mine& mine) {
  codec::CborWriter w;
  w.array(5);
  w.boolean(mine.validates);
  w.boolean(mine.committed_ahead);
  w.boolean(mine.committed);
  w.boolean(mine.revealed);
  w.u64(mine.silenced_until);
  return w.take();
}

Result<Mine> decode_mine(ByteView bytes) {
  codec::CborReader r(bytes);
  Mine out;
  TRY_OK(r.enter_array("mine", 5));
  TRY(out.validates, r.boolean("validates"));
  TRY(out.committed_ahead, r.boolean("committed_ahead"));
  TRY(out.committed, r.boolean("committed"));
  TRY(out.revealed, r.boolean("revealed"));
  TRY(out.silenced_until, r.u64("silenced_until"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Hash32 value_of(const Round& round, const crypto::VdfProof& proof) {
  std::uint8_t be[8];
  store_be(be, round.round);
  const Hash32 output = crypto::vdf_output(proof);
  return crypto::blake3("hanse/beacon-value/1", {ByteView(be), output.view(), round.contributions.view()});
}

Result<std::optional<Hash32>> draw(const StateReader& state, const BlockContext& context, const Wish& wish) {
  TRY(const auto there, state.get(as_bytes(kParamsKey)));
  if (!there) return context.beacon;
  std::optional<Hash32> value;
  Status good;
  TRY_OK(state.scan(as_bytes(kRounds), as_bytes(kRounds), [&](ByteView, ByteView bytes) {
    const auto round = decode_round(bytes);
    if (!round) good = std::unexpected(round.error().clone());
    if (round && round->closed_ms >= wish.from_ms) value = round->value;
    return good.has_value() && !value;
  }));
  TRY_OK(std::move(good));
  if (!value && context.time_ms >= wish.until_ms) value = context.beacon;
  if (!value) return std::nullopt;
  return crypto::blake3("hanse/beacon-draw/1", {as_bytes(wish.purpose), value->view()});
}

}  // namespace hanse::beacon
