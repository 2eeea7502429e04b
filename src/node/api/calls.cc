#include "node/api/calls.h"

#include <algorithm>
#include <chrono>

#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "node/client/rpc_error.h"

#include <grpcpp/grpcpp.h>

namespace hanse::api {

std::unexpected<Error> busy(const Seats& seats, std::string_view what) {
  return fail(Kind::kExhausted, "api.busy", text("found {} {} running, the most there may be", seats.max(), what));
}

std::unexpected<Error> bad_request(std::string_view message) {
  return fail(Kind::kInvalid, "api.bad_request", message);
}

Result<BlobId> blob_id(const std::string& bytes) {
  BlobId id;
  if (BlobId::from(as_bytes(bytes), id)) return id;
  return bad_request(text("found a blob id of {} bytes, expected {}", bytes.size(), BlobId::kSize));
}

std::int64_t wait_ms(const grpc::ServerContext& context, std::int64_t most) {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  if (context.deadline() == system_clock::time_point::max()) return most;
  const std::int64_t left = duration_cast<milliseconds>(context.deadline() - system_clock::now()).count();
  return std::clamp<std::int64_t>(left, 0, most);
}

grpc::Status counted(std::string_view method, const Status& status) {
  telemetry::registry()
      .counter(telemetry::Metric::kApiRequests, {method, status ? "ok" : kind_name(status.error().kind())})
      .add();
  return status ? grpc::Status::OK : client::to_rpc(status.error());
}

}  // namespace hanse::api
