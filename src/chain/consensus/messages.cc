#include "chain/consensus/messages.h"

#include "base/core/check.h"
#include "base/crypto/hash.h"
#include "chain/consensus/detail/wire.h"
#include "chain/consensus/statement.h"

namespace hanse::consensus {
namespace {

using detail::Reader;
using detail::Writer;

constexpr std::size_t kTipBytes = 2 + 8 + 32;
constexpr std::size_t kClaimBytes = 8 + 32 + 8;

void write(Writer& w, const Tip& tip) {
  w.num(tip.lane);
  w.num(tip.height);
  w.fixed(tip.id);
}

void write(Writer& w, const Proposal& p) {
  w.num(p.epoch);
  w.num(p.seq);
  w.num(p.leader);
  w.num(p.time_ms);
  w.num(static_cast<std::uint8_t>(p.epoch_end ? 1 : 0));
  w.num(static_cast<std::uint32_t>(p.tips.size()));
  for (const Tip& tip : p.tips) write(w, tip);
}

Proposal read_proposal(Reader& r) {
  Proposal p;
  p.epoch = r.num<std::uint64_t>();
  p.seq = r.num<Seq>();
  p.leader = r.num<Index>();
  p.time_ms = r.num<std::int64_t>();
  const auto last = r.num<std::uint8_t>();
  if (r.ok() && last > 1) r.refuse(text("found flag {}, expected 0 or 1", last));
  p.epoch_end = last == 1;
  const std::size_t n = r.count(kReplicasMax, kTipBytes);
  p.tips.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Tip tip{.lane = r.num<Index>(), .height = r.num<std::uint64_t>(), .id = r.fixed<Hash32>()};
    if (r.ok() && (tip.lane >= kReplicasMax || (!p.tips.empty() && tip.lane <= p.tips.back().lane)))
      r.refuse(text("found lane {}, expected ascending lanes below {}", tip.lane, kReplicasMax));
    p.tips.push_back(tip);
  }
  if (r.ok() && p.time_ms < 0) r.refuse(text("found time {}, expected at least 0", p.time_ms));
  return p;
}

void write(Writer& w, const std::vector<Claim>& claims) {
  w.num(static_cast<std::uint32_t>(claims.size()));
  for (const Claim& c : claims) {
    w.num(c.seq);
    w.fixed(c.digest);
    w.num(c.view);
  }
}

// P has one claim a slot, Qs one a slot and digest; both in strictly ascending order.
std::vector<Claim> read_claims(Reader& r, bool digests_differ) {
  std::vector<Claim> out;
  const std::size_t n = r.count(kClaimsMax, kClaimBytes);
  out.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Claim c{.seq = r.num<Seq>(), .digest = r.fixed<Digest>(), .view = r.num<View>()};
    if (r.ok() && !out.empty()) {
      const Claim& last = out.back();
      const bool ascending = c.seq > last.seq || (digests_differ && c.seq == last.seq && c.digest > last.digest);
      if (!ascending) r.refuse(text("found slot {} after slot {}, expected ascending claims", c.seq, last.seq));
    }
    out.push_back(c);
  }
  return out;
}

void write(Writer& w, const Certificate& c) {
  w.num(c.seq);
  w.fixed(c.block);
  w.num(static_cast<std::uint32_t>(c.signatures.size()));
  for (const auto& s : c.signatures) {
    w.num(s.replica);
    w.bytes(s.signature);
  }
}

Certificate read_certificate(Reader& r) {
  Certificate c;
  c.seq = r.num<Seq>();
  c.block = r.fixed<Hash32>();
  const std::size_t n = r.count(kReplicasMax, 2 + 4);
  for (std::size_t i = 0; i < n; ++i) {
    const auto replica = r.num<Index>();
    if (r.ok() && (replica >= kReplicasMax || (i > 0 && replica <= c.signatures.back().replica)))
      r.refuse(text("found signer {}, expected ascending signers below {}", replica, kReplicasMax));
    c.signatures.push_back({.replica = replica, .signature = to_bytes(r.bytes(kSignatureBytesMax))});
  }
  return c;
}

