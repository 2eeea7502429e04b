#include "exchange/gxf/detail/fields.h"
#include "exchange/gxf/job_file.h"

#include "base/core/text.h"

#include <algorithm>

namespace hanse::gxf {

namespace {

using codec::Json;
using detail::Choice;
using detail::fail_file;
using detail::Fields;
using detail::Spot;

constexpr std::uint64_t kV3 = 3;
constexpr std::uint64_t kTokensDefault = 128;  // of the version 3 command line
constexpr std::uint64_t kParamModelName = 1;
constexpr Choice kPrecisions[] = {{"int8", 1}, {"e5m2", 2}, {"fp8", 3}, {"bf16", 4}};
constexpr Choice kLanes[] = {{"0", 1}, {"flash", 1}, {"1", 2}, {"deep", 2}};

// A number, or as the map of texts of version 3 has it, its digits.
Result<std::uint64_t> digits(const Spot& spot, std::uint64_t most) {
  if (spot.value->type() != Json::Type::kText) return detail::number(spot, most);
  TRY(const std::string_view s, spot.value->as_text(spot.path));
  const bool plain = !s.empty() && s.size() < 20 && s.find_first_not_of("0123456789") == std::string_view::npos;
  std::uint64_t v = 0;
  for (const char c : plain ? s : std::string_view()) v = v * 10 + static_cast<std::uint64_t>(c - '0');
  if (!plain || v > most) return fail_file(spot, text("found '{}', expected a number up to {}", s.substr(0, 40), most));
  return v;
}

class Importer {
 public:
  explicit Importer(const ImportOptions& options) : options_(options) {}

  Result<JobDraft> read(const Spot& root) {
    TRY_OK(start());
    if (root.value->type() != Json::Type::kObject)
      return fail_file(root, text("found {}, expected a version 3 job", root.value->type_name()));
    if (root.value->find("meta") != nullptr || root.value->find("payload") != nullptr)
      TRY_OK(read_envelope(root));
    else if (root.value->find("job_id") != nullptr || root.value->find("parameters") != nullptr)
      TRY_OK(read_job(root));
    else
      TRY_OK(read_command_line(root));
    return std::move(draft_);
  }

 private:
  Status start();
  Status read_envelope(const Spot& root);
  Status read_meta(const Spot& spot);
  Status read_job(const Spot& root);
  Status read_parameters(const Spot& spot);
  Status read_command_line(const Spot& root);
  Status read_shape(const Spot& precision, const Spot& seq, const Spot& tokens, const Spot& batch);
  Node& node() { return draft_.job.nodes[0]; }
  void drop(std::string_view what) { draft_.notes.push_back(std::string(what)); }

