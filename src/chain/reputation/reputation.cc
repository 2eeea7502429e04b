#include "chain/reputation/reputation.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/checked.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "chain/reputation/records.h"
#include "chain/reputation/testimony.h"

namespace hanse::reputation {
namespace {

using consensus::Evidence;
using consensus::Fact;
using consensus::Statement;
using ledger::BlockContext;
using ledger::State;
using ledger::StateReader;

crypto::CheckedSignatures& checked_statements() {
  static crypto::CheckedSignatures statements;
  return statements;
}

Status check_signature(const NetworkId& network, const light::Validator& signer, const Statement& s) {
  Bytes message = to_bytes(network.view());
  append(message, consensus::statement_message(s));
  const AccountId id = signer.id();
  const std::uint8_t purpose = static_cast<std::uint8_t>(s.purpose);
  const Hash32 seen =
      crypto::blake3("hanse/statement-checked/1", {id.view(), ByteView(&purpose, 1), message, s.signature});
  if (checked_statements().contains(seen)) return {};
  const auto verifier = checked_statements().verifier(signer.key);
  if (!verifier || !(*verifier)->verify(consensus::purpose_context(s.purpose), message, s.signature))
    return fail(Kind::kDenied, "reputation.signature",
                text("found a statement of {} whose signature does not verify under the key of {}",
                     consensus::purpose_name(s.purpose), id));
  checked_statements().add(seen);
  return {};
}

struct Judged {
  Fact fact;
  AccountId validator;
};

// Cheap refusals first, signatures last.
Result<Judged> judge(ByteView bytes, const NetworkId& network, const StateReader& state) {
  TRY(const Evidence evidence, consensus::decode_evidence(bytes));
  TRY(const Fact fact, contradiction(evidence));
  TRY(const Now now, read_now(state));
  if (fact.epoch > now.epoch || !now.has_set)
    return fail(Kind::kUnavailable, "reputation.evidence_early",
                text("found evidence of epoch {}, of which there is no block yet", fact.epoch));
  if (now.epoch - fact.epoch > kEvidenceEpochsMax)
    return fail(Kind::kInvalid, "reputation.evidence_epoch",
                text("found evidence of epoch {}, expected {} to {}", fact.epoch,
                     now.epoch - std::min(now.epoch, kEvidenceEpochsMax), now.epoch));
  TRY(const auto before, state.get(fact_key(fact)));
  if (before)
    return fail(Kind::kConflict, "reputation.evidence_known",
                text("found two statements of {} by {} at {}, which were punished before",
                     consensus::purpose_name(fact.purpose), fact.replica, fact.place));
  TRY(const auto set, read_set_of(state, fact.epoch));
  const std::size_t validators = set ? set->validators.size() : 0;
  if (fact.replica >= validators)
    return fail(Kind::kInvalid, "reputation.signer",
                text("found validator {}, expected one of the {} of epoch {}", fact.replica, validators, fact.epoch));
  const light::Validator& signer = set->validators[fact.replica];
  TRY_OK(check_signature(network, signer, evidence.first));
  TRY_OK(check_signature(network, signer, evidence.second));
  return Judged{.fact = fact, .validator = signer.id()};
}

// The set is that of the running epoch.
Result<Statement> hear(ByteView bytes, const NetworkId& network, Height height, const StateReader& state) {
  TRY(Statement s, consensus::decode_statement(bytes));
  TRY(const Now now, read_now(state));
  TRY_OK(check_testimony(s, now.epoch, height, state));
  TRY(const auto set, read_set_of(state, now.epoch));
  const std::size_t validators = set ? set->validators.size() : 0;
  if (s.replica >= validators)
    return fail(Kind::kInvalid, "reputation.signer",
                text("found validator {}, expected one of the {} of epoch {}", s.replica, validators, now.epoch));
  TRY_OK(check_signature(network, set->validators[s.replica], s));
  return s;
}

Bytes encode_punished(const FaultFound& found, const Standing& after) {
  codec::CborWriter w;
  w.map(found.fact ? 10 : 5);
  w.key(0);
  w.bytes(found.validator.view());
  w.key(1);
  w.text(penalty_of(found.fault).name);
  w.key(2);
  w.u64(after.score);
  w.key(3);
  w.boolean(after.out);
  w.key(4);
  w.u64(penalty_of(found.fault).slash_bp);
  if (!found.fact) return w.take();
  w.key(5);
  w.text(consensus::purpose_name(found.fact->purpose));
  w.key(6);
  w.u64(found.fact->epoch);
  w.key(7);
  w.u64(found.fact->view);
  w.key(8);
  w.u64(found.fact->place);
  w.key(9);
  w.bytes(fact_id(*found.fact).view());
  return w.take();
}

Result<ledger::SignedCall> open_call(const ledger::Tx& tx, const BlockContext& context) {
  TRY(ledger::SignedCall call, ledger::decode_call(tx.body));
  TRY_OK(check_call(call, kReputationApp, context));
  if (call.method != kMethodUnjail || !call.args.empty())
    return fail(Kind::kUnsupported, "ledger.method",
                text("found method {} with {} bytes of arguments, expected {} without", call.method, call.args.size(),
                     kMethodUnjail));
  return call;
}

Result<Standing> let_in(const AccountId& validator, const StateReader& state) {
  TRY(Standing s, standing(state, validator));
  TRY(const Now now, read_now(state));
  if (!s.out)
    return fail(Kind::kConflict, "reputation.not_out", text("found {} with its power, nothing to undo", validator));
  if (now.epoch < s.out_until)
    return fail(Kind::kDenied, "reputation.out_until",
                text("found epoch {}, {} may be let in again from epoch {} on", now.epoch, validator, s.out_until));
  s.out = false;
  s.score = std::max(s.score, kScoreAgain);
  return s;
}

bool is_call(const ledger::Tx& tx) { return !tx.body.empty() && tx.body[0] == 0xA9; }  // a map of nine

class ReputationApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kReputationApp; }
  std::string_view name() const override { return "reputation"; }

