#include "chain/consensus/describe.h"

#include "base/core/text.h"
#include "chain/consensus/detail/records.h"

namespace hanse::consensus {
namespace {

Status read_vertex(ByteView payload, RecordInfo& out) {
  TRY(const VertexFrame v, decode_vertex(std::make_shared<const Bytes>(to_bytes(payload))));
  out.epoch = v.vertex.epoch;
  out.replica = v.vertex.lane;
  out.height = v.vertex.height;
  out.digest = v.id;
  out.note =
      text("{} transactions in {} bytes, {} parents", v.vertex.tx_count, v.vertex.batch_len, v.vertex.parents.size());
  return {};
}

void put_claim(const Claim& claim, RecordInfo& out) {
  out.slot = claim.seq;
  out.view = claim.view;
  out.digest = claim.digest;
}

Status read_prepare(ByteView payload, RecordInfo& out) {
  TRY(const auto record, detail::decode_prepare_record(payload));
  out.epoch = record.epoch;
  put_claim(record.claim, out);
  if (!record.proposal) {
    out.note = record.claim.digest.is_zero() ? "an empty slot" : "its proposal was not held";
    return {};
  }
  out.replica = record.proposal->leader;
  out.note = text("a proposal of {} tips", record.proposal->tips.size());
  return {};
}

Status read_prepared(ByteView payload, RecordInfo& out) {
  TRY(const auto record, detail::decode_prepared_record(payload));
  out.epoch = record.epoch;
  put_claim(record.claim, out);
  return {};
}

Status read_view_change(ByteView payload, RecordInfo& out) {
  TRY(const ViewChange vc, decode_view_change(payload));
  out.epoch = vc.epoch;
  out.view = vc.view;
  out.replica = vc.replica;
  out.slot = vc.checkpoint.seq;
  out.note = text("{} prepared, {} prepares, checkpoint with {} signatures", vc.prepared.size(), vc.prepares.size(),
                  vc.checkpoint.signatures.size());
  return {};
}

Status read_new_view(ByteView payload, RecordInfo& out) {
  TRY(const NewView m, decode_new_view(payload));
  out.epoch = m.epoch;
  out.view = m.view;
  out.note = text("{} view changes", m.view_changes.size());
  return {};
}

Status read_attest(ByteView payload, RecordInfo& out) {
  TRY(const Attest attest, decode_attest(payload));
  out.epoch = attest.epoch;
  out.slot = attest.seq;
  out.digest = attest.block;
  out.note = text("a signature of {} bytes", attest.signature.size());
  return {};
}

Status read_snapshot(ByteView payload, RecordInfo& out) {
  TRY(const auto snapshot, detail::decode_snapshot(payload));
  out.epoch = snapshot.epoch;
  out.view = snapshot.view;
  out.slot = snapshot.stable.seq;
  out.replica = snapshot.own_tip.lane;
  out.height = snapshot.own_tip.height;
  out.digest = snapshot.stable.block;
  out.note = text("stable checkpoint with {} signatures", snapshot.stable.signatures.size());
  return {};
}

}  // namespace

std::string_view record_type_name(RecordType type) {
  switch (type) {
    case RecordType::kVertex: return "vertex";
    case RecordType::kPrepare: return "prepare";
    case RecordType::kPrepared: return "prepared";
    case RecordType::kViewChange: return "view_change";
    case RecordType::kNewView: return "new_view";
    case RecordType::kAttest: return "attest";
    case RecordType::kSnapshot: return "snapshot";
    case RecordType::kSnapshotEnd: return "snapshot_end";
    case RecordType::kUnsigned: return "unsigned";
    case RecordType::kStable: return "stable";
  }
  return "unknown";
}

Result<RecordInfo> describe_record(std::uint8_t type, ByteView payload) {
  RecordInfo out;
  out.type = static_cast<RecordType>(type);
  out.payload_bytes = payload.size();
  Status read = fail(Kind::kCorrupt, "consensus.record", text("found a record of type {}, expected 1 to 10", type));
  switch (out.type) {
    case RecordType::kVertex: read = read_vertex(payload, out); break;
    case RecordType::kPrepare: read = read_prepare(payload, out); break;
    case RecordType::kPrepared: read = read_prepared(payload, out); break;
    case RecordType::kViewChange: read = read_view_change(payload, out); break;
    case RecordType::kNewView: read = read_new_view(payload, out); break;
    case RecordType::kAttest: read = read_attest(payload, out); break;
    case RecordType::kSnapshot: read = read_snapshot(payload, out); break;
    case RecordType::kStable: {
      TRY(const Certificate certificate, decode_certificate(payload));
      out.slot = certificate.seq;
      return out;
    }
    case RecordType::kSnapshotEnd:
    case RecordType::kUnsigned:
      if (payload.size() != sizeof(Seq))
        return fail(Kind::kCorrupt, "consensus.record",
                    text("{}: found {} bytes, expected {}", record_type_name(out.type), payload.size(), sizeof(Seq)));
      (out.type == RecordType::kSnapshotEnd ? out.slot : out.height) = load_le<std::uint64_t>(payload.data());
      return out;
  }
  TRY_OK(std::move(read));
  return out;
}

}  // namespace hanse::consensus