  const ImportOptions& options_;
  JobDraft draft_;
};

Status Importer::start() {
  if (options_.model_file.empty() == options_.engine_kind.empty())
    return fail_file("", 0, "a version 3 job names no model bytes: name either the model's file or the engine's kind");
  if (options_.limit_total.value == 0) return fail_file("", 0, "a version 3 job has no price cap: name one");
  Job& job = draft_.job;
  job.limit_total = options_.limit_total;
  job.region_mask = ~0ull;
  job.isolation = 3;
  job.outputs = {{.node = 0, .out_ix = 0}};
  draft_.output_names = {"output"};
  job.nodes.emplace_back();
  node().limits = detail::default_limits();
  const Limits& limits = options_.limits;
  if (limits.gas != 0) node().limits.gas = limits.gas;
  if (limits.mem_pages != 0) node().limits.mem_pages = limits.mem_pages;
  if (limits.wall_ms != 0) node().limits.wall_ms = limits.wall_ms;
  if (limits.out_bytes != 0) node().limits.out_bytes = limits.out_bytes;
  if (options_.engine_kind.empty()) {
    node().kind = NodeKind::kOnnx;
    draft_.uploads.push_back(
        {.use = UploadUse::kArtifact, .node = 0, .in_ix = 0, .path = options_.model_file, .bytes = {}});
    return {};
  }
  if (!detail::is_kind_name(as_bytes(options_.engine_kind)))
    return fail_file(
        "", 0, text("found '{}', expected an engine's kind such as tensor.mlp/v1", options_.engine_kind.substr(0, 40)));
  node().kind = NodeKind::kEngine;
  node().params[kParamKindName] = to_bytes(options_.engine_kind);
  return {};
}

Status Importer::read_shape(const Spot& precision, const Spot& seq, const Spot& tokens, const Spot& batch) {
  TRY(const std::uint64_t p, detail::choice(precision, kPrecisions));
  node().precision = static_cast<Precision>(p);
  Shape& shape = node().shape;
  TRY(const std::uint64_t s, digits(seq, kSeqMax));
  if (s == 0) return fail_file(seq, "found 0, expected a sequence length from 1");
  shape.seq = static_cast<std::uint32_t>(s);
  std::uint64_t t = std::min<std::uint64_t>(kTokensDefault, s);
  if (tokens.present()) {
    TRY(t, digits(tokens, s));
  }
  shape.tokens = static_cast<std::uint32_t>(t);
  std::uint64_t b = 1;
  if (batch.present()) {
    TRY(b, digits(batch, kBatchMax));
    if (b == 0) return fail_file(batch, "found 0, expected a batch from 1");
  }
  shape.batch = static_cast<std::uint16_t>(b);
  return {};
}

Status Importer::read_command_line(const Spot& root) {
  constexpr std::string_view kKnown[] = {"model", "precision", "kv_cache_seq_len", "token_count", "batch_size"};
  TRY(const Fields fields, Fields::open(root, kKnown));
  TRY(const Spot model, fields.need("model"));
  TRY(const std::string name, detail::word(model));
  node().params[kParamModelName] = to_bytes(name);
  TRY(const Spot precision, fields.need("precision"));
  TRY(const Spot seq, fields.need("kv_cache_seq_len"));
  return read_shape(precision, seq, fields.at("token_count"), fields.at("batch_size"));
}

Status Importer::read_job(const Spot& root) {
  constexpr std::string_view kKnown[] = {"job_id", "precision", "kv_cache_seq_len", "parameters"};
  TRY(const Fields fields, Fields::open(root, kKnown));
  if (fields.at("job_id").present()) drop("job_id: a version 4 id is the hash of the job");
  const Spot parameters = fields.at("parameters");
  Spot tokens, batch;
  if (parameters.present()) {
    if (parameters.value->type() != Json::Type::kObject)
      return fail_file(parameters, text("found {}, expected an object", parameters.value->type_name()));
    tokens = {.value = parameters.value->find("token_count"), .path = parameters.path + ".token_count"};
    batch = {.value = parameters.value->find("batch_size"), .path = parameters.path + ".batch_size"};
    TRY_OK(read_parameters(parameters));
  }
  TRY(const Spot precision, fields.need("precision"));
  TRY(const Spot seq, fields.need("kv_cache_seq_len"));
  return read_shape(precision, seq, tokens, batch);
}

// A map of texts; version 3 read region, residency and batch_size and passed over the rest.
Status Importer::read_parameters(const Spot& spot) {
  for (const auto& [key, value] : spot.value->members()) {
    const Spot each{.value = &value, .path = text("{}.{}", spot.path, key)};
    if (key == "token_count" || key == "batch_size") continue;
    TRY(const std::string found, detail::word(each));
    if (key == "region" || key == "residency") {
      const Region* region = find_region(found);
      if (region == nullptr)
        return fail_file(each, text("found the region '{}', which has no number", found.substr(0, 40)));
      Job& job = draft_.job;
      const std::uint64_t bit = 1ull << region->bit;
      if ((job.region_mask & bit) == 0) return fail_file(each, "found a residency outside the region");
      if (key == "region" && job.residency != 0 && job.residency != region->bit + 1)
        return fail_file(each, "found a residency outside the region");
      if (key == "region") job.region_mask = bit;
      if (key == "residency") job.residency = static_cast<std::uint16_t>(region->bit + 1);
    } else if (key == "model") {
      node().params[kParamModelName] = to_bytes(found);
    } else {
      drop(text("{}: version 3 gave it no meaning", each.path));
    }
  }
  return {};
}

Status Importer::read_envelope(const Spot& root) {
  constexpr std::string_view kKnown[] = {"meta", "payload"};
  TRY(const Fields fields, Fields::open(root, kKnown));
  TRY(const Spot meta, fields.need("meta"));
  TRY_OK(read_meta(meta));
  TRY(const Spot payload, fields.need("payload"));
  TRY(const std::vector<Spot> numbers, detail::list_of(payload));
  std::string inner;
  for (const Spot& each : numbers) {
    TRY(const std::uint64_t b, detail::number(each, 255));
    inner += static_cast<char>(b);
  }
  auto job = codec::parse_json(inner);
  if (!job) return fail_file(payload, text("the payload is not JSON: {}", job.error().message()));
  return read_job({.value = &*job, .path = payload.path});
}

Status Importer::read_meta(const Spot& spot) {
  constexpr std::string_view kKnown[] = {"schema_version", "priority",    "created_at",       "expires_at",
                                         "source_slp",     "target_lane", "additional_fields"};
  TRY(const Fields fields, Fields::open(spot, kKnown));
  TRY(const Spot version, fields.need("schema_version"));
  TRY(const std::uint64_t v, detail::number(version, 255));
  if (v != kV3) return fail_file(version, text("found version {}, expected {}", v, kV3));
  TRY(const Spot priority, fields.need("priority"));
  TRY(const std::uint64_t p, detail::number(priority, 255));
  draft_.job.priority = static_cast<std::uint8_t>(p);
  if (const Spot lane = fields.at("target_lane"); lane.present()) {
    TRY(const std::uint64_t chosen, detail::choice(lane, kLanes));
    draft_.job.lane = static_cast<Lane>(chosen);
  }
  for (const std::string_view key : {"created_at", "expires_at"})
    if (fields.at(key).present()) drop(text("{}: version 4 counts blocks, not seconds", fields.at(key).path));
  if (fields.at("source_slp").present())
    drop(text("{}: the market chooses the provider", fields.at("source_slp").path));
  if (const Spot more = fields.at("additional_fields"); more.present() && !more.value->members().empty())
    drop(text("{}: version 3 gave them no meaning", more.path));
  return {};
}

}  // namespace

Result<JobDraft> import_v3(std::string_view input, const ImportOptions& options) {
  auto root = detail::parse_text(input);
  if (!root) return detail::as_job_file_error(root.error());
  auto draft = Importer(options).read({.value = &*root, .path = ""});
  if (!draft) return detail::as_job_file_error(draft.error());
  return draft;
}

}  // namespace hanse::gxf
