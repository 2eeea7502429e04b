#include "exchange/runtime/job_kind.h"

#include <algorithm>
#include <iterator>

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::runtime {

namespace {

constexpr std::string_view kStatusNames[] = {"ok",   "gas_exhausted", "memory_exceeded", "timeout", "output_too_large",
                                             "trap", "aborted",       "cancelled"};

void write_limits(codec::CborWriter& w, const gxf::Limits& limits) {
  w.map(4);
  w.key(0);
  w.u64(limits.gas);
  w.key(1);
  w.u64(limits.mem_pages);
  w.key(2);
  w.u64(limits.wall_ms);
  w.key(3);
  w.u64(limits.out_bytes);
}

void write_shape(codec::CborWriter& w, const gxf::Shape& shape) {
  w.map(5);
  w.key(0);
  w.u64(shape.level);
  w.key(1);
  w.u64(shape.seq);
  w.key(2);
  w.u64(shape.batch);
  w.key(3);
  w.u64(shape.tokens);
  w.key(4);
  w.array(shape.dims.size());
  for (const auto dim : shape.dims) w.u64(dim);
}

void write_params(codec::CborWriter& w, const std::map<std::uint64_t, gxf::Param>& params) {
  w.map(params.size());
  for (const auto& [key, value] : params) {
    w.key(key);
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      w.i64(*number);
    } else {
      w.bytes(std::get<Bytes>(value));
    }
  }
}

// Enters a map that has the keys 0 to fields - 1, and may have `optional` more after them.
Status enter_record(codec::CborReader& r, std::string_view what, std::size_t fields, std::size_t optional = 0) {
  TRY_OK(r.enter_map(what, fields + optional));
  if (r.left() < fields) return r.fail_here("codec.missing", text("found {} fields, expected {}", r.left(), fields));
  return {};
}
Status expect_key(codec::CborReader& r, std::uint64_t want) {
  TRY(const auto found, r.key());
  if (found != want) return r.fail_here("codec.missing", text("found key {}, expected {}", found, want));
  return {};
}

template <class T>
Status read_number(codec::CborReader& r, std::uint64_t key, std::string_view what, T& out) {
  TRY_OK(expect_key(r, key));
  TRY(const auto v, r.u64(what, static_cast<T>(~T{0})));
  out = static_cast<T>(v);
  return {};
}

Status read_byte_strings(codec::CborReader& r, std::string_view what, std::size_t items_max, std::vector<Bytes>& out) {
  TRY_OK(r.enter_array(what, items_max));
  while (r.more()) {
    TRY(const auto bytes, r.bytes("", kRequestSizeMax));
    out.push_back(to_bytes(bytes));
  }
  return r.leave();
}

Status read_limits(codec::CborReader& r, gxf::Limits& limits) {
  TRY_OK(enter_record(r, "limits", 4));
  TRY_OK(read_number(r, 0, "gas", limits.gas));
  TRY_OK(read_number(r, 1, "mem_pages", limits.mem_pages));
  TRY_OK(read_number(r, 2, "wall_ms", limits.wall_ms));
  TRY_OK(read_number(r, 3, "out_bytes", limits.out_bytes));
  return r.leave();
}

Status read_shape(codec::CborReader& r, gxf::Shape& shape) {
  TRY_OK(enter_record(r, "shape", 5));
  TRY_OK(read_number(r, 0, "level", shape.level));
  if (shape.level > 3)
    return r.fail_here("runtime.bad_enum", text("found shape level {}, expected 0 to 3", shape.level));
  TRY_OK(read_number(r, 1, "seq", shape.seq));
  TRY_OK(read_number(r, 2, "batch", shape.batch));
  TRY_OK(read_number(r, 3, "tokens", shape.tokens));
  TRY_OK(expect_key(r, 4));
  TRY_OK(r.enter_array("dims", kDimsMax));
  while (r.more()) {
    TRY(const auto dim, r.u64("", 0xFFFFFFFF));
    shape.dims.push_back(static_cast<std::uint32_t>(dim));
  }
  TRY_OK(r.leave());
  return r.leave();
}

Status read_params(codec::CborReader& r, std::map<std::uint64_t, gxf::Param>& params) {
  TRY_OK(r.enter_map("params", kParamsMax));
  while (r.more()) {
    TRY(const auto key, r.key());
    if (r.next_is_bytes()) {
      TRY(const auto bytes, r.bytes("", kRequestSizeMax));
      params.emplace(key, to_bytes(bytes));
    } else {
      TRY(const auto number, r.i64(""));
      params.emplace(key, number);
    }
  }
  return r.leave();
}

Status read_range(codec::CborReader& r, StepRange& range) {
  TRY_OK(r.enter_array("steps", 2));
  TRY(const auto state, r.bytes("state", kRequestSizeMax));
  range.state = to_bytes(state);
  TRY(const auto count, r.u64("count", kStepsMax));
  range.count = static_cast<std::uint32_t>(count);
  return r.leave();
}

// Both keys or none: roots of 32 bytes, and the state of a range that has not ended.
Status read_steps(codec::CborReader& r, RunOutcome& o) {
  TRY_OK(expect_key(r, 5));
  TRY(const auto roots, r.bytes("steps", (kStepsMax + 1) * Hash32::kSize));
  if (roots.empty() || roots.size() % Hash32::kSize != 0)
    return r.fail_here("runtime.bad_steps", text("found {} bytes of roots, expected some of 32 each", roots.size()));
  o.steps.resize(roots.size() / Hash32::kSize);
  for (std::size_t i = 0; i < o.steps.size(); ++i)
    std::copy_n(roots.data() + i * Hash32::kSize, Hash32::kSize, o.steps[i].data.begin());
  TRY_OK(expect_key(r, 6));
  TRY(const auto state, r.bytes("state", kOutcomeSizeMax));
  o.state = to_bytes(state);
  return {};
}

Status read_request(codec::CborReader& r, RunRequest& q) {
  TRY_OK(enter_record(r, "request", 10, 1));
  TRY_OK(expect_key(r, 0));
  TRY_OK(r.fixed("job_id", q.job_id));
  TRY_OK(read_number(r, 1, "node", q.node));
  TRY_OK(expect_key(r, 2));
  TRY(const auto kind, r.text("kind", kKindNameMax));
  q.kind = kind;
  TRY_OK(expect_key(r, 3));
  TRY(const auto artifact, r.bytes("artifact", kRequestSizeMax));
  q.artifact = to_bytes(artifact);
  TRY_OK(expect_key(r, 4));
  TRY_OK(read_byte_strings(r, "inputs", kInputsMax, q.inputs));
  TRY_OK(expect_key(r, 5));
  TRY_OK(read_limits(r, q.limits));
  TRY_OK(expect_key(r, 6));
  TRY_OK(read_shape(r, q.shape));
  std::uint8_t precision = 0;
  TRY_OK(read_number(r, 7, "precision", precision));
  if (precision < 1 || precision > 4)
    return r.fail_here("runtime.bad_enum", text("found precision {}, expected 1 to 4", precision));
  q.precision = static_cast<gxf::Precision>(precision);
  TRY_OK(expect_key(r, 8));
  TRY_OK(read_params(r, q.params));
  TRY_OK(expect_key(r, 9));
  TRY_OK(r.fixed("seed", q.seed));
  if (r.more()) {
    TRY_OK(expect_key(r, 10));
    TRY_OK(read_range(r, q.steps.emplace()));
  }
  TRY_OK(r.leave());
  return r.finish();
}

Status read_outcome(codec::CborReader& r, RunOutcome& o) {
  TRY_OK(enter_record(r, "outcome", 5, 2));
  std::uint8_t status = 0;
  TRY_OK(read_number(r, 0, "status", status));
  if (status >= std::size(kStatusNames))
    return r.fail_here("runtime.bad_enum",
                       text("found status {}, expected 0 to {}", status, std::size(kStatusNames) - 1));
  o.status = static_cast<RunStatus>(status);
  TRY_OK(expect_key(r, 1));
  TRY_OK(read_byte_strings(r, "outputs", kOutputsMax, o.outputs));
  TRY_OK(read_number(r, 2, "gas", o.gas));
  TRY_OK(expect_key(r, 3));
  TRY(const auto detail, r.text("detail", kDetailMax));
  o.detail = detail;
  TRY_OK(expect_key(r, 4));
  TRY(const auto kernel_class, r.text("kernel_class", kKernelClassMax));
  o.kernel_class = kernel_class;
  if (r.more()) TRY_OK(read_steps(r, o));
  TRY_OK(r.leave());
  return r.finish();
}

// At most size_max bytes, never in the middle of a UTF-8 sequence.
std::string_view cut(std::string_view s, std::size_t size_max) {
  if (s.size() <= size_max) return s;
  std::size_t at = size_max;
  while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
  return s.substr(0, at);
}

std::unexpected<Error> differs(std::string_view field, std::string_view claimed, std::string_view found) {
  return fail(Kind::kCorrupt, "runtime.mismatch", text("{}: claimed {}, found {}", field, claimed, found));
}

}  // namespace

