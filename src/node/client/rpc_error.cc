#include "node/client/rpc_error.h"

#include "base/core/text.h"

#include "hanse/node/v1/node.pb.h"
#include <grpc/grpc.h>
#include <grpcpp/support/status.h>

namespace hanse::client {
namespace {

constexpr std::size_t kTextMax = 1024;
constexpr int kContextMax = 4;

std::string cut(std::string_view s) {
  if (s.size() <= kTextMax) return std::string(s);
  std::size_t end = kTextMax;
  while (end > 0 && (static_cast<unsigned char>(s[end]) & 0xc0) == 0x80) --end;  // not inside a UTF-8 character
  return std::string(s.substr(0, end));
}

grpc::StatusCode code_of(Kind kind) {
  switch (kind) {
    case Kind::kInvalid: return grpc::StatusCode::INVALID_ARGUMENT;
    case Kind::kNotFound: return grpc::StatusCode::NOT_FOUND;
    case Kind::kConflict: return grpc::StatusCode::FAILED_PRECONDITION;
    case Kind::kDenied: return grpc::StatusCode::PERMISSION_DENIED;
    case Kind::kUnavailable: return grpc::StatusCode::UNAVAILABLE;
    case Kind::kTimeout: return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Kind::kExhausted: return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Kind::kCorrupt: return grpc::StatusCode::DATA_LOSS;
    case Kind::kUnsupported: return grpc::StatusCode::UNIMPLEMENTED;
    case Kind::kInternal: break;
  }
  return grpc::StatusCode::INTERNAL;
}

Kind kind_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE: return Kind::kInvalid;
    case grpc::StatusCode::NOT_FOUND: return Kind::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::FAILED_PRECONDITION: return Kind::kConflict;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED: return Kind::kDenied;
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNAVAILABLE: return Kind::kUnavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED: return Kind::kTimeout;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return Kind::kExhausted;
    case grpc::StatusCode::DATA_LOSS: return Kind::kCorrupt;
    case grpc::StatusCode::UNIMPLEMENTED: return Kind::kUnsupported;
    default: return Kind::kInternal;
  }
}

}  // namespace

void keep_rpc_library() {
  [[maybe_unused]] static const bool kept = [] {
    grpc_init();
    return true;
  }();
}

void put_error(hanse::node::v1::ErrorDetail& detail, const Error& error) {
  detail.set_kind(std::string(kind_name(error.kind())));
  detail.set_id(cut(error.id()));
  detail.set_message(cut(error.message()));
  detail.set_code(error.code());
  detail.set_path(cut(error.path()));
  for (const auto& context : error.context())
    if (detail.context_size() < kContextMax) detail.add_context(cut(context).substr(0, kTextMax / kContextMax));
}

Result<Error> take_error(const hanse::node::v1::ErrorDetail& detail) {
  Kind kind{};
  if (!parse_kind(detail.kind(), kind) || detail.id().empty())
    return fail(
        Kind::kCorrupt, "client.bad_reply",
        text("found an error of kind \"{}\" and id \"{}\", expected both", cut(detail.kind()), cut(detail.id())));
  Error error = Error(kind, detail.id(), detail.message()).coded(detail.code());
  if (!detail.path().empty()) error = std::move(error).at(detail.path());
  for (const auto& context : detail.context()) error = std::move(error).with(context);
  return error;
}

grpc::Status to_rpc(const Error& error) {
  hanse::node::v1::ErrorDetail detail;
  put_error(detail, error);
  return {code_of(error.kind()), cut(error.id()), detail.SerializeAsString()};
}

bool has_detail(const grpc::Status& status) {
  hanse::node::v1::ErrorDetail detail;
  Kind kind{};
  return !status.error_details().empty() && detail.ParseFromString(status.error_details()) &&
         parse_kind(detail.kind(), kind) && !detail.id().empty();
}

Error from_rpc(const grpc::Status& status, std::string_view where) {
  hanse::node::v1::ErrorDetail detail;
  if (!status.error_details().empty() && detail.ParseFromString(status.error_details()))
    if (auto error = take_error(detail)) return *std::move(error);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    return Error(Kind::kUnavailable, "client.unreachable",
                 text("lost the node at {}: {}", where, status.error_message()));
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return Error(Kind::kTimeout, "client.timeout", text("found no answer of {} in time", where));
  return Error(kind_of(status.error_code()), "client.rpc",
               text("{} answered status {}: {}", where, static_cast<int>(status.error_code()), status.error_message()));
}

}  // namespace hanse::client
