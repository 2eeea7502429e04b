#include "exchange/gxf/job_file.h"

#include "exchange/gxf/audit.h"
#include "exchange/gxf/detail/fields.h"

#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace hanse::gxf {

namespace {

using codec::Json;
using detail::Choice;
using detail::fail_file;
using detail::Fields;
using detail::Spot;

constexpr std::uint64_t kU64Max = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kPageBytes = 64 * 1024;
constexpr std::size_t kPortsMax = 256;

constexpr Choice kPriorities[] = {{"low", 0}, {"normal", 64}, {"high", 128}, {"critical", 192}};
constexpr Choice kLanes[] = {{"auto", 0}, {"flash", 1}, {"deep", 2}};
constexpr Choice kAudits[] = {{"receipts", 0}, {"sampled", 1}, {"freivalds", 2}, {"sumcheck", 3}};
constexpr Choice kIsolations[] = {{"none", 0}, {"full", 3}};
constexpr Choice kPrecisions[] = {{"int8", 1}, {"e5m2", 2}, {"fp8", 3}, {"bf16", 4}};

// The nodes by name while the file is read; a job of one node has no names.
struct Names {
  std::vector<std::string> names;

  std::size_t find(std::string_view name) const {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }
};

struct Port {
  std::uint16_t node;
  std::uint8_t port;
};

// "name" or "name.port"
Result<Port> read_port(const Spot& spot, const Names& nodes) {
  TRY(const std::string found, detail::word(spot));
  const std::size_t dot = found.rfind('.');
  const std::string_view name = std::string_view(found).substr(0, dot);
  std::uint8_t port = 0;
  if (dot != std::string::npos) {
    const char* const end = found.data() + found.size();
    const auto [stop, ec] = std::from_chars(found.data() + dot + 1, end, port);
    if (ec != std::errc() || stop != end)
      return fail_file(spot, text("found '{}', expected a node's name, or one with a port 0 to 255: name.0", found));
  }
  const std::size_t node = nodes.find(name);
  if (node == nodes.names.size()) return fail_file(spot, text("found '{}', which is no node's name", name));
  return Port{static_cast<std::uint16_t>(node), port};
}

std::string resolve(std::string_view folder, std::string_view path) {
  if (path.starts_with('/') || folder.empty() || folder == ".") return std::string(path);
  return text("{}/{}", folder, path);
}

Status read_params(const Spot& spot, std::map<std::uint64_t, Param>& params) {
  if (!spot.present()) return {};
  if (spot.value->type() != Json::Type::kObject)
    return fail_file(spot, text("found {}, expected an object", spot.value->type_name()));
  for (const auto& [key, value] : spot.value->members()) {
    const Spot each{.value = &value, .path = text("{}.{}", spot.path, key)};
    std::uint64_t number = 0;
    const auto [end, ec] = std::from_chars(key.data(), key.data() + key.size(), number);
    if (ec != std::errc() || end != key.data() + key.size() || number == kParamKindName ||
        std::to_string(number) != key)
      return fail_file(each, text("found the param '{}', expected a number from 1", key.substr(0, 40)));
    switch (value.type()) {
      case Json::Type::kUint:
      case Json::Type::kInt: {
        TRY(const std::int64_t v, value.as_i64(each.path));
        params[number] = v;
        break;
      }
      case Json::Type::kText: {
        TRY(const std::string_view v, value.as_text(each.path));
        params[number] = to_bytes(v);
        break;
      }
      default: {
        constexpr std::string_view kKnown[] = {"hex"};
        TRY(const Fields fields, Fields::open(each, kKnown));
        TRY(const Spot hex, fields.need("hex"));
        TRY(const std::string_view digits, hex.value->as_text(hex.path));
        auto v = codec::from_hex(digits);
        if (!v) return fail_file(hex, v.error().message());
        params[number] = std::move(*v);
      }
    }
  }
  return {};
}

Status read_limits(const Spot& spot, Limits& limits) {
  limits = detail::default_limits();
  if (!spot.present()) return {};
  constexpr std::string_view kKnown[] = {"gas", "memory", "time", "output"};
  TRY(const Fields fields, Fields::open(spot, kKnown));
  if (const Spot gas = fields.at("gas"); gas.present()) {
    TRY(limits.gas, detail::count(gas, kU64Max));
  }
  if (const Spot memory = fields.at("memory"); memory.present()) {
    TRY(const std::uint64_t size, detail::bytes(memory, kMemPagesMax * kPageBytes));
    limits.mem_pages = static_cast<std::uint32_t>((size + kPageBytes - 1) / kPageBytes);
  }
  if (const Spot time = fields.at("time"); time.present()) {
    TRY(const std::uint64_t ms, detail::milliseconds(time, kU32Max));
    limits.wall_ms = static_cast<std::uint32_t>(ms);
  }
  if (const Spot output = fields.at("output"); output.present()) {
    TRY(const std::uint64_t size, detail::bytes(output, kU32Max));
    limits.out_bytes = static_cast<std::uint32_t>(size);
  }
  return {};
}

Status read_shape(const Spot& spot, Shape& shape) {
  if (!spot.present()) return {};
  constexpr std::string_view kKnown[] = {"level", "seq", "batch", "tokens", "dims"};
  TRY(const Fields fields, Fields::open(spot, kKnown));
  const auto read = [&](std::string_view key, std::uint64_t most, auto& out) -> Status {
    const Spot field = fields.at(key);
    if (!field.present()) return {};
    TRY(const std::uint64_t v, detail::number(field, most));
    out = static_cast<std::remove_reference_t<decltype(out)>>(v);
    return {};
  };
  TRY_OK(read("level", 3, shape.level));
  TRY_OK(read("seq", kSeqMax, shape.seq));
  TRY_OK(read("batch", kBatchMax, shape.batch));
  TRY_OK(read("tokens", kSeqMax, shape.tokens));
  if (const Spot dims = fields.at("dims"); dims.present()) {
    TRY(const std::vector<Spot> items, detail::list_of(dims));
    if (items.size() > kDimsMax)
      return fail_file(dims, text("found {} dims, expected at most {}", items.size(), kDimsMax));
    for (const Spot& item : items) {
      TRY(const std::uint64_t v, detail::number(item, kU32Max));
      shape.dims.push_back(static_cast<std::uint32_t>(v));
    }
  }
  return {};
}

class Builder {
 public:
  explicit Builder(std::string_view folder) : folder_(folder) {}

