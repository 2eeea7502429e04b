#include "exchange/flow/materials.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::flow {

Result<Bytes> get_checked(const BlobId& id, std::string_view what, BlobPort& blobs) {
  TRY(Bytes bytes, with_context(blobs.get(id), text("fetch {} {}", what, id)));
  const BlobId found = crypto::blob_id(bytes);
  if (found != id) return fail(Kind::kCorrupt, "flow.hash", text("{} hashes to {}, expected {}", what, found, id));
  return bytes;
}

namespace {

// Everything that can be known to be out of reach before a start.
Status check_reach(const gxf::Job& job, const JobSources& from) {
  const std::vector<std::string> kinds = from.runner.kinds();
  std::uint64_t bytes = 0, result_bytes = 0;
  for (const gxf::Node& node : job.nodes) {
    const std::string kind = kind_of(node);
    if (std::ranges::find(kinds, kind) == kinds.end()) {
      return fail(Kind::kUnsupported, "flow.no_kind",
                  text("node {} is of kind '{}', which nothing here runs", node.id, kind));
    }
    bytes += node.limits.out_bytes;
    const bool is_result = std::ranges::any_of(job.outputs, [&](const auto& o) { return o.node == node.id; });
    if (is_result) result_bytes += node.limits.out_bytes;
  }
  if (result_bytes > kResultBytesMax) {
    return fail(Kind::kUnsupported, "flow.too_large",
                text("the job's outputs may have {} bytes, at most {}", result_bytes, kResultBytesMax));
  }
  for (const gxf::JobInput& input : job.inputs) bytes += std::min(input.size_bytes, kJobBytesMax);
  if (bytes > kJobBytesMax) {
    return fail(Kind::kUnsupported, "flow.too_large",
                text("inputs and outputs are {} bytes, at most {}", bytes, kJobBytesMax));
  }
  return {};
}

Result<payload::Opened> private_inputs(const market::Job& record, const gxf::Job& job, const JobSources& from) {
  if (from.key != nullptr) {
    if (!record.payload)
      return fail(Kind::kUnavailable, "flow.awaits_payload",
                  text("job {} is private, its payer has not given its payload yet", record.bid.job_id));
    TRY(const Bytes sealed, get_checked(*record.payload, "payload", from.blobs));
    return payload::open(job, sealed, record.provider, *from.key);
  }
  std::vector<Bytes> blobs;
  for (const gxf::JobInput& input : job.inputs) {
    TRY(blobs.emplace_back(), get_checked(input.id, "private input", from.blobs));
  }
  return payload::open_blobs(job, std::move(blobs));
}

Status fetch_private(const market::Job& record, const JobSources& from, Materials& materials) {
  TRY(payload::Opened opened, private_inputs(record, materials.job, from));
  for (std::size_t i = 0; i < opened.blobs.size(); ++i)
    materials.blobs.emplace(materials.job.inputs[i].id, to_bytes(opened.plaintext(i)));
  materials.secret = std::move(opened.secret);
  return {};
}

}  // namespace

Result<Materials> fetch(const market::Job& record, const JobSources& from, Fetched what) {
  TRY(const Bytes gxf, from.market.gxf(record.bid.job_id));
  if (const BlobId found = crypto::blob_id(gxf); found != record.gxf_hash)
    return fail(Kind::kCorrupt, "flow.hash", text("the GXF hashes to {}, expected {}", found, record.gxf_hash));
  Materials materials;
  TRY(materials.job, gxf::decode(gxf));
  TRY_OK(check_reach(materials.job, from));
  if (what == Fetched::kNoArtifacts)
    for (gxf::Node& node : materials.job.nodes) node.artifact = {};
  std::uint64_t artifact_bytes = 0;
  for (const gxf::Node& node : materials.job.nodes) {
    if (node.artifact.is_zero() || materials.blobs.contains(node.artifact)) continue;
    TRY(Bytes bytes, get_checked(node.artifact, "artifact", from.blobs));
    artifact_bytes += bytes.size();
    if (artifact_bytes > kJobBytesMax)
      return fail(Kind::kUnsupported, "flow.too_large", text("artifacts exceed {} bytes", kJobBytesMax));
    materials.blobs.emplace(node.artifact, std::move(bytes));
  }
  if (record.bid.is_private) {
    TRY_OK(fetch_private(record, from, materials));
    return materials;
  }
  for (const gxf::JobInput& input : materials.job.inputs) {
    auto it = materials.blobs.find(input.id);
    if (it == materials.blobs.end()) {
      TRY(Bytes bytes, get_checked(input.id, "input", from.blobs));
      it = materials.blobs.emplace(input.id, std::move(bytes)).first;
    }
    if (it->second.size() != input.size_bytes) {
      return fail(Kind::kInvalid, "flow.input_size",
                  text("input {} has {} bytes, the job says {}", input.id, it->second.size(), input.size_bytes));
    }
  }
  return materials;
}

}  // namespace hanse::flow
