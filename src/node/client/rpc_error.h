// An Error in a gRPC status and back. Private to node: only client and api include it, in their .cc files.
// Long messages are cut: the details travel in HTTP/2 headers, which hold 8 KiB.
#pragma once

#include <grpcpp/support/status.h>

#include "base/core/result.h"

namespace hanse::client {

grpc::Status to_rpc(const Error& error);
bool has_detail(const grpc::Status& status);
Error from_rpc(const grpc::Status& status, std::string_view where);

}  // namespace hanse::client
