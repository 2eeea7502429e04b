#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "chain/reputation/reputation.h"
#include "chain/stake/records.h"

namespace hanse::stake {
namespace {

using ledger::BlockContext;
using ledger::State;
using ledger::StateReader;

constexpr std::string_view kMemberPrefix = "stake/m";
// validator -> owner, and the last epoch in which the key serves: as long as evidence about it is taken.
constexpr std::string_view kNamePrefix = "stake/k";
constexpr std::string_view kSlashedKey = "stake/slashed";  // the next of reputation's records to be taken
constexpr std::string_view kParamsKey = "stake/params";
constexpr std::string_view kNumberKey = "stake/number";  // the last one given
constexpr std::string_view kEpochKey = "stake/epoch";

Bytes member_key(const AccountId& owner) {
  Bytes key = to_bytes(kMemberPrefix);
  append(key, owner.view());
  return key;
}

void put_member(State& state, const Member& m) {
  codec::CborWriter w;
  write(w, m);
  state.put(member_key(m.owner), w.take());
}

Bytes name_key(const AccountId& validator) {
  Bytes key = to_bytes(kNamePrefix);
  append(key, validator.view());
  return key;
}
void put_name(State& state, const Member& m, std::uint64_t epoch) {
  Bytes value = to_bytes(m.owner.view());
  append_be(value, epoch);
  state.put(name_key(m.validator()), value);
}
Result<std::optional<AccountId>> owner_of(const StateReader& state, const AccountId& validator) {
  TRY(const auto name, state.get(name_key(validator)));
  AccountId owner;
  if (!name || name->size() != 40 || !AccountId::from(ByteView(*name).first(32), owner))
    return std::optional<AccountId>();
  return std::optional(owner);
}

Result<std::uint64_t> read_slashed(const StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kSlashedKey)));
  return bytes && bytes->size() == 8 ? load_be<std::uint64_t>(bytes->data()) : std::uint64_t{0};
}

Amount part_of(Amount whole, std::uint32_t bp) {
  return Amount{static_cast<std::uint64_t>(static_cast<unsigned __int128>(whole.value) * bp / 10'000)};
}

// Where the epoch began, and whether the set is to change.
struct Epoch {
  std::uint64_t from = 0;
  bool pending = false;
};
void put_epoch(State& state, const Epoch& epoch) {
  codec::CborWriter w;
  w.array(2);
  w.u64(epoch.from);
  w.boolean(epoch.pending);
  state.put(as_bytes(kEpochKey), w.take());
}
Result<Epoch> read_epoch(const StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kEpochKey)));
  codec::CborReader r(bytes ? ByteView(*bytes) : ByteView());
  Epoch out;
  const auto read = [&]() -> Status {
    TRY_OK(r.enter_array("epoch", 2));
    TRY(out.from, r.u64("from"));
    TRY(out.pending, r.boolean("pending"));
    TRY_OK(r.leave());
    return r.finish();
  };
  if (const Status good = read(); !good) return fail(Kind::kCorrupt, "stake.record", good.error().str());
  return out;
}

Result<std::uint16_t> next_number(State& state) {
  TRY(const auto bytes, state.get(as_bytes(kNumberKey)));
  std::uint16_t number = kNumbersFrom;
  if (bytes && bytes->size() == 2) number = static_cast<std::uint16_t>(load_be<std::uint16_t>(bytes->data()) + 1);
  if (number > kNumbersMax)
    return fail(Kind::kExhausted, "stake.full", text("found {} keys ever, expected fewer", kNumbersMax));
  Bytes value;
  append_be(value, number);
  state.put(as_bytes(kNumberKey), value);
  return number;
}

Status change_pending(State& state) {
  TRY(Epoch epoch, read_epoch(state));
  epoch.pending = true;
  put_epoch(state, epoch);
  return {};
}

Status check_address(std::string_view address) {
  const bool fits =
      address.size() <= kAddressBytesMax && std::ranges::all_of(address, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '.' || c == ':' || c == '[' || c == ']';
      });
  if (fits) return {};
  return fail(Kind::kInvalid, "stake.address",
              text("found an address of {} bytes, expected digits, dots, colons and brackets, at most {}",
                   address.size(), kAddressBytesMax));
}

