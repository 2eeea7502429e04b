#include "exchange/flow/steps.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::flow {
namespace {

std::unexpected<Error> bad(std::string what) { return fail(Kind::kInvalid, "flow.witness", std::move(what)); }

Status expect_key(codec::CborReader& r, std::uint64_t want) {
  TRY(const std::uint64_t found, r.key());
  if (found != want) return r.fail_here("flow.witness", text("found key {}, expected {}", found, want));
  return {};
}

void write_proof(codec::CborWriter& w, const crypto::Proof& proof) {
  w.array(proof.size());
  for (const Hash32& hash : proof) w.bytes(hash.view());
}

Status read_proof(codec::CborReader& r, std::string_view what, crypto::Proof& proof) {
  TRY_OK(r.enter_array(what, crypto::kProofMax));
  while (r.more()) TRY_OK(r.fixed("hash", proof.emplace_back()));
  return r.leave();
}

}  // namespace

Bytes encode_step_list(const std::vector<Hash32>& roots) {
  Bytes out;
  out.reserve(roots.size() * Hash32::kSize);
  for (const Hash32& root : roots) append(out, root.view());
  return out;
}

Result<std::vector<Hash32>> decode_step_list(ByteView bytes, const market::StepsRef& claimed) {
  if (bytes.size() != std::size_t{claimed.count} * Hash32::kSize)
    return fail(Kind::kCorrupt, "flow.step_list",
                text("the list of steps has {} bytes, expected 32 for each of {}", bytes.size(), claimed.count));
  std::vector<Hash32> roots(claimed.count);
  for (std::size_t i = 0; i < roots.size(); ++i)
    std::copy_n(bytes.data() + i * Hash32::kSize, Hash32::kSize, roots[i].data.begin());
  if (const Hash32 found = crypto::merkle_root(roots); found != claimed.root)
    return fail(Kind::kCorrupt, "flow.step_list",
                text("the list of steps has the root {}, the receipt says {}", found, claimed.root));
  return roots;
}

std::optional<market::StepsRef> steps_of(const runtime::RunOutcome& outcome) {
  if (outcome.steps.empty()) return std::nullopt;
  return market::StepsRef{.count = static_cast<std::uint32_t>(outcome.steps.size()),
                          .root = crypto::merkle_root(outcome.steps),
                          .list = crypto::blob_id(encode_step_list(outcome.steps))};
}

std::uint32_t first_false_place(const std::vector<Hash32>& claimed, const std::vector<Hash32>& found) {
  const auto at = std::mismatch(claimed.begin(), claimed.end(), found.begin(), found.end()).first;
  return static_cast<std::uint32_t>(at - claimed.begin());
}

Result<Witness> make_witness(const std::vector<Hash32>& claimed, std::uint32_t place, Bytes state) {
  Witness w{.place = place, .state = std::move(state), .before = {}, .after = {}, .before_at = {}, .after_at = {}};
  if (place > 0) {
    TRY(w.before_at, crypto::merkle_prove(claimed, place - 1));
    w.before = claimed[place - 1];
  }
  if (place < claimed.size()) {
    TRY(w.after_at, crypto::merkle_prove(claimed, place));
    w.after = claimed[place];
  }
  return w;
}

Status check_witness(const Witness& w, const market::StepsRef& claimed) {
  if (w.place > claimed.count) return bad(text("found place {}, expected 0 to {}", w.place, claimed.count));
  const auto in_list = [&](const Hash32& root, std::uint32_t index, const crypto::Proof& proof) -> Status {
    if (crypto::merkle_verify(root, {.index = index, .size = claimed.count}, proof, claimed.root)) return {};
    return bad(text("state {} of the witness is not in the receipt's list of {}", index, claimed.count));
  };
  const bool begins = w.place == 0, ends = w.place == claimed.count;
  if (begins ? !(w.before.is_zero() && w.before_at.empty() && w.state.empty()) : w.state.empty())
    return bad(text("the witness of place {} has {} bytes of a state before", w.place, w.state.size()));
  if (ends && !(w.after.is_zero() && w.after_at.empty())) return bad("the witness of the end names a state after it");
  if (!begins) TRY_OK(in_list(w.before, w.place - 1, w.before_at));
  return ends ? Status() : in_list(w.after, w.place, w.after_at);
}

Bytes encode_witness(const Witness& witness) {
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(witness.place);
  w.key(1);
  w.bytes(witness.before.view());
  w.key(2);
  write_proof(w, witness.before_at);
  w.key(3);
  w.bytes(witness.after.view());
  w.key(4);
  write_proof(w, witness.after_at);
  w.key(5);
  w.bytes(witness.state);
  return w.take();
}

Result<Witness> decode_witness(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kWitnessBytesMax, .depth_max = 2});
  Witness w;
  TRY_OK(r.enter_map("witness", 6));
  TRY_OK(expect_key(r, 0));
  TRY(const std::uint64_t place, r.u64("place", runtime::kStepsMax));
  w.place = static_cast<std::uint32_t>(place);
  TRY_OK(expect_key(r, 1));
  TRY_OK(r.fixed("before", w.before));
  TRY_OK(expect_key(r, 2));
  TRY_OK(read_proof(r, "before_at", w.before_at));
  TRY_OK(expect_key(r, 3));
  TRY_OK(r.fixed("after", w.after));
  TRY_OK(expect_key(r, 4));
  TRY_OK(read_proof(r, "after_at", w.after_at));
  TRY_OK(expect_key(r, 5));
  TRY(const ByteView state, r.bytes("state", kWitnessBytesMax));
  w.state = to_bytes(state);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return w;
}

}  // namespace hanse::flow