  Result<JobDraft> build(const Spot& root);

 private:
  Status read_terms(const Fields& fields);
  Status read_regions(const Fields& fields);
  Status read_one(const Fields& fields);
  Status read_graph(const Spot& nodes, const Fields& fields);
  Status read_node(const Fields& fields, std::uint16_t id);
  Status read_kind(const Fields& fields, Node& node);
  Status read_inputs(const Spot& spot, std::uint16_t id);
  Status read_input(const Spot& spot, std::uint16_t id, std::uint8_t in_ix);
  Status name_ports(const Spot& outputs);
  Status choose_outputs(const Spot& outputs);
  Status add_output(const Spot& spot, std::string name, Port port);

  std::string folder_;
  Names names_;
  JobDraft draft_;
};

constexpr std::string_view kTermKeys[] = {"limit", "private",   "priority",  "lane",   "regions", "residency",
                                          "audit", "isolation", "latency",   "valid",  "outputs", "nodes",
                                          "kind",  "model",     "artifact",  "inputs", "params",  "precision",
                                          "shape", "limits",    "commitment"};
constexpr std::size_t kGraphKeys = 12;  // the first of them go with `nodes`
constexpr std::string_view kNodeKeys[] = {"name",   "kind",      "model", "artifact", "inputs",
                                          "params", "precision", "shape", "limits",   "commitment"};

Result<JobDraft> Builder::build(const Spot& root) {
  if (root.value->type() != Json::Type::kObject)
    return fail_file(root, text("found {}, expected an object with a job's fields", root.value->type_name()));
  const bool graph = root.value->find("nodes") != nullptr;
  const std::span<const std::string_view> known(kTermKeys);
  if (graph) {
    for (const std::string_view key : known.subspan(kGraphKeys))
      if (const Json* value = root.value->find(key))
        return fail_file(key, value->line(), text("found {} beside nodes, expected it inside each node", key));
  }
  TRY(const Fields fields, Fields::open(root, graph ? known.first(kGraphKeys) : known));
  TRY_OK(read_terms(fields));
  if (graph)
    TRY_OK(read_graph(fields.at("nodes"), fields));
  else
    TRY_OK(read_one(fields));
  return std::move(draft_);
}

Status Builder::read_terms(const Fields& fields) {
  Job& job = draft_.job;
  TRY(const Spot limit, fields.need("limit"));
  TRY(job.limit_total.value, detail::count(limit, kU64Max));
  const auto read = [&](std::string_view key, std::span<const Choice> names, std::uint64_t most, auto& out) -> Status {
    const Spot field = fields.at(key);
    if (!field.present()) return {};
    TRY(const std::uint64_t v, detail::choice(field, names, most));
    out = static_cast<std::remove_reference_t<decltype(out)>>(v);
    return {};
  };
  job.isolation = 3;
  TRY_OK(read("priority", kPriorities, 255, job.priority));
  TRY_OK(read("lane", kLanes, 0, job.lane));
  TRY_OK(read("audit", kAudits, 0, job.audit));
  TRY_OK(read("isolation", kIsolations, 3, job.isolation));
  if (const Spot valid = fields.at("valid"); valid.present()) {
    TRY(draft_.valid_blocks, detail::count(valid, Params{}.span_max));
    if (draft_.valid_blocks == 0) return fail_file(valid, "found 0, expected one block at least");
  }
  if (const Spot latency = fields.at("latency"); latency.present()) {
    TRY(const std::uint64_t ms, detail::milliseconds(latency, kU32Max));
    codec::CborWriter w;
    w.u64(ms);
    job.extensions[kExtensionLatency] = w.take();
  }
  if (const Spot hidden = fields.at("private"); hidden.present()) {
    TRY(const bool yes, hidden.value->as_bool(hidden.path));
    if (yes) job.extensions[kExtensionPrivate] = {1};
  }
  return read_regions(fields);
}

Result<std::uint16_t> region_bit(const Spot& spot) {
  if (spot.value->type() == Json::Type::kUint) {
    TRY(const std::uint64_t bit, detail::number(spot, 63));
    return static_cast<std::uint16_t>(bit);
  }
  TRY(const std::string name, detail::word(spot));
  if (const Region* region = find_region(name)) return region->bit;
  std::string known;
  for (const Region& region : regions()) known += (known.empty() ? "" : ", ") + std::string(region.name);
  return fail_file(
      spot, text("found the region '{}', expected one of {} or a bit number 0 to 63", name.substr(0, 40), known));
}

Status Builder::read_regions(const Fields& fields) {
  Job& job = draft_.job;
  job.region_mask = kU64Max;
  if (const Spot listed = fields.at("regions"); listed.present()) {
    TRY(const std::vector<Spot> items, detail::list_of(listed));
    if (items.empty()) return fail_file(listed, "found no region; leave the key out for any");
    job.region_mask = 0;
    for (const Spot& item : items) {
      TRY(const std::uint16_t bit, region_bit(item));
      job.region_mask |= 1ull << bit;
    }
  }
  if (const Spot residency = fields.at("residency"); residency.present()) {
    TRY(const std::uint16_t bit, region_bit(residency));
    if ((job.region_mask >> bit & 1) == 0) return fail_file(residency, "found a region that is not among the regions");
    job.residency = static_cast<std::uint16_t>(bit + 1);
  }
  return {};
}

Status Builder::read_one(const Fields& fields) {
  TRY_OK(read_node(fields, 0));
  const Spot outputs = fields.at("outputs");
  if (!outputs.present()) return add_output(outputs, "output", {0, 0});
  return name_ports(outputs);
}

// outputs: [result, trace] names the ports of the only node.
Status Builder::name_ports(const Spot& outputs) {
  TRY(const std::vector<Spot> items, detail::list_of(outputs));
  if (items.empty()) return fail_file(outputs, "found no output, a job has one at least");
  for (std::size_t port = 0; port < items.size(); ++port) {
    TRY(std::string name, detail::word(items[port]));
    if (port >= kPortsMax) return fail_file(items[port], text("found more than {} ports", kPortsMax));
    TRY_OK(add_output(items[port], std::move(name), {0, static_cast<std::uint8_t>(port)}));
  }
  return {};
}

Status Builder::add_output(const Spot& spot, std::string name, Port port) {
  auto& names = draft_.output_names;
  if (names.size() == kOutputsMax) return fail_file(spot, text("found more than {} outputs", kOutputsMax));
  if (std::find(names.begin(), names.end(), name) != names.end())
    return fail_file(spot, text("found the output '{}' twice", name));
  names.push_back(std::move(name));
  draft_.job.outputs.push_back({.node = port.node, .out_ix = port.port});
  return {};
}

Status Builder::read_graph(const Spot& nodes, const Fields& fields) {
  TRY(const std::vector<Spot> items, detail::list_of(nodes));
  if (items.empty() || items.size() > kNodesMax)
    return fail_file(nodes, text("found {} nodes, expected 1 to {}", items.size(), kNodesMax));
  std::vector<Fields> opened;
  for (const Spot& item : items) {
    TRY(Fields node, Fields::open(item, kNodeKeys));
    TRY(const Spot name_spot, node.need("name"));
    TRY(std::string name, detail::word(name_spot));
    if (names_.find(name) < names_.names.size()) return fail_file(name_spot, text("found the node '{}' twice", name));
    names_.names.push_back(std::move(name));
    opened.push_back(std::move(node));
  }
  for (std::size_t i = 0; i < opened.size(); ++i) TRY_OK(read_node(opened[i], static_cast<std::uint16_t>(i)));
  return choose_outputs(fields.at("outputs"));
}

// outputs: {result: node.port}; without it the first port of every node that feeds no other, under the node's name.
Status Builder::choose_outputs(const Spot& outputs) {
  if (outputs.present()) {
    if (outputs.value->type() != Json::Type::kObject || outputs.value->members().empty())
      return fail_file(outputs, "expected an object of names, each with a node or node.port");
    for (const auto& [name, value] : outputs.value->members()) {
      const Spot each{.value = &value, .path = text("{}.{}", outputs.path, name)};
      TRY(const Port port, read_port(each, names_));
      TRY_OK(add_output(each, name, port));
    }
    return {};
  }
  for (std::uint16_t id = 0; id < names_.names.size(); ++id) {
    const auto& edges = draft_.job.edges;
    if (std::any_of(edges.begin(), edges.end(), [&](const Edge& e) { return e.from == id; })) continue;
    TRY_OK(add_output(outputs, names_.names[id], {id, 0}));
  }
  if (draft_.job.outputs.empty()) return fail_file(outputs, "found no node that feeds no other, so no output");
  return {};
}

Status Builder::read_node(const Fields& fields, std::uint16_t id) {
  Node node;
  node.id = id;
  TRY_OK(read_params(fields.at("params"), node.params));
  TRY_OK(read_kind(fields, node));
  if (const Spot precision = fields.at("precision"); precision.present()) {
    TRY(const std::uint64_t v, detail::choice(precision, kPrecisions));
    node.precision = static_cast<Precision>(v);
  }
  TRY_OK(read_shape(fields.at("shape"), node.shape));
  TRY_OK(read_limits(fields.at("limits"), node.limits));
  draft_.job.nodes.push_back(std::move(node));
  return read_inputs(fields.at("inputs"), id);
}

Status Builder::read_kind(const Fields& fields, Node& node) {
  const Spot model = fields.at("model");
  const Spot artifact = model.present() ? model : fields.at("artifact");
  if (model.present() && fields.at("artifact").present())
    return fail_file(model, "found both a model and an artifact, which are two names for one thing");
  std::string path;
  if (artifact.present()) {
    TRY(path, detail::word(artifact));
    draft_.uploads.push_back(
        {.use = UploadUse::kArtifact, .node = node.id, .in_ix = 0, .path = resolve(folder_, path), .bytes = {}});
  }
  std::string kind;
  if (const Spot named = fields.at("kind"); named.present()) {
    TRY(kind, detail::word(named));
    if (!detail::is_kind_name(as_bytes(kind)))
      return fail_file(named, text("found '{}', expected a kind such as wasm/v1 or tensor.mlp/v1", kind.substr(0, 40)));
  } else if (model.present() || path.ends_with(".onnx")) {
    kind = "onnx/v1";
  } else if (path.ends_with(".wasm")) {
    kind = "wasm/v1";
  } else {
    TRY_OK(fields.need("kind"));
  }
  node.kind = kind == "wasm/v1" ? NodeKind::kWasm : kind == "onnx/v1" ? NodeKind::kOnnx : NodeKind::kEngine;
  if (const Spot commitment = fields.at("commitment"); commitment.present()) {
    TRY(const std::string file, detail::word(commitment));
    if (kind != "proof.mlp/v1") return fail_file(commitment, text("found a commitment for {}, which takes none", kind));
    draft_.commitments.push_back({.node = node.id, .path = resolve(folder_, file)});
  }
  if (node.kind == NodeKind::kEngine)
    node.params[kParamKindName] = to_bytes(kind);
  else if (path.empty())
    TRY_OK(fields.need("artifact"));
  return {};
}

Status Builder::read_inputs(const Spot& spot, std::uint16_t id) {
  if (!spot.present()) return {};
  TRY(const std::vector<Spot> items, detail::list_of(spot));
  if (items.size() > kPortsMax)
    return fail_file(spot, text("found {} inputs, expected at most {}", items.size(), kPortsMax));
  for (std::size_t i = 0; i < items.size(); ++i) TRY_OK(read_input(items[i], id, static_cast<std::uint8_t>(i)));
  return {};
}

Status Builder::read_input(const Spot& spot, std::uint16_t id, std::uint8_t in_ix) {
  Upload upload{.use = UploadUse::kInput, .node = id, .in_ix = in_ix, .path = {}, .bytes = {}};
  if (spot.value->type() != Json::Type::kObject) {
    TRY(const std::string path, detail::word(spot));
    upload.path = resolve(folder_, path);
  } else {
    constexpr std::string_view kKnown[] = {"path", "text", "hex", "from"};
    TRY(const Fields fields, Fields::open(spot, kKnown));
    if (spot.value->members().size() != 1)
      return fail_file(spot,
                       text("found {} keys, expected one of path, text, hex, from", spot.value->members().size()));
    if (const Spot from = fields.at("from"); from.value != nullptr) {
      TRY(const Port port, read_port(from, names_));
      draft_.job.edges.push_back({.from = port.node, .to = id, .out_ix = port.port, .in_ix = in_ix});
      return {};
    }
    if (const Spot path_spot = fields.at("path"); path_spot.value != nullptr) {
      TRY(const std::string path, detail::word(path_spot));
      upload.path = resolve(folder_, path);
    } else if (const Spot literal = fields.at("text"); literal.value != nullptr) {
      TRY(const std::string_view written, literal.value->as_text(literal.path));
      upload.bytes = to_bytes(written);
    } else {
      const Spot hex = fields.at("hex");
      TRY(const std::string_view digits, hex.value->as_text(hex.path));
      auto decoded = codec::from_hex(digits);
      if (!decoded) return fail_file(hex, decoded.error().message());
      upload.bytes = std::move(*decoded);
    }
  }
  draft_.uploads.push_back(std::move(upload));
  draft_.job.inputs.push_back({.id = {}, .size_bytes = 0, .node = id, .in_ix = in_ix});
  return {};
}

}  // namespace