Result<Member> need_member(const StateReader& state, const AccountId& owner) {
  TRY(auto found, member(state, owner));
  if (!found) return fail(Kind::kNotFound, "stake.no_member", text("found no stake of {}", owner));
  return *std::move(found);
}

Status key_is_free(const StateReader& state, const crypto::PublicKey& key) {
  TRY(const auto all, members(state));
  for (const Member& m : all)
    if (m.key == key)
      return fail(Kind::kConflict, "stake.member", text("found key {} with {}", m.validator(), m.owner));
  return {};
}

Status enough(Amount stake, const StakeParams& p) {
  if (stake.value >= p.stake_min) return {};
  return fail(Kind::kInvalid, "stake.amount", text("found {}, expected at least {}", stake.value, p.stake_min));
}

Status pay_back(State& state, const Member& m, Amount amount) {
  TRY_OK(ledger::debit(state, pot(), amount));
  return ledger::credit(state, m.owner, amount);
}

Status pay_in(State& state, const AccountId& owner, Amount amount) {
  TRY_OK(ledger::debit(state, owner, amount));
  return ledger::credit(state, pot(), amount);
}

Status send_back(Member& m, Amount amount, std::uint64_t epoch) {
  if (amount.value == 0) return {};
  if (!m.returns.empty() && m.returns.back().epoch == epoch) {
    m.returns.back().amount.value += amount.value;
    return {};
  }
  if (m.returns.size() == kReturnsMax)
    return fail(Kind::kExhausted, "stake.full", text("found {} amounts on their way back to {}", kReturnsMax, m.owner));
  m.returns.push_back({.epoch = epoch, .amount = amount});
  return {};
}

class StakeApp final : public ledger::App {
 public:
  explicit StakeApp(StandingOf standing_of) : standing_of_(std::move(standing_of)) {}
  std::uint8_t number() const override { return kStakeApp; }
  std::string_view name() const override { return "stake"; }

  Status genesis(ByteView section, const NetworkId&, State& state) override {
    TRY(const auto start, decode_stake_genesis(section));
    const auto& [p, all] = start;
    codec::CborWriter w;
    write(w, p);
    state.put(as_bytes(kParamsKey), w.take());
    put_epoch(state, {});
    for (const Member& m : all) {
      if (m.number != 0) return fail(Kind::kInvalid, "ledger.genesis", text("found a number of {}", m.owner));
      TRY_OK(enough(m.stake, p));
      TRY_OK(check_address(m.address));
      TRY_OK(key_is_free(state, m.key));
      if (m.leaving || !m.returns.empty())
        return fail(Kind::kInvalid, "ledger.genesis", text("found {} leaving in the genesis", m.owner));
      TRY_OK(pay_in(state, m.owner, m.stake));
      put_member(state, m);
      put_name(state, m, 0);
    }
    return {};
  }

  Status check(const ledger::Tx& tx, const BlockContext& next, const StateReader& state) const override {
    ledger::Overlay trial(state);
    TRY_OK(call(tx, next, trial));
    return {};
  }

  Status begin(const BlockContext&, State&) override { return {}; }

  ledger::TxResult apply(const ledger::Tx& tx, const BlockContext& context, State& state) override {
    auto result = call(tx, context, state);
    return result ? *std::move(result) : ledger::failed(result.error());
  }

  Result<ledger::EndResult> end(const BlockContext& context, State& state) override {
    ledger::EndResult out;
    TRY(Epoch epoch, read_epoch(state));
    if (context.epoch_end) {
      TRY_OK(slash(state, out.events));
      TRY(out.next_set, next_set(context, state, epoch));
      epoch.from = context.height.value;
      put_epoch(state, epoch);
      TRY_OK(settle(context, *out.next_set, state));
      codec::CborWriter w;
      w.map(2);
      w.key(0);
      w.u64(context.epoch + 1);
      w.key(1);
      w.bytes(light::set_hash(*out.next_set).view());
      out.events.push_back({.topic = "stake.set", .data = w.take()});
      return out;
    }
    TRY(const StakeParams p, params(state));
    out.epoch_due = epoch.pending || (p.epoch_slots != 0 && context.height.value - epoch.from >= p.epoch_slots);
    out.wants_block = out.epoch_due;
    return out;
  }

  Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const override {
    if (path == "members") {
      TRY(const auto all, members(state));
      return encode_members(all);
    }
    if (path != "member")
      return fail(Kind::kNotFound, "ledger.query", text("found query {}, expected members or member", path));
    AccountId owner;
    if (!AccountId::from(argument, owner))
      return fail(Kind::kInvalid, "ledger.query", text("found an argument of {} bytes, expected 32", argument.size()));
    TRY(const Member m, need_member(state, owner));
    return encode_members({m});
  }

