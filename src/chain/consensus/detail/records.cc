#include "chain/consensus/detail/records.h"

#include "chain/consensus/detail/wire.h"

namespace hanse::consensus::detail {
namespace {

void write(Writer& w, const Claim& claim) {
  w.num(claim.seq);
  w.fixed(claim.digest);
  w.num(claim.view);
}

Claim read_claim(Reader& r) { return {.seq = r.num<Seq>(), .digest = r.fixed<Digest>(), .view = r.num<View>()}; }

Status finish(Reader& r, std::string_view what) {
  const Status status = r.finish(what);
  if (!status) return fail(Kind::kCorrupt, "consensus.record", status.error().message());
  return {};
}

}  // namespace

Bytes encode(const PrepareRecord& record) {
  Writer w;
  w.num(record.epoch);
  write(w, record.claim);
  if (record.proposal) w.raw(consensus::encode(*record.proposal));
  return w.take();
}

Result<PrepareRecord> decode_prepare_record(ByteView bytes) {
  Reader r(bytes);
  PrepareRecord out{.epoch = r.num<std::uint64_t>(), .claim = read_claim(r), .proposal = {}};
  if (r.ok() && !r.rest().empty()) {
    TRY(out.proposal, decode_proposal(r.rest()));
    r.raw(r.rest().size());
  }
  TRY_OK(finish(r, "prepare record"));
  return out;
}

Bytes encode(const PreparedRecord& record) {
  Writer w;
  w.num(record.epoch);
  write(w, record.claim);
  return w.take();
}

Result<PreparedRecord> decode_prepared_record(ByteView bytes) {
  Reader r(bytes);
  const PreparedRecord out{.epoch = r.num<std::uint64_t>(), .claim = read_claim(r)};
  TRY_OK(finish(r, "prepared record"));
  return out;
}

Bytes encode(const SnapshotRecord& record) {
  Writer w;
  w.num(record.epoch);
  w.num(record.view);
  w.num(record.own_tip.lane);
  w.num(record.own_tip.height);
  w.fixed(record.own_tip.id);
  w.raw(consensus::encode(record.stable));
  return w.take();
}

Result<SnapshotRecord> decode_snapshot(ByteView bytes) {
  Reader r(bytes);
  SnapshotRecord out;
  out.epoch = r.num<std::uint64_t>();
  out.view = r.num<View>();
  out.own_tip = {.lane = r.num<Index>(), .height = r.num<std::uint64_t>(), .id = r.fixed<Hash32>()};
  if (r.ok()) {
    TRY(out.stable, decode_certificate(r.rest()));
    r.raw(r.rest().size());
  }
  TRY_OK(finish(r, "snapshot record"));
  return out;
}

}  // namespace hanse::consensus::detail
