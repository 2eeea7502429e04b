// What prover and verifier have said so far, and the challenges that follow from it (Fiat, Shamir, CRYPTO 1986).
// Everything public is absorbed before the first draw; each message of the prover before the next. A proof is its
// messages one after the other: a writer appends and absorbs, a reader takes and absorbs, so both draw the same. No
// lengths are written: the statement gives them. Shapes: an Fp is 8 bytes little-endian and below p, an Ext two of
// them, a count 4 bytes, a hash 32. A reader that runs out of bytes, or meets a number of p or more, answers zeros from
// there on and `finish` says so. Threads: one. Errors: proof.bytes (corrupt: too few, too many, or a number out of
// range).
#pragma once

#include <span>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "exchange/proof/detail/field.h"

namespace hanse::proof {

class Transcript {
 public:
  explicit Transcript(std::string_view statement);
  void absorb(ByteView bytes);
  Ext draw();
  std::vector<Ext> draw(std::size_t count);
  std::vector<std::uint32_t> draw_below(std::size_t count, unsigned bound_log2);

 private:
  void squeeze(ByteSpan out);
  Hash32 state_;
  Bytes said_;  // since the last draw; how it was cut does not matter
};

class Writer : public Transcript {
 public:
  using Transcript::Transcript;
  void put(std::span<const Ext> values);
  void put(Ext value) { put(std::span(&value, 1)); }
  void put(const Hash32& hash);
  void put(std::span<const std::uint32_t> counts);
  void put(std::span<const Fp> values);
  Bytes finish() && { return std::move(out_); }

 private:
  void add(ByteView bytes);
  Bytes out_;
};

class Reader : public Transcript {
 public:
  Reader(std::string_view statement, ByteView proof) : Transcript(statement), left_(proof) {}
  Ext take();
  std::vector<Ext> take(std::size_t count);
  Hash32 take_hash();
  std::vector<std::uint32_t> take_counts(std::size_t count);
  std::vector<Fp> take_numbers(std::size_t count);
  Status finish(Status checked) const;  // a damaged proof first, then what was checked, then what stands behind it

 private:
  ByteView next(std::size_t size);
  ByteView left_;
  bool short_ = false, out_of_range_ = false;
};

}  // namespace hanse::proof
