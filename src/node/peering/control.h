// The control socket of a node's mesh: a Unix socket in its folder, for the operator and `hanse mesh`.
// One JSON object a line. A request {"do": NAME, ...} is answered by any number of {"progress": ...} and then by
// {"ok": ...} or {"error": {"kind", "id", "message"}}; then the connection is closed. Who may open the socket's folder
// (mode 0700) may ask.
// Threads: start and stop from one; handlers run on a thread of each connection, kConnectionsMax at once; one more is
// refused with peering.limit. Limits: kRequestBytesMax, kAnswerBytesMax a line.
// Errors: peering.request (invalid), peering.limit (exhausted), peering.no_node (unavailable: nobody listens there),
// peering.answer (corrupt), peering.system (internal), those of the handler.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/codec/json.h"
#include "base/core/result.h"
#include "node/peering/mesh_node.h"

namespace hanse::peering {

constexpr std::size_t kConnectionsMax = 16;
constexpr std::size_t kRequestBytesMax = 3u << 20, kAnswerBytesMax = 4u << 20;  // a call through the mix, in hex

using Progress = std::function<void(codec::Json)>;
// Says a line; false when the caller has gone or the server stops. Null says nothing and only looks.
using Tell = std::function<bool(codec::Json)>;
using Handler = std::function<Result<codec::Json>(const codec::Json& request, const Tell& tell)>;

class ControlServer {
 public:
  static Result<std::unique_ptr<ControlServer>> start(const std::string& path, Handler handler);
  virtual ~ControlServer() = default;
  virtual void stop() = 0;  // waits for the handlers that run
};

// Asks and waits for the answer, wait_ms at most.
struct Ask {
  std::string path;
  codec::Json request;
  Progress progress{};
  std::int64_t wait_ms = 30'000;
};
Result<codec::Json> ask(const Ask& ask);

// A question through the mix and its answer, by the node of the mix whose control socket this is; no other lane.
Result<Bytes> carry(const std::string& socket, router::Lane lane, Bytes question);

// What the mesh answers: status, paths, nat, dial (a peer or an agent), find (an agent), forward, check, speed,
// publish, subscribe (a progress line a message), mix_status, mix_ping, mix_call (its question and answer in hex).
Handler mesh_handler(MeshNode& node);

// How a protocol is named in what people read: "0x02", "datagrams".
std::string flow_name(std::uint64_t protocol);

// "ID@ADDRESS" or "ID": encode_id of the peer's id. Errors: peering.request.
Result<Known> parse_known(std::string_view given);

}  // namespace hanse::peering