void write(Writer& w, const ViewChange& vc) {
  w.num(vc.epoch);
  w.num(vc.replica);
  w.num(vc.view);
  write(w, vc.checkpoint);
  write(w, vc.prepared);
  write(w, vc.prepares);
  w.bytes(vc.signature);
}

ViewChange read_view_change(Reader& r) {
  ViewChange vc;
  vc.epoch = r.num<std::uint64_t>();
  vc.replica = r.num<Index>();
  vc.view = r.num<View>();
  vc.checkpoint = read_certificate(r);
  vc.prepared = read_claims(r, false);
  vc.prepares = read_claims(r, true);
  vc.signature = to_bytes(r.bytes(kSignatureBytesMax));
  if (r.ok() && vc.replica >= kReplicasMax)
    r.refuse(text("found replica {}, expected below {}", vc.replica, kReplicasMax));
  return vc;
}

template <class T>
Result<T> finish(Reader& r, T&& value, std::string_view what) {
  TRY_OK(r.finish(what));
  return std::forward<T>(value);
}

Bytes vertex_header(const Vertex& v) {
  Writer w;
  w.reserve(8 + 2 + 8 + 4 + v.parents.size() * 32 + 32 + 4 + 4);
  w.num(v.epoch);
  w.num(v.lane);
  w.num(v.height);
  w.num(static_cast<std::uint32_t>(v.parents.size()));
  for (const Hash32& p : v.parents) w.fixed(p);
  w.fixed(v.batch_root);
  w.num(v.batch_len);
  w.num(v.tx_count);
  return w.take();
}

Hash32 hash_header(ByteView header) { return crypto::blake3("hanse/vertex/1", {header}); }
Hash32 hash_batch(ByteView batch) { return crypto::blake3("hanse/batch/1", {batch}); }

}  // namespace

std::string_view type_name(Type type) {
  constexpr std::string_view kNames[kTypeCount] = {
      "none",   "vertex",         "ack",      "pre_prepare", "prepare",         "commit",
      "attest", "view_change",    "new_view", "status",      "fetch_vertex",    "fetch_slots",
      "slot",   "fetch_proposal", "proposal", "statement",   "fetch_statement", "handover"};
  const auto n = static_cast<std::size_t>(type);
  if (type == kSyncQuestion || type == kSyncAnswer) return type == kSyncQuestion ? "sync_question" : "sync_answer";
  return n < kTypeCount ? kNames[n] : kNames[0];
}

std::size_t frame_bytes_max(std::uint8_t type) {
  constexpr std::size_t kProposalMax = 72 + kReplicasMax * kTipBytes;
  constexpr std::size_t kCertificateMax = 64 + kReplicasMax * (kSignatureBytesMax + 6);
  constexpr std::size_t kViewChangeMax = 128 + kCertificateMax + 2 * kClaimsMax * kClaimBytes + kSignatureBytesMax;
  if (static_cast<Type>(type) == kSyncQuestion) return kSyncQuestionBytesMax;
  if (static_cast<Type>(type) == kSyncAnswer) return kSyncAnswerBytesMax;
  if (type == 0 || type >= kTypeCount) return 0;
  switch (static_cast<Type>(type)) {
    case Type::kVertex: return kVertexBytesMax;
    case Type::kAck: return 16 + kAckHashesMax * 32 + kReplicasMax * 16;
    case Type::kPrePrepare:
    case Type::kSlot:
    case Type::kProposal: return 16 + kProposalMax;
    case Type::kPrepare:
    case Type::kCommit: return 56;
    case Type::kAttest: return 64 + kSignatureBytesMax;
    case Type::kViewChange: return kViewChangeMax;
    case Type::kNewView: return 16u << 20;  // about 100 equal validators with ML-DSA-65
    case Type::kStatus: return 64;
    case Type::kFetchVertex: return 40;
    case Type::kFetchSlots: return 9;
    case Type::kFetchProposal: return 40;
    case Type::kStatement: return kStatementBytesMax;
    case Type::kFetchStatement: return 24;
    case Type::kHandover: return 8 + kCertificateMax;
  }
  return 0;
}