bool is_exact(std::string_view kernel_class) {
  return !kernel_class.contains("f32") && !kernel_class.starts_with("mixed");
}

std::string_view run_status_name(RunStatus status) {
  const auto i = static_cast<std::size_t>(status);
  return i < std::size(kStatusNames) ? kStatusNames[i] : "unknown";
}

Result<Bytes> JobKind::prepare(const RunRequest&, RunControl&) { return Bytes{}; }

Status JobKind::verify(const RunRequest& request, const RunOutcome& claimed) {
  RunControl control;
  TRY(const auto found, run(request, control));
  return compare_outcomes(claimed, found);
}

Status compare_outcomes(const RunOutcome& claimed, const RunOutcome& found) {
  if (claimed.status != found.status)
    return differs("status", run_status_name(claimed.status), run_status_name(found.status));
  if (claimed.gas != found.gas) return differs("gas", text("{}", claimed.gas), text("{}", found.gas));
  if (!claimed.kernel_class.empty() && claimed.kernel_class != found.kernel_class)
    return differs("kernel_class", claimed.kernel_class, found.kernel_class);
  if (claimed.detail != found.detail) return differs("detail", claimed.detail, found.detail);
  if (claimed.outputs.size() != found.outputs.size())
    return differs("outputs", text("{} outputs", claimed.outputs.size()), text("{} outputs", found.outputs.size()));
  for (std::size_t i = 0; i < claimed.outputs.size(); ++i) {
    const auto& a = claimed.outputs[i];
    const auto& b = found.outputs[i];
    if (a == b) continue;
    const auto at = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
    return differs(text("outputs[{}]", i), text("{} bytes", a.size()),
                   text("{} bytes that differ first at byte {}", b.size(), at));
  }
  if (claimed.steps != found.steps)
    return differs("steps", text("{} steps", claimed.steps.size()),
                   text("{} steps of other roots", found.steps.size()));
  if (claimed.state != found.state) return differs("state", "a state", "another");
  return {};
}

