#include "chain/reputation/testimony.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/consensus/quorum.h"
#include "chain/reputation/records.h"

namespace hanse::reputation {
namespace {

using consensus::Purpose;
using consensus::Statement;
using ledger::State;
using ledger::StateReader;

constexpr std::string_view kPresencePrefix = "reputation/p";
constexpr std::string_view kAskedPrefix = "reputation/t";
constexpr std::string_view kVainPrefix = "reputation/l";
constexpr std::string_view kViewKey = "reputation/w";
constexpr std::size_t kBitmapBytes = consensus::kReplicasMax / 8;

Result<std::vector<std::uint64_t>> read_pair(const StateReader& state, ByteView key) {
  TRY(const auto bytes, state.get(key));
  if (!bytes) return std::vector<std::uint64_t>{0, 0};
  auto out = decode_numbers(*bytes, 2);
  if (!out) return bad_record(as_text(key), out.error());
  return out;
}

Result<std::uint64_t> read_view(const StateReader& state) {
  TRY(const auto pair, read_pair(state, as_bytes(kViewKey)));
  return pair[0];
}

Result<Bytes> read_asked(const StateReader& state, consensus::View view) {
  TRY(auto bytes, state.get(numbered_key(kAskedPrefix, view)));
  if (!bytes) return Bytes(kBitmapBytes);
  if (bytes->size() != kBitmapBytes)
    return fail(Kind::kCorrupt, "reputation.record", text("found a bitmap of {} bytes", bytes->size()));
  return *std::move(bytes);
}

bool bit(const Bytes& bitmap, consensus::Index at) { return (bitmap[at / 8] >> (at % 8) & 1) != 0; }

std::unexpected<Error> known(const Statement& s) {
  return fail(
      Kind::kConflict, "reputation.testimony_known",
      text("found a statement of {} by {} that changes nothing", consensus::purpose_name(s.purpose), s.replica));
}

Status erase_all(std::string_view prefix, State& state) {
  std::vector<Bytes> keys;
  TRY_OK(state.scan(as_bytes(prefix), {}, [&](ByteView key, ByteView) {
    keys.push_back(to_bytes(key));
    return true;
  }));
  for (const Bytes& key : keys) state.erase(key);
  return {};
}

Status take_view_change(const Statement& s, const light::ValidatorSet& set, State& state) {
  TRY(Bytes asked, read_asked(state, s.view));
  asked[s.replica / 8] = static_cast<std::uint8_t>(asked[s.replica / 8] | 1u << (s.replica % 8));
  std::uint32_t power = 0;
  std::vector<std::uint16_t> powers;
  for (consensus::Index i = 0; i < set.validators.size(); ++i) {
    powers.push_back(set.validators[i].power_bp);
    if (bit(asked, i)) power += set.validators[i].power_bp;
  }
  if (power < kTimeoutPowerBp) {
    state.put(numbered_key(kAskedPrefix, s.view), asked);
    return {};
  }
  // Enough of them gave up the view before. Nobody asks for it or an earlier one any more.
  TRY(const auto schedule, consensus::Power::create(std::move(powers), kTimeoutPowerBp, kTimeoutPowerBp));
  const Bytes vain = numbered_key(kVainPrefix, schedule.leader(s.view - 1));
  TRY(const auto before, read_pair(state, vain));
  state.put(vain, encode_numbers({before[0] + 1, 0}));
  state.put(as_bytes(kViewKey), encode_numbers({s.view, 0}));
  std::vector<Bytes> old;
  TRY_OK(state.scan(as_bytes(kAskedPrefix), {}, [&](ByteView key, ByteView) {
    if (load_be<std::uint64_t>(key.data() + kAskedPrefix.size()) > s.view) return false;
    old.push_back(to_bytes(key));
    return true;
  }));
  for (const Bytes& key : old) state.erase(key);
  return {};
}

}  // namespace

Status check_testimony(const Statement& s, std::uint64_t epoch, Height height, const StateReader& state) {
  const auto refuse = [&](std::string_view why) {
    return fail(Kind::kInvalid, "reputation.testimony",
                text("found a statement of {} about epoch {}, place {}, view {}: {}",
                     consensus::purpose_name(s.purpose), s.epoch, s.first, s.view, why));
  };
  if (s.epoch != epoch) return refuse(text("the epoch is {}", epoch));
  if (s.purpose == Purpose::kAttest) {
    if (s.first > height.value) return refuse(text("the newest block is {}", height.value));
    TRY(const auto shown, read_pair(state, numbered_key(kPresencePrefix, s.replica)));
    // Parts count from 1, as none is shown yet.
    if (s.first / kPresenceSlots + 1 <= shown[0]) return known(s);
    return {};
  }
  if (s.purpose != Purpose::kViewChange) return refuse("expected an attest or a view change");
  TRY(const std::uint64_t proved, read_view(state));
  if (s.view <= proved) return known(s);
  if (s.view > proved + kViewsAheadMax) return refuse(text("views up to {} are looked at", proved + kViewsAheadMax));
  TRY(const Bytes asked, read_asked(state, s.view));
  if (bit(asked, s.replica)) return known(s);
  return {};
}

Status take_testimony(const Statement& s, const light::ValidatorSet& set, State& state) {
  if (s.purpose == Purpose::kViewChange) return take_view_change(s, set, state);
  const Bytes key = numbered_key(kPresencePrefix, s.replica);
  TRY(const auto shown, read_pair(state, key));
  state.put(key, encode_numbers({s.first / kPresenceSlots + 1, shown[1] + 1}));
  return {};
}

Status settle_testimony(const light::ValidatorSet& set, const ledger::BlockContext& context, State& state,
                        std::vector<ledger::Event>& events) {
  std::vector<std::uint64_t> shown, vain;
  for (std::size_t i = 0; i < set.validators.size(); ++i) {
    TRY(const auto presence, read_pair(state, numbered_key(kPresencePrefix, i)));
    TRY(const auto led, read_pair(state, numbered_key(kVainPrefix, i)));
    shown.push_back(presence[1]);
    vain.push_back(led[0]);
  }
  const std::uint64_t most = std::ranges::max(shown);
  for (std::size_t i = 0; i < set.validators.size(); ++i) {
    const AccountId validator = set.validators[i].id();
    TRY(const bool is_out, jailed(state, validator));
    if (is_out) continue;
    if (vain[i] > 0) TRY_OK(punish(state, context, {.validator = validator, .fault = Fault::kTimeout}, events));
    if (most >= kPresenceMin && 2 * shown[i] < most)
      TRY_OK(punish(state, context, {.validator = validator, .fault = Fault::kNonParticipation}, events));
  }
  for (const std::string_view prefix : {kPresencePrefix, kAskedPrefix, kVainPrefix}) TRY_OK(erase_all(prefix, state));
  state.erase(as_bytes(kViewKey));
  return {};
}

}  // namespace hanse::reputation