// ---- vertices ------------------------------------------------------------------------------------------------------

VertexFrame make_vertex(Vertex vertex, ByteView batch) {
  check(batch.size() <= kBatchBytesMax, "a batch within its limit");
  vertex.batch_root = hash_batch(batch);
  vertex.batch_len = static_cast<std::uint32_t>(batch.size());
  Bytes bytes = vertex_header(vertex);
  VertexFrame out{.vertex = std::move(vertex), .id = hash_header(bytes), .frame = {}};
  bytes.reserve(bytes.size() + batch.size());
  append(bytes, batch);
  out.frame = std::make_shared<const Bytes>(std::move(bytes));
  return out;
}

Result<VertexFrame> decode_vertex(Frame frame) {
  Reader r(*frame);
  VertexFrame out;
  Vertex& v = out.vertex;
  v.epoch = r.num<std::uint64_t>();
  v.lane = r.num<Index>();
  v.height = r.num<std::uint64_t>();
  const std::size_t n = r.count(kReplicasMax, 32);
  for (std::size_t i = 0; i < n; ++i) v.parents.push_back(r.fixed<Hash32>());
  v.batch_root = r.fixed<Hash32>();
  v.batch_len = r.num<std::uint32_t>();
  v.tx_count = r.num<std::uint32_t>();
  if (r.ok() && (v.lane >= kReplicasMax || v.height == 0 || n == 0 || (v.height == 1) != v.parents[0].is_zero()))
    r.refuse(text("found height {} of lane {} with {} parents, expected a chained lane", v.height, v.lane, n));
  if (r.ok() && (v.batch_len != r.rest().size() || v.batch_len > kBatchBytesMax))
    r.refuse(text("found a batch of {} bytes, expected {}", r.rest().size(), v.batch_len));
  const ByteView batch = r.raw(v.batch_len);
  if (r.ok() && hash_batch(batch) != v.batch_root) r.refuse("found a batch that does not hash to its root");
  TRY_OK(r.finish("vertex"));
  out.id = hash_header(ByteView(*frame).first(frame->size() - v.batch_len));
  out.frame = std::move(frame);
  return out;
}

// ---- encoding ------------------------------------------------------------------------------------------------------

Digest digest_of(const Proposal& proposal) { return crypto::blake3("hanse/proposal/1", {encode(proposal)}); }

Bytes encode(const Ack& ack) {
  Writer w;
  w.num(ack.epoch);
  w.num(static_cast<std::uint32_t>(ack.runs.size()));
  for (const auto& run : ack.runs) {
    w.num(run.lane);
    w.num(run.first_height);
    w.num(static_cast<std::uint32_t>(run.ids.size()));
    for (const Hash32& id : run.ids) w.fixed(id);
  }
  return w.take();
}

Bytes encode(const Proposal& proposal) {
  Writer w;
  w.reserve(32 + proposal.tips.size() * kTipBytes);
  write(w, proposal);
  return w.take();
}

Bytes encode(const PrePrepare& message) {
  Writer w;
  w.reserve(40 + message.proposal.tips.size() * kTipBytes);
  w.num(message.view);
  write(w, message.proposal);
  return w.take();
}

Bytes encode(const Vote& vote) {
  Writer w;
  w.reserve(56);
  w.num(vote.epoch);
  w.num(vote.view);
  w.num(vote.seq);
  w.fixed(vote.digest);
  return w.take();
}

Bytes encode(const Attest& attest) {
  Writer w;
  w.num(attest.epoch);
  w.num(attest.seq);
  w.fixed(attest.block);
  w.bytes(attest.signature);
  return w.take();
}

Bytes view_change_claims(const ViewChange& vc) {
  Writer w;
  w.num(vc.epoch);
  w.num(vc.replica);
  w.num(vc.view);
  w.num(vc.checkpoint.seq);
  w.fixed(vc.checkpoint.block);
  write(w, vc.prepared);
  write(w, vc.prepares);
  return w.take();
}