 private:
  // ---- calls
  Result<ledger::TxResult> call(const ledger::Tx& tx, const BlockContext& context, State& state) const {
    TRY(const ledger::SignedCall call, ledger::decode_call(tx.body));
    TRY_OK(ledger::check_call(call, kStakeApp, context));
    TRY_OK(ledger::use_nonce(state, call.sender, call.nonce));
    switch (static_cast<Method>(call.method)) {
      case Method::kJoin: TRY_OK(join(call, context, state)); break;
      case Method::kLeave: TRY_OK(leave(call, context, state)); break;
      case Method::kSetStake: TRY_OK(set_stake(call, context, state)); break;
      case Method::kRotateKey: TRY_OK(rotate(call, context, state)); break;
      case Method::kSetAddress: TRY_OK(set_address(call, state)); break;
      default: return fail(Kind::kUnsupported, "ledger.method", text("found method {}, expected 1 to 5", call.method));
    }
    codec::CborWriter w;
    w.map(2);
    w.key(0);
    w.bytes(call.sender.view());
    w.key(1);
    w.u64(call.method);
    ledger::TxResult result;
    result.events.push_back({.topic = "stake.changed", .data = w.take()});
    return result;
  }

  Status join(const ledger::SignedCall& call, const BlockContext& context, State& state) const {
    TRY(const Join wanted, decode_join(call.args));
    TRY(const StakeParams p, params(state));
    TRY(const auto known, member(state, call.sender));
    if (known) return fail(Kind::kConflict, "stake.member", text("found a stake of {} already", call.sender));
    TRY(const auto all, members(state));
    if (all.size() >= kMembersMax)
      return fail(Kind::kExhausted, "stake.full", text("found {} members, expected fewer", all.size()));
    TRY_OK(enough(wanted.stake, p));
    TRY_OK(check_address(wanted.address));
    TRY_OK(key_is_free(state, wanted.key));
    TRY_OK(check_key(wanted.key, wanted.proof, context.network, call.sender));
    TRY_OK(pay_in(state, call.sender, wanted.stake));
    TRY(const std::uint16_t number, next_number(state));
    put_member(state, {.owner = call.sender,
                       .key = wanted.key,
                       .stake = wanted.stake,
                       .address = wanted.address,
                       .leaving = false,
                       .returns = {},
                       .number = number});
    return change_pending(state);
  }

  Status leave(const ledger::SignedCall& call, const BlockContext& context, State& state) const {
    TRY(const StakeParams p, params(state));
    TRY(Member m, need_member(state, call.sender));
    if (m.leaving) return fail(Kind::kConflict, "stake.member", text("found {} leaving already", call.sender));
    TRY_OK(send_back(m, m.stake, context.epoch + p.unbond_epochs));
    m.stake = {};
    m.leaving = true;
    put_member(state, m);
    return change_pending(state);
  }

  Status set_stake(const ledger::SignedCall& call, const BlockContext& context, State& state) const {
    TRY(const Amount wanted, decode_amount(call.args));
    TRY(const StakeParams p, params(state));
    TRY(Member m, need_member(state, call.sender));
    if (m.leaving) return fail(Kind::kConflict, "stake.member", text("found {} leaving", call.sender));
    TRY_OK(enough(wanted, p));
    if (wanted > m.stake) TRY_OK(pay_in(state, m.owner, Amount{wanted.value - m.stake.value}));
    if (wanted < m.stake) TRY_OK(send_back(m, Amount{m.stake.value - wanted.value}, context.epoch + p.unbond_epochs));
    m.stake = wanted;
    put_member(state, m);
    return change_pending(state);
  }