  Status genesis(ByteView section, const NetworkId&, State& state) override {
    if (!equal(section, encode_reputation_genesis()))
      return fail(Kind::kInvalid, "ledger.genesis", text("found {} bytes, expected an empty map", section.size()));
    write_now(state, {});
    return {};
  }

  Status check(const ledger::Tx& tx, const BlockContext& next, const StateReader& state) const override {
    if (!is_call(tx)) {
      TRY(const Body body, decode_body(tx.body));
      if (!body.testimony.empty())
        return hear(body.testimony, next.network, next.height, state).transform([](const Statement&) {});
      return judge(body.evidence, next.network, state).transform([](const Judged&) {});
    }
    TRY(const ledger::SignedCall call, open_call(tx, next));
    TRY(const ledger::Account account, ledger::read_account(state, call.sender));
    if (call.nonce <= account.nonce)
      return fail(Kind::kConflict, "ledger.nonce_reused",
                  text("found nonce {} of {}, expected more than {}", call.nonce, call.sender, account.nonce));
    return let_in(call.sender, state).transform([](const Standing&) {});
  }

  // The keys of each epoch are kept as long as evidence of it is taken.
  Status begin(const BlockContext& context, State& state) override {
    TRY(Now now, read_now(state));
    if (now.has_set && now.epoch == context.epoch) return {};
    hanse::check(context.validators != nullptr, "the ledger says who validates the epoch");
    now.epoch = context.epoch;
    now.has_set = true;
    codec::CborWriter w;
    light::write(w, *context.validators);
    state.put(set_key(now.epoch), w.take());
    write_now(state, now);
    if (now.epoch <= kEvidenceEpochsMax) return {};
    return forget_before(now.epoch - kEvidenceEpochsMax, state);
  }

  ledger::TxResult apply(const ledger::Tx& tx, const BlockContext& context, State& state) override {
    auto result = is_call(tx) ? unjail(tx, context, state) : convict(tx, context, state);
    return result ? *std::move(result) : ledger::failed(result.error());
  }