Limits detail::default_limits() {
  return {.gas = 1'000'000'000, .mem_pages = 4096, .wall_ms = 10'000, .out_bytes = 1 << 20};
}

Result<JobDraft> parse_job_file(std::string_view text_of_file, std::string_view folder) {
  auto root = detail::parse_text(text_of_file);
  if (!root) return detail::as_job_file_error(root.error());
  auto draft = Builder(folder).build({.value = &*root, .path = ""});
  if (!draft) return detail::as_job_file_error(draft.error());
  return draft;
}

Result<JobDraft> read_job_file(Fs& fs, const std::string& path) {
  TRY(const Bytes bytes, read_file(fs, path, kJobFileMax));
  const std::string context = text("read the job file {}", path);
  TRY(JobDraft draft, with_context(parse_job_file(as_text(bytes), parent_dir(path)), context));
  TRY_OK(with_context(complete_audit(fs, draft), context));
  return draft;
}

Result<Bytes> read_upload(Fs& fs, const Upload& upload, std::size_t size_max) {
  if (upload.path.empty()) return upload.bytes;
  return read_file(fs, upload.path, size_max);
}

Result<Job> finish(const JobDraft& draft, std::span<const UploadedBlob> blobs, const FinishOptions& options) {
  if (blobs.size() != draft.uploads.size())
    return fail_file("", 0, text("found the ids of {} uploads, expected {}", blobs.size(), draft.uploads.size()));
  Job job = draft.job;
  job.network = options.network;
  job.nonce = options.nonce;
  job.not_before = options.height;
  if (__builtin_add_overflow(options.height.value, draft.valid_blocks, &job.expires.value))
    return fail_file(
        "valid", 0,
        text("found {} blocks after height {}, which no height can be", draft.valid_blocks, options.height.value));
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    const Upload& upload = draft.uploads[i];
    if (upload.use == UploadUse::kArtifact) {
      for (Node& node : job.nodes)
        if (node.id == upload.node) node.artifact = blobs[i].id;
      continue;
    }
    for (JobInput& input : job.inputs) {
      if (input.node != upload.node || input.in_ix != upload.in_ix) continue;
      input.id = blobs[i].id;
      input.size_bytes = blobs[i].size_bytes;
    }
  }
  return job;
}

}  // namespace hanse::gxf
