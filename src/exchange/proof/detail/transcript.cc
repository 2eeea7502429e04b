#include "exchange/proof/detail/transcript.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::proof {

namespace {

void store(std::uint8_t* at, Fp value) { store_le(at, value.v); }

Fp wide_below_p(const std::uint8_t* at) {
  return reduce(static_cast<UInt128>(load_le<std::uint64_t>(at + 8)) << 64 | load_le<std::uint64_t>(at));
}

}  // namespace

Transcript::Transcript(std::string_view statement)
    : state_(crypto::blake3("hanse/proof-start/1", {as_bytes(statement)})) {}

void Transcript::absorb(ByteView bytes) { append(said_, bytes); }

void Transcript::squeeze(ByteSpan out) {
  state_ = crypto::blake3("hanse/proof-said/1", {state_.view(), said_});
  said_.clear();
  crypto::blake3_xof("hanse/proof-draw/1", {state_.view()}, out);
}

Ext Transcript::draw() { return draw(1).front(); }

std::vector<Ext> Transcript::draw(std::size_t count) {
  Bytes bytes(32 * count);
  squeeze(bytes);
  std::vector<Ext> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = {wide_below_p(bytes.data() + 32 * i), wide_below_p(bytes.data() + 32 * i + 16)};
  return out;
}

std::vector<std::uint32_t> Transcript::draw_below(std::size_t count, unsigned bound_log2) {
  check(bound_log2 <= 32, "an index has 32 bits");
  Bytes bytes(4 * count);
  squeeze(bytes);
  std::vector<std::uint32_t> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = load_le<std::uint32_t>(bytes.data() + 4 * i) & static_cast<std::uint32_t>((1ull << bound_log2) - 1);
  return out;
}

void Writer::add(ByteView bytes) {
  append(out_, bytes);
  absorb(bytes);
}

void Writer::put(std::span<const Ext> values) {
  Bytes bytes(16 * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    store(bytes.data() + 16 * i, values[i].a);
    store(bytes.data() + 16 * i + 8, values[i].b);
  }
  add(bytes);
}

void Writer::put(const Hash32& hash) { add(hash.view()); }

void Writer::put(std::span<const std::uint32_t> counts) {
  Bytes bytes(4 * counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) store_le(bytes.data() + 4 * i, counts[i]);
  add(bytes);
}

void Writer::put(std::span<const Fp> values) {
  Bytes bytes(8 * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) store(bytes.data() + 8 * i, values[i]);
  add(bytes);
}

ByteView Reader::next(std::size_t size) {
  if (size > left_.size()) {
    short_ = true;
    left_ = {};
    return {};
  }
  const ByteView out = left_.first(size);
  left_ = left_.subspan(size);
  absorb(out);
  return out;
}

Ext Reader::take() { return take(1).front(); }

std::vector<Ext> Reader::take(std::size_t count) {
  const std::vector<Fp> numbers = take_numbers(2 * count);
  std::vector<Ext> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = {numbers[2 * i], numbers[2 * i + 1]};
  return out;
}

Hash32 Reader::take_hash() {
  Hash32 out;
  Hash32::from(next(32), out);
  return out;
}

std::vector<std::uint32_t> Reader::take_counts(std::size_t count) {
  std::vector<std::uint32_t> out(count);
  if (const ByteView bytes = next(4 * count); !bytes.empty())
    for (std::size_t i = 0; i < count; ++i) out[i] = load_le<std::uint32_t>(bytes.data() + 4 * i);
  return out;
}

std::vector<Fp> Reader::take_numbers(std::size_t count) {
  std::vector<Fp> out(count);
  if (const ByteView bytes = next(8 * count); !bytes.empty())
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = load_le<std::uint64_t>(bytes.data() + 8 * i);
      if (value < kPrime)
        out[i] = {value};
      else
        out_of_range_ = true;
    }
  return out;
}

Status Reader::finish(Status checked) const {
  if (short_) return fail(Kind::kCorrupt, "proof.bytes", "found the end of the proof, expected more of it");
  if (out_of_range_)
    return fail(Kind::kCorrupt, "proof.bytes", text("found a number of {} or more in the proof", kPrime));
  if (!checked) return checked;
  if (!left_.empty())
    return fail(Kind::kCorrupt, "proof.bytes", text("found {} bytes behind the proof, expected none", left_.size()));
  return {};
}

}  // namespace hanse::proof
