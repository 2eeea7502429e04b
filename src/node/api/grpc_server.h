// GrpcServer: the node's API for programs on the same machine, on a Unix socket (mode 0600 in a folder of mode 0700)
// and, when asked, on a loopback port.
// Limits: calls_max calls and watches_max watches at a time; a message of kMessageBytesMax; a blob of
// client::kBlobBytesMax; a call that names no deadline gets wait_ms_max.
// Threads: start and stop from one thread; calls run on the server's own threads and reach the Backend from there.
// Errors of start: api.port_in_use (conflict), api.bad_socket_dir (denied), api.listen (internal), client.bad_address.
// Errors in answers: api.busy (exhausted), api.bad_request (invalid), api.too_large (exhausted),
// api.closing (unavailable).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "node/api/backend.h"

namespace hanse::api {

constexpr std::size_t kMessageBytesMax = 1 << 20;
constexpr std::size_t kTopicBytesMax = 64;
constexpr std::size_t kQueryPathBytesMax = 256;

struct GrpcOptions {
  std::string socket{};  // path; its folder is made with mode 0700 when absent
  std::string tcp{};     // "127.0.0.1:50051", port 0 picks one; empty for none
  std::uint32_t calls_max = 64;
  std::uint32_t watches_max = 16;
  std::int64_t wait_ms_max = 30'000;
};

class GrpcServer {
 public:
  // The backend outlives the server.
  static Result<std::unique_ptr<GrpcServer>> start(Backend& backend, GrpcOptions options);
  virtual ~GrpcServer() = default;
  virtual std::uint16_t tcp_port() const = 0;  // 0 without TCP
  // No new calls; those that run get grace_ms before they are cancelled. Removes the socket. A second call does
  // nothing.
  virtual void stop(std::int64_t grace_ms) = 0;
};

}  // namespace hanse::api