Bytes encode(const ViewChange& vc) {
  Writer w;
  write(w, vc);
  return w.take();
}

Bytes encode(const NewView& message) {
  Writer w;
  w.num(message.epoch);
  w.num(message.view);
  w.num(static_cast<std::uint32_t>(message.view_changes.size()));
  for (const ViewChange& vc : message.view_changes) write(w, vc);
  return w.take();
}

Bytes encode(const StatusReport& status) {
  Writer w;
  w.num(status.epoch);
  w.num(status.view);
  w.num(status.wanted_view);
  w.num(status.stable);
  w.num(status.executed);
  w.num(status.abstaining);
  return w.take();
}

Bytes encode(const FetchVertex& fetch) {
  Writer w;
  w.fixed(fetch.id);
  w.num(fetch.above);
  return w.take();
}

Bytes encode(const FetchSlots& fetch) {
  Writer w;
  w.num(fetch.first);
  w.num(fetch.vertices);
  return w.take();
}

Bytes encode(const Slot& slot) {
  Writer w;
  w.num(slot.seq);
  w.num(static_cast<std::uint8_t>(slot.null ? 1 : 0));
  if (!slot.null) write(w, slot.proposal);
  return w.take();
}

Bytes encode(const FetchProposal& fetch) {
  Writer w;
  w.num(fetch.seq);
  w.fixed(fetch.digest);
  return w.take();
}

Bytes encode(const FetchStatement& fetch) {
  Writer w;
  w.num(fetch.epoch);
  w.num(fetch.view);
  w.num(fetch.seq);
  return w.take();
}

Bytes encode(const Handover& handover) {
  Writer w;
  w.num(handover.epoch);
  write(w, handover.certificate);
  return w.take();
}

Bytes encode(const Certificate& certificate) {
  Writer w;
  write(w, certificate);
  return w.take();
}

// ---- decoding ------------------------------------------------------------------------------------------------------

Result<Ack> decode_ack(ByteView body) {
  Reader r(body);
  Ack ack;
  ack.epoch = r.num<std::uint64_t>();
  std::size_t hashes = 0;
  const std::size_t runs = r.count(kReplicasMax, 14);
  for (std::size_t i = 0; i < runs; ++i) {
    Ack::Run run{.lane = r.num<Index>(), .first_height = r.num<std::uint64_t>(), .ids = {}};
    const std::size_t n = r.count(kAckHashesMax - hashes, 32);
    hashes += n;
    run.ids.reserve(n);
    for (std::size_t k = 0; k < n; ++k) run.ids.push_back(r.fixed<Hash32>());
    ack.runs.push_back(std::move(run));
  }
  return finish(r, std::move(ack), "ack");
}

Result<Proposal> decode_proposal(ByteView body) {
  Reader r(body);
  Proposal p = read_proposal(r);
  return finish(r, std::move(p), "proposal");
}

Result<PrePrepare> decode_pre_prepare(ByteView body) {
  Reader r(body);
  PrePrepare m;
  m.view = r.num<View>();
  m.proposal = read_proposal(r);
  return finish(r, std::move(m), "pre_prepare");
}

Result<Vote> decode_vote(ByteView body) {
  Reader r(body);
  Vote v{.epoch = r.num<std::uint64_t>(), .view = r.num<View>(), .seq = r.num<Seq>(), .digest = r.fixed<Digest>()};
  return finish(r, std::move(v), "vote");
}

Result<Attest> decode_attest(ByteView body) {
  Reader r(body);
  Attest a;
  a.epoch = r.num<std::uint64_t>();
  a.seq = r.num<Seq>();
  a.block = r.fixed<Hash32>();
  a.signature = to_bytes(r.bytes(kSignatureBytesMax));
  return finish(r, std::move(a), "attest");
}

Result<ViewChange> decode_view_change(ByteView body) {
  Reader r(body);
  ViewChange vc = read_view_change(r);
  return finish(r, std::move(vc), "view_change");
}

