#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/stake/records.h"

namespace hanse::stake {
namespace {

constexpr std::size_t kRecordBytesMax = 1 << 20;
constexpr std::size_t kKeyBytesMax = 4'096, kProofBytesMax = 8'192;
constexpr std::string_view kProofContext = "hanse/stake-key/1";

Status expect(codec::CborReader& r, std::uint64_t expected) {
  TRY(const std::uint64_t key, r.key());
  if (key != expected) return r.fail_here("codec.missing", text("found key {}, expected {}", key, expected));
  return {};
}

void write_key(codec::CborWriter& w, const crypto::PublicKey& key) {
  Bytes out{static_cast<std::uint8_t>(key.alg)};
  append(out, key.bytes);
  w.bytes(out);
}

Result<crypto::PublicKey> read_key(codec::CborReader& r) {
  TRY(const ByteView bytes, r.bytes("key", kKeyBytesMax));
  if (bytes.empty()) return r.fail_here("codec.type", "found an empty key, expected algorithm and key bytes");
  TRY(const crypto::SigSizes sizes, crypto::sig_sizes(bytes[0]));
  if (bytes.size() != sizes.public_key + 1)
    return r.fail_here("codec.type", text("found a key of {} bytes, expected {}", bytes.size() - 1, sizes.public_key));
  return crypto::PublicKey{.alg = static_cast<crypto::SigAlg>(bytes[0]), .bytes = to_bytes(bytes.subspan(1))};
}

template <class Value, class Read>
Result<Value> one_value(ByteView args, Read read) {
  codec::CborReader r(args, {.size_max = kKeyBytesMax, .depth_max = 2});
  TRY_OK(r.enter_map("call", 1));
  TRY_OK(expect(r, 1));
  TRY(Value value, read(r));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return value;
}

}  // namespace

void write(codec::CborWriter& w, const Member& m) {
  w.map(7);
  w.key(0);
  w.bytes(m.owner.view());
  w.key(1);
  write_key(w, m.key);
  w.key(2);
  w.u64(m.stake.value);
  w.key(3);
  w.text(m.address);
  w.key(4);
  w.boolean(m.leaving);
  w.key(5);
  w.array(m.returns.size());
  for (const Return& back : m.returns) {
    w.array(2);
    w.u64(back.epoch);
    w.u64(back.amount.value);
  }
  w.key(6);
  w.u64(m.number);
}

Result<Member> read_member(codec::CborReader& r) {
  Member m;
  TRY_OK(r.enter_map("member", 7));
  TRY_OK(expect(r, 0));
  TRY_OK(r.fixed("owner", m.owner));
  TRY_OK(expect(r, 1));
  TRY(m.key, read_key(r));
  TRY_OK(expect(r, 2));
  TRY(m.stake.value, r.u64("stake"));
  TRY_OK(expect(r, 3));
  TRY(const std::string_view address, r.text("address", kAddressBytesMax));
  m.address = address;
  TRY_OK(expect(r, 4));
  TRY(m.leaving, r.boolean("leaving"));
  TRY_OK(expect(r, 5));
  TRY_OK(r.enter_array("returns", kReturnsMax));
  while (r.more()) {
    Return back;
    TRY_OK(r.enter_array("return", 2));
    TRY(back.epoch, r.u64("epoch"));
    TRY(back.amount.value, r.u64("amount"));
    TRY_OK(r.leave());
    m.returns.push_back(back);
  }
  TRY_OK(r.leave());
  TRY_OK(expect(r, 6));
  TRY(const std::uint64_t number, r.u64("number", kNumbersMax));
  m.number = static_cast<std::uint16_t>(number);
  TRY_OK(r.leave());
  return m;
}

void write(codec::CborWriter& w, const StakeParams& p) {
  const std::uint64_t values[] = {p.epoch_slots, p.stake_min, p.cap_bp, p.churn_bp, p.unbond_epochs, p.uptime_min};
  w.array(std::size(values));
  for (const std::uint64_t value : values) w.u64(value);
}

Result<StakeParams> read_params(codec::CborReader& r) {
  std::uint64_t values[6] = {};
  TRY_OK(r.enter_array("params", std::size(values)));
  for (std::uint64_t& value : values) {
    TRY(value, r.u64("param"));
  }
  TRY_OK(r.leave());
  const StakeParams p{.epoch_slots = values[0],
                      .stake_min = values[1],
                      .cap_bp = static_cast<std::uint32_t>(std::min<std::uint64_t>(values[2], 10'001)),
                      .churn_bp = static_cast<std::uint32_t>(std::min<std::uint64_t>(values[3], 10'001)),
                      .unbond_epochs = static_cast<std::uint32_t>(std::min<std::uint64_t>(values[4], 1'000'001)),
                      .uptime_min = static_cast<std::uint32_t>(std::min<std::uint64_t>(values[5], 10'001))};
  if (p.stake_min == 0 || p.cap_bp == 0 || p.cap_bp > 3'300 || p.churn_bp == 0 || p.churn_bp > 3'300 ||
      p.unbond_epochs < 3 || p.unbond_epochs > 1'000'000 || p.uptime_min > 10'000 || p.epoch_slots > 1'000'000'000)
    return r.fail_here(
        "ledger.genesis",
        text("found stake parameters {} {} {} {} {} {}, expected a stake of 1 or more, cap and churn of 1 "
             "to 3300, 3 to 1000000 epochs, uptime up to 10000, epochs of at most 1000000000 slots",
             p.epoch_slots, p.stake_min, p.cap_bp, p.churn_bp, p.unbond_epochs, p.uptime_min));
  return p;
}

Bytes encode_stake_genesis(const StakeParams& params, const std::vector<Member>& members) {
  codec::CborWriter w;
  w.map(2);
  w.key(1);
  write(w, params);
  w.key(2);
  w.array(members.size());
  for (const Member& m : members) write(w, m);
  return w.take();
}

Result<std::pair<StakeParams, std::vector<Member>>> decode_stake_genesis(ByteView section) {
  codec::CborReader r(section, {.size_max = kRecordBytesMax, .depth_max = 6});
  std::pair<StakeParams, std::vector<Member>> out;
  TRY_OK(r.enter_map("stake", 2));
  TRY_OK(expect(r, 1));
  TRY(out.first, read_params(r));
  TRY_OK(expect(r, 2));
  TRY_OK(r.enter_array("members", kMembersMax));
  while (r.more()) {
    TRY(Member m, read_member(r));
    out.second.push_back(std::move(m));
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode(const Join& join) {
  codec::CborWriter w;
  w.map(4);
  w.key(1);
  write_key(w, join.key);
  w.key(2);
  w.bytes(join.proof);
  w.key(3);
  w.u64(join.stake.value);
  w.key(4);
  w.text(join.address);
  return w.take();
}

Result<Join> decode_join(ByteView args) {
  codec::CborReader r(args, {.size_max = ledger::kTxBytesMax, .depth_max = 2});
  Join out;
  TRY_OK(r.enter_map("join", 4));
  TRY_OK(expect(r, 1));
  TRY(out.key, read_key(r));
  TRY_OK(expect(r, 2));
  TRY(const ByteView proof, r.bytes("proof", kProofBytesMax));
  out.proof = to_bytes(proof);
  TRY_OK(expect(r, 3));
  TRY(out.stake.value, r.u64("stake"));
  TRY_OK(expect(r, 4));
  TRY(const std::string_view address, r.text("address", kAddressBytesMax));
  out.address = address;
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode(const Rotation& rotation) {
  codec::CborWriter w;
  w.map(2);
  w.key(1);
  write_key(w, rotation.key);
  w.key(2);
  w.bytes(rotation.proof);
  return w.take();
}

Result<Rotation> decode_rotation(ByteView args) {
  codec::CborReader r(args, {.size_max = ledger::kTxBytesMax, .depth_max = 2});
  Rotation out;
  TRY_OK(r.enter_map("rotation", 2));
  TRY_OK(expect(r, 1));
  TRY(out.key, read_key(r));
  TRY_OK(expect(r, 2));
  TRY(const ByteView proof, r.bytes("proof", kProofBytesMax));
  out.proof = to_bytes(proof);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode_amount(Amount stake) {
  codec::CborWriter w;
  w.map(1);
  w.key(1);
  w.u64(stake.value);
  return w.take();
}
Result<Amount> decode_amount(ByteView args) {
  return one_value<Amount>(args, [](codec::CborReader& r) -> Result<Amount> {
    TRY(const std::uint64_t value, r.u64("stake"));
    return Amount{value};
  });
}

Bytes encode_address(std::string_view address) {
  codec::CborWriter w;
  w.map(1);
  w.key(1);
  w.text(address);
  return w.take();
}
Result<std::string> decode_address(ByteView args) {
  return one_value<std::string>(args, [](codec::CborReader& r) -> Result<std::string> {
    TRY(const std::string_view value, r.text("address", kAddressBytesMax));
    return std::string(value);
  });
}

Bytes encode_nothing() {
  codec::CborWriter w;
  w.map(0);
  return w.take();
}

Bytes prove_key(const crypto::SecretKey& key, const NetworkId& network, const AccountId& owner) {
  Bytes message = to_bytes(network.view());
  append(message, owner.view());
  return key.sign(kProofContext, message);
}

Status check_key(const crypto::PublicKey& key, ByteView proof, const NetworkId& network, const AccountId& owner) {
  if (key.alg != crypto::SigAlg::kMlDsa65 && key.alg != crypto::SigAlg::kMlDsa87)
    return fail(Kind::kDenied, "stake.key",
                text("found a key of type {}, expected mldsa65 or mldsa87", crypto::sig_alg_name(key.alg)));
  Bytes message = to_bytes(network.view());
  append(message, owner.view());
  if (const Status good = crypto::verify(key, kProofContext, message, proof); !good)
    return fail(Kind::kDenied, "stake.key",
                text("found no proof of key {}: {}", crypto::account_id(key), good.error().message()));
  return {};
}

Bytes encode_members(const std::vector<Member>& members) {
  codec::CborWriter w;
  w.array(members.size());
  for (const Member& m : members) write(w, m);
  return w.take();
}

Bytes encode(const Slashed& s) {
  codec::CborWriter w;
  w.map(4);
  w.key(0);
  w.bytes(s.owner.view());
  w.key(1);
  w.bytes(s.validator.view());
  w.key(2);
  w.u64(s.amount.value);
  w.key(3);
  w.u64(s.number);
  return w.take();
}

Result<Slashed> decode_slashed(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = 256, .depth_max = 2});
  Slashed s;
  TRY_OK(r.enter_map("slashed", 4));
  TRY_OK(expect(r, 0));
  TRY_OK(r.fixed("owner", s.owner));
  TRY_OK(expect(r, 1));
  TRY_OK(r.fixed("validator", s.validator));
  TRY_OK(expect(r, 2));
  TRY(s.amount.value, r.u64("amount"));
  TRY_OK(expect(r, 3));
  TRY(s.number, r.u64("number"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return s;
}

Result<std::vector<Member>> decode_members(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 6});
  const auto read = [&]() -> Result<std::vector<Member>> {
    std::vector<Member> out;
    TRY_OK(r.enter_array("members", kMembersMax));
    while (r.more()) {
      TRY(Member m, read_member(r));
      out.push_back(std::move(m));
    }
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    return out;
  };
  auto out = read();
  if (!out) return fail(Kind::kCorrupt, "stake.record", out.error().str());
  return out;
}

}  // namespace hanse::stake
