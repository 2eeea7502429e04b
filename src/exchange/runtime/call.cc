#include "exchange/runtime/call.h"

#include "base/core/text.h"

namespace hanse::runtime {

Bytes encode_call(const Call& call) {
  Bytes out(kCallHeadSize);
  out[0] = static_cast<std::uint8_t>(call.op);
  store_le(out.data() + 4, static_cast<std::uint32_t>(call.request.size()));
  store_le(out.data() + 8, static_cast<std::uint32_t>(call.prepared.size()));
  out.reserve(kCallHeadSize + call.request.size() + call.prepared.size() + call.claimed.size());
  append(out, call.request);
  append(out, call.prepared);
  append(out, call.claimed);
  return out;
}

Result<Call> decode_call(ByteView bytes) {
  if (bytes.size() < kCallHeadSize || bytes.size() > kCallSizeMax)
    return fail(Kind::kInvalid, "runtime.bad_call",
                text("found {} bytes, expected {} to {}", bytes.size(), kCallHeadSize, kCallSizeMax));
  if (bytes[0] < 1 || bytes[0] > 4 || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0)
    return fail(Kind::kInvalid, "runtime.bad_call", text("found op {}, expected 1 to 4", bytes[0]));
  const std::size_t request_size = load_le<std::uint32_t>(bytes.data() + 4);
  const std::size_t prepared_size = load_le<std::uint32_t>(bytes.data() + 8);
  const auto body = bytes.subspan(kCallHeadSize);
  if (prepared_size > kPreparedSizeMax || request_size > body.size() || prepared_size > body.size() - request_size)
    return fail(Kind::kInvalid, "runtime.bad_call",
                text("found sizes {} and {} in a body of {} bytes", request_size, prepared_size, body.size()));
  return Call{.op = static_cast<CallOp>(bytes[0]),
              .request = body.first(request_size),
              .prepared = body.subspan(request_size, prepared_size),
              .claimed = body.subspan(request_size + prepared_size)};
}

}  // namespace hanse::runtime