  Result<ledger::EndResult> end(const BlockContext& context, State& state) override {
    if (!context.epoch_end) return ledger::EndResult{};
    TRY(const auto all, read_standings(state));
    for (const Named& each : all) {
      Standing s = each.standing;
      const std::uint32_t missing = kScoreMax - s.score;
      s.score += (missing * kRecoveryBp + kScoreMax - 1) / kScoreMax;  // rounded up: it ends
      write_standing(state, each.validator, s);
    }
    ledger::EndResult out;
    TRY_OK(settle_testimony(*context.validators, context, state, out.events));
    return out;
  }

  Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const override {
    if (path == "standings") {
      TRY(const auto all, read_standings(state));
      return encode_standings(all);
    }
    if (path == "proven") return read_proven(state);
    if (path != "standing")
      return fail(Kind::kNotFound, "ledger.query",
                  text("found query {}, expected standing, standings or proven", path));
    AccountId id;
    if (!AccountId::from(argument, id))
      return fail(Kind::kInvalid, "ledger.query", text("found an argument of {} bytes, expected 32", argument.size()));
    TRY(const Standing s, standing(state, id));
    return encode_standing(s);
  }

 private:
  static Status forget_before(std::uint64_t epoch, State& state) {
    for (const std::string_view prefix : {kFactPrefix, kSetPrefix}) {
      std::vector<Bytes> old;
      TRY_OK(state.scan(as_bytes(prefix), {}, [&](ByteView key, ByteView) {
        if (load_be<std::uint64_t>(key.data() + prefix.size()) >= epoch) return false;
        old.push_back(to_bytes(key));
        return true;
      }));
      for (const Bytes& key : old) state.erase(key);
    }
    return {};
  }

  static Result<ledger::TxResult> convict(const ledger::Tx& tx, const BlockContext& context, State& state) {
    TRY(const Body body, decode_body(tx.body));
    if (!body.testimony.empty()) {
      TRY(const Statement s, hear(body.testimony, context.network, context.height, state));
      TRY_OK(take_testimony(s, *context.validators, state));
      return ledger::TxResult{};
    }
    TRY(const Judged judged, judge(body.evidence, context.network, state));
    write_proven(state, {.fact = judged.fact, .validator = judged.validator, .height = context.height});
    ledger::TxResult result;
    TRY_OK(punish(state, context, {.validator = judged.validator, .fault = Fault::kEquivocation, .fact = judged.fact},
                  result.events));
    return result;
  }

  static Result<ledger::TxResult> unjail(const ledger::Tx& tx, const BlockContext& context, State& state) {
    TRY(const ledger::SignedCall call, open_call(tx, context));
    TRY_OK(ledger::use_nonce(state, call.sender, call.nonce));
    TRY(const Standing s, let_in(call.sender, state));
    write_standing(state, call.sender, s);
    codec::CborWriter w;
    w.map(2);
    w.key(0);
    w.bytes(call.sender.view());
    w.key(1);
    w.u64(s.score);
    ledger::TxResult result;
    result.events.push_back({.topic = "reputation.unjailed", .data = w.take()});
    return result;
  }
};

}  // namespace