  Status rotate(const ledger::SignedCall& call, const BlockContext& context, State& state) const {
    TRY(const Rotation wanted, decode_rotation(call.args));
    TRY(Member m, need_member(state, call.sender));
    TRY(const Standing standing, standing_of_(state, m.validator()));
    if (standing.out || standing.reputation < kStandingMax)
      return fail(
          Kind::kDenied, "stake.standing",
          text("found a reputation of {}, expected {}: a new key begins with it", standing.reputation, kStandingMax));
    TRY_OK(key_is_free(state, wanted.key));
    TRY_OK(check_key(wanted.key, wanted.proof, context.network, call.sender));
    m.key = wanted.key;
    TRY(m.number, next_number(state));
    put_member(state, m);
    return change_pending(state);
  }

  Status set_address(const ledger::SignedCall& call, State& state) const {
    TRY(const std::string address, decode_address(call.args));
    TRY_OK(check_address(address));
    TRY(Member m, need_member(state, call.sender));
    m.address = address;
    put_member(state, m);
    return {};
  }

  // ---- what is due
  Status slash(State& state, std::vector<ledger::Event>& events) const {
    TRY(std::uint64_t next, read_slashed(state));
    TRY(const auto due, reputation::slashed(state, next));
    for (const reputation::Slash& s : due) {
      next = s.number + 1;
      TRY(const auto owner, owner_of(state, s.validator));
      TRY(auto m, owner ? member(state, *owner) : Result<std::optional<Member>>(std::nullopt));
      if (!m) continue;  // it took everything back before anybody brought the evidence
      const auto take = [&](Amount& from) {
        const Amount part = part_of(from, s.stake_bp);
        from.value -= part.value;
        return part.value;
      };
      Amount lost{take(m->stake)};
      for (Return& back : m->returns) lost.value += take(back.amount);
      if (lost.value == 0) continue;
      TRY_OK(ledger::debit(state, pot(), lost));
      TRY_OK(ledger::credit(state, forfeited(), lost));
      put_member(state, *m);
      events.push_back(
          {.topic = "stake.slashed",
           .data = encode(Slashed{.owner = m->owner, .validator = s.validator, .amount = lost, .number = s.number})});
    }
    if (due.empty()) return {};
    Bytes value;
    append_be(value, next);
    state.put(as_bytes(kSlashedKey), value);
    return {};
  }

  // ---- the next set
  Result<light::ValidatorSet> next_set(const BlockContext& context, const State& state, Epoch& epoch) const {
    hanse::check(context.validators != nullptr, "a block has a validator set");
    TRY(const StakeParams p, params(state));
    TRY(const auto all, members(state));
    std::vector<Candidate> candidates;
    for (const Member& m : all) {
      Candidate c{.id = m.validator(), .stake = m.leaving ? 0 : m.stake.value};
      TRY(const Standing standing, standing_of_(state, c.id));
      c.reputation = standing.reputation;
      c.uptime = standing.uptime;
      if (standing.out) c.stake = 0;
      candidates.push_back(c);
    }
    const auto wanted =
        assign_power(candidates, {.stake_min = p.stake_min, .uptime_min = p.uptime_min, .cap_bp = p.cap_bp});
    epoch.pending = false;
    // Without anybody who may, those who were go on: a network cannot be without validators.
    if (std::ranges::all_of(wanted, [](std::uint16_t bp) { return bp == 0; })) return *context.validators;
    return moved(*context.validators, all, wanted, p, state, epoch);
  }