Bytes encode_request(const RunRequest& q) {
  codec::CborWriter w;
  w.map(q.steps ? 11 : 10);
  w.key(0);
  w.bytes(q.job_id.view());
  w.key(1);
  w.u64(q.node);
  w.key(2);
  w.text(q.kind);
  w.key(3);
  w.bytes(q.artifact);
  w.key(4);
  w.array(q.inputs.size());
  for (const auto& input : q.inputs) w.bytes(input);
  w.key(5);
  write_limits(w, q.limits);
  w.key(6);
  write_shape(w, q.shape);
  w.key(7);
  w.u64(static_cast<std::uint64_t>(q.precision));
  w.key(8);
  write_params(w, q.params);
  w.key(9);
  w.bytes(q.seed.view());
  if (q.steps) {
    w.key(10);
    w.array(2);
    w.bytes(q.steps->state);
    w.u64(q.steps->count);
  }
  return w.take();
}

Result<RunRequest> decode_request(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRequestSizeMax, .depth_max = 4});
  RunRequest request;
  TRY_OK(read_request(r, request));
  return request;
}

Bytes encode_outcome(const RunOutcome& o) {
  codec::CborWriter w;
  w.map(o.steps.empty() ? 5 : 7);
  w.key(0);
  w.u64(static_cast<std::uint64_t>(o.status));
  w.key(1);
  w.array(o.outputs.size());
  for (const auto& output : o.outputs) w.bytes(output);
  w.key(2);
  w.u64(o.gas);
  w.key(3);
  w.text(cut(o.detail, kDetailMax));
  w.key(4);
  w.text(cut(o.kernel_class, kKernelClassMax));
  if (!o.steps.empty()) {
    Bytes roots;
    for (const Hash32& root : o.steps) append(roots, root.view());
    w.key(5);
    w.bytes(roots);
    w.key(6);
    w.bytes(o.state);
  }
  return w.take();
}

Result<RunOutcome> decode_outcome(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kOutcomeSizeMax, .depth_max = 4});
  RunOutcome outcome;
  TRY_OK(read_outcome(r, outcome));
  return outcome;
}

}  // namespace hanse::runtime