Penalty penalty_of(Fault fault) {
  switch (fault) {
    case Fault::kGeneric: return {.name = "generic", .score = 1'000, .slash_bp = 0, .out = false};
    case Fault::kEquivocation: return {.name = "equivocation", .score = 5'000, .slash_bp = 3'000, .out = true};
    case Fault::kInvalidSignature:
      return {.name = "invalid_signature", .score = 1'500, .slash_bp = 1'500, .out = false};
    case Fault::kMalformed: return {.name = "malformed", .score = 1'000, .slash_bp = 1'000, .out = false};
    case Fault::kTimeout: return {.name = "timeout", .score = 200, .slash_bp = 0, .out = false};
    case Fault::kNonParticipation: return {.name = "non_participation", .score = 500, .slash_bp = 0, .out = false};
  }
  hanse::check(false, "a fault has a penalty");
  return {};
}

Result<PunishedEvent> decode_punished(ByteView bytes) {
  codec::CborReader r(bytes);
  PunishedEvent e;
  std::uint64_t next = 0;
  TRY_OK(r.enter_map("punished", 10));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (key != next++) return r.fail_here("codec.missing", text("found key {}, expected {}", key, next - 1));
    if (key >= 5 && !e.fact) e.fact.emplace();
    switch (key) {
      case 0: TRY_OK(r.fixed("validator", e.validator)); break;
      case 1: {
        TRY(const std::string_view fault, r.text("fault", 32));
        e.fault = fault;
        break;
      }
      case 3: {
        TRY(e.out, r.boolean("out"));
        break;
      }
      case 5: {
        TRY(const std::string_view purpose, r.text("purpose", 32));
        for (const auto p : {consensus::Purpose::kAttest, consensus::Purpose::kViewChange,
                             consensus::Purpose::kProposals, consensus::Purpose::kVertex, consensus::Purpose::kVotes})
          if (consensus::purpose_name(p) == purpose) e.fact->purpose = p;
        break;
      }
      case 9: {
        Hash32 id;
        TRY_OK(r.fixed("fact", id));
        break;
      }
      default: {
        TRY(const std::uint64_t number, r.u64("number"));
        if (key == 2) e.score = static_cast<std::uint32_t>(std::min<std::uint64_t>(number, kScoreMax));
        if (key == 4) e.stake_bp = static_cast<std::uint32_t>(std::min<std::uint64_t>(number, kScoreMax));
        if (key == 6) e.fact->epoch = number;
        if (key == 7) e.fact->view = number;
        if (key == 8) e.fact->place = number;
      }
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (next != 5 && next != 10) return fail(Kind::kInvalid, "codec.missing", text("found {} fields of an event", next));
  return e;
}

Result<std::uint32_t> reputation_bp(const StateReader& state, const AccountId& validator) {
  TRY(const Standing s, standing(state, validator));
  return s.out ? 0 : s.score;
}

Result<bool> jailed(const StateReader& state, const AccountId& validator) {
  TRY(const Standing s, standing(state, validator));
  return s.out;
}

Result<Punished> punish(State& state, const BlockContext& context, const FaultFound& found,
                        std::vector<ledger::Event>& events) {
  const Penalty penalty = penalty_of(found.fault);
  TRY(const Standing before, standing(state, found.validator));
  Standing after = before;
  after.score -= std::min(after.score, penalty.score);
  after.faults += 1;
  if (penalty.out || after.score < kScoreOut) {
    after.out = true;
    after.out_until = std::max(after.out_until, context.epoch + kOutEpochs);
  }
  write_standing(state, found.validator, after);
  TRY(Now now, read_now(state));
  if (penalty.slash_bp > 0)
    write_slash(state, {.number = now.slashes++,
                        .validator = found.validator,
                        .stake_bp = penalty.slash_bp,
                        .fault = found.fault,
                        .epoch = context.epoch,
                        .height = context.height});
  if (found.fact) now.facts += 1;
  write_now(state, now);
  events.push_back({.topic = "reputation.punished", .data = encode_punished(found, after)});
  return Punished{.validator = found.validator, .before = before, .after = after};
}

ledger::Tx unjail_tx(const NetworkId& network, const crypto::SecretKey& validator, std::uint64_t nonce,
                     Height expires) {
  ledger::SignedCall call{.network = network,
                          .app = kReputationApp,
                          .sender = {},
                          .nonce = nonce,
                          .expires = expires,
                          .method = kMethodUnjail,
                          .args = {},
                          .key = {},
                          .signature = {}};
  sign_call(call, validator);
  return call_tx(call);
}

Bytes encode_reputation_genesis() {
  codec::CborWriter w;
  w.map(0);
  return w.take();
}

std::unique_ptr<ledger::App> make_reputation_app() { return std::make_unique<ReputationApp>(); }

}  // namespace hanse::reputation