Result<ViewChange> decode_view_change_claims(ByteView claims) {
  Reader r(claims);
  ViewChange vc;
  vc.epoch = r.num<std::uint64_t>();
  vc.replica = r.num<Index>();
  vc.view = r.num<View>();
  vc.checkpoint.seq = r.num<Seq>();
  vc.checkpoint.block = r.fixed<Hash32>();
  vc.prepared = read_claims(r, false);
  vc.prepares = read_claims(r, true);
  return finish(r, std::move(vc), "view_change_claims");
}

Result<NewView> decode_new_view(ByteView body) {
  Reader r(body);
  NewView m;
  m.epoch = r.num<std::uint64_t>();
  m.view = r.num<View>();
  const std::size_t n = r.count(kReplicasMax, 66);
  for (std::size_t i = 0; i < n && r.ok(); ++i) {
    m.view_changes.push_back(read_view_change(r));
    if (r.ok() && i > 0 && m.view_changes[i].replica <= m.view_changes[i - 1].replica)
      r.refuse("found view changes out of order, expected ascending replicas");
  }
  return finish(r, std::move(m), "new_view");
}

Result<StatusReport> decode_status(ByteView body) {
  Reader r(body);
  StatusReport s;
  s.epoch = r.num<std::uint64_t>();
  s.view = r.num<View>();
  s.wanted_view = r.num<View>();
  s.stable = r.num<Seq>();
  s.executed = r.num<Seq>();
  s.abstaining = r.num<std::uint8_t>();
  if (r.ok() && s.abstaining > 2) r.refuse(text("found flag {}, expected 0 to 2", s.abstaining));
  return finish(r, std::move(s), "status");
}

Result<FetchVertex> decode_fetch_vertex(ByteView body) {
  Reader r(body);
  FetchVertex f{.id = r.fixed<Hash32>()};
  f.above = r.num<std::uint64_t>();
  return finish(r, std::move(f), "fetch_vertex");
}

Result<FetchSlots> decode_fetch_slots(ByteView body) {
  Reader r(body);
  FetchSlots f{.first = r.num<Seq>(), .vertices = r.num<std::uint8_t>()};
  if (r.ok() && f.vertices > 1) r.refuse(text("found flag {}, expected 0 or 1", f.vertices));
  return finish(r, std::move(f), "fetch_slots");
}

Result<Slot> decode_slot(ByteView body) {
  Reader r(body);
  Slot s;
  s.seq = r.num<Seq>();
  const auto null = r.num<std::uint8_t>();
  if (r.ok() && null > 1) r.refuse(text("found flag {}, expected 0 or 1", null));
  s.null = null == 1;
  if (!s.null) s.proposal = read_proposal(r);
  if (r.ok() && !s.null && s.proposal.seq != s.seq)
    r.refuse(text("found a proposal for slot {}, expected {}", s.proposal.seq, s.seq));
  return finish(r, std::move(s), "slot");
}

Result<FetchProposal> decode_fetch_proposal(ByteView body) {
  Reader r(body);
  FetchProposal f{.seq = r.num<Seq>(), .digest = r.fixed<Digest>()};
  return finish(r, std::move(f), "fetch_proposal");
}

Result<FetchStatement> decode_fetch_statement(ByteView body) {
  Reader r(body);
  FetchStatement f{.epoch = r.num<std::uint64_t>(), .view = r.num<View>(), .seq = r.num<Seq>()};
  return finish(r, std::move(f), "fetch_statement");
}

Result<Handover> decode_handover(ByteView body) {
  Reader r(body);
  Handover h;
  h.epoch = r.num<std::uint64_t>();
  h.certificate = read_certificate(r);
  return finish(r, std::move(h), "handover");
}

Result<Certificate> decode_certificate(ByteView body) {
  Reader r(body);
  Certificate c = read_certificate(r);
  return finish(r, std::move(c), "certificate");
}

}  // namespace hanse::consensus
