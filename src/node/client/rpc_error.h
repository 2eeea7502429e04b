// What client and api share of gRPC: an Error in a status and back, and the library's life. Only their .cc files
// include it.
// Long messages are cut: the details travel in HTTP/2 headers, which hold 8 KiB.
#pragma once

#include "base/core/result.h"

namespace grpc {
class Status;
}

namespace hanse::node::v1 {
class ErrorDetail;
}

namespace hanse::client {

// Keeps the library up until the process ends. Its own shutdown, when the last object goes, was seen to wait for the
// client channel's backup poller for 10 s.
void keep_rpc_library();

grpc::Status to_rpc(const Error& error);
void put_error(hanse::node::v1::ErrorDetail& out, const Error& error);
Result<Error> take_error(const hanse::node::v1::ErrorDetail& detail);  // client.bad_reply when it names none
bool has_detail(const grpc::Status& status);
Error from_rpc(const grpc::Status& status, std::string_view where);

}  // namespace hanse::client