  // The owner of a key of the old set: its member, or one that has rotated it since.
  Result<std::optional<std::size_t>> place_of(const crypto::PublicKey& key, const std::vector<Member>& all,
                                              const State& state) const {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].key == key) return std::optional(i);
    TRY(const auto owner, owner_of(state, crypto::account_id(key)));
    if (!owner) return std::optional<std::size_t>();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].owner == *owner) return std::optional(i);
    return std::optional<std::size_t>();
  }

  Result<light::ValidatorSet> moved(const light::ValidatorSet& old, const std::vector<Member>& all,
                                    const std::vector<std::uint16_t>& wanted, const StakeParams& p, const State& state,
                                    Epoch& epoch) const {
    // Those of the old set that are no members any more come behind the members.
    std::vector<std::uint16_t> old_bp(all.size(), 0), wanted_bp = wanted;
    std::vector<crypto::PublicKey> keys;
    for (const Member& m : all) keys.push_back(m.key);
    for (const light::Validator& v : old.validators) {
      TRY(const auto place, place_of(v.key, all, state));
      if (place) {
        old_bp[*place] = static_cast<std::uint16_t>(old_bp[*place] + v.power_bp);
        continue;
      }
      keys.push_back(v.key);
      old_bp.push_back(v.power_bp);
      wanted_bp.push_back(0);
    }
    const auto bp = limit_churn(old_bp, wanted_bp, p.churn_bp);
    epoch.pending = bp != wanted_bp;
    std::vector<light::Validator> out;
    for (std::size_t i = 0; i < bp.size(); ++i)
      if (bp[i] > 0) out.push_back({.key = keys[i], .power_bp = bp[i]});
    return light::sorted_set(std::move(out));
  }

  // What is due goes back; who has left altogether is forgotten. Keys keep their owner's name while evidence about them
  // is taken, so that one which is rotated meanwhile is still known for who it was.
  Status settle(const BlockContext& context, const light::ValidatorSet& next, State& state) const {
    TRY(const auto all, members(state));
    std::vector<Bytes> old_names;
    TRY_OK(state.scan(as_bytes(kNamePrefix), {}, [&](ByteView key, ByteView value) {
      const bool old = value.size() != 40 ||
                       load_be<std::uint64_t>(value.data() + 32) + reputation::kEvidenceEpochsMax < context.epoch + 1;
      if (old) old_names.push_back(to_bytes(key));
      return true;
    }));
    for (const Bytes& name : old_names) state.erase(name);
    for (Member m : all) {
      const bool serves = std::ranges::find(next.validators, m.key, &light::Validator::key) != next.validators.end();
      if (serves) put_name(state, m, context.epoch + 1);
      bool changed = false;
      while (!m.returns.empty() && m.returns.front().epoch <= context.epoch && !(m.leaving && serves)) {
        TRY_OK(pay_back(state, m, m.returns.front().amount));
        m.returns.erase(m.returns.begin());
        changed = true;
      }
      if (m.leaving && !serves && m.returns.empty()) {
        state.erase(member_key(m.owner));
      } else if (changed) {
        put_member(state, m);
      }
    }
    return {};
  }

  StandingOf standing_of_;
};

}  // namespace

const AccountId& pot() {
  static const AccountId kPot{crypto::blake3("hanse/stake-pot/1", {}).data};
  return kPot;
}

const AccountId& forfeited() {
  static const AccountId kForfeited{crypto::blake3("hanse/stake-forfeited/1", {}).data};
  return kForfeited;
}

Result<std::vector<Member>> members(const StateReader& state) {
  std::vector<Member> out;
  std::optional<Error> bad;
  TRY_OK(state.scan(as_bytes(kMemberPrefix), {}, [&](ByteView, ByteView value) {
    codec::CborReader r(value, {.size_max = 1 << 16, .depth_max = 4});
    auto m = read_member(r);
    if (!m) bad.emplace(Kind::kCorrupt, "stake.record", m.error().str());
    if (m) out.push_back(*std::move(m));
    return !bad.has_value();
  }));
  if (bad) return std::unexpected(std::move(*bad));
  return out;
}

Result<std::optional<Member>> member(const StateReader& state, const AccountId& owner) {
  TRY(const auto bytes, state.get(member_key(owner)));
  if (!bytes) return std::optional<Member>();
  codec::CborReader r(*bytes, {.size_max = 1 << 16, .depth_max = 4});
  auto m = read_member(r);
  if (!m) return fail(Kind::kCorrupt, "stake.record", m.error().str());
  return std::optional(*std::move(m));
}

Result<StakeParams> params(const StateReader& state) {
  TRY(const auto bytes, state.get(as_bytes(kParamsKey)));
  codec::CborReader r(bytes ? ByteView(*bytes) : ByteView(), {.size_max = 1 << 10, .depth_max = 2});
  auto p = read_params(r);
  if (!p) return fail(Kind::kCorrupt, "stake.record", p.error().str());
  return p;
}

Result<Standing> standing_by_reputation(const StateReader& state, const AccountId& validator) {
  TRY(const reputation::Standing standing, reputation::standing(state, validator));
  return Standing{.reputation = standing.score, .uptime = kStandingMax, .out = standing.out};
}

std::unique_ptr<ledger::App> make_stake_app(StandingOf standing_of) {
  return std::make_unique<StakeApp>(std::move(standing_of));
}

}  // namespace hanse::stake
