// A node for the tests of this room: it keeps what it is given and answers from fields. Threads: one.
#pragma once

#include <map>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "node/client/client.h"

namespace hanse::client {

class TestClient final : public Client {
 public:
  Result<NodeInfo> info() override {
    ++asked;
    return NodeInfo{.version = "9",
                    .network = network,
                    .genesis = genesis,
                    .node_id = "node",
                    .roles = {"validator"},
                    .height = Height{12}};
  }
  Result<Applied> submit(const ledger::Tx& tx) override {
    Applied out{.tx_id = ledger::tx_id(tx), .height = Height{13}, .result = {}};
    out.result.events.push_back({.topic = "market.matched", .data = tx.body});
    return out;
  }
  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override {
    if (path == "large") return Bytes(answer_bytes);
    if (path == "refused")
      return std::unexpected(
          Error(Kind::kDenied, "test.refused", "found nothing").coded(7).at("nodes[2]").with("inner"));
    Bytes out{app};
    append(out, as_bytes(path));
    append(out, argument);
    return out;
  }
  Result<Bytes> prove(ByteView key) override { return to_bytes(key); }
  Result<ConsensusInfo> consensus() override { return fail(Kind::kUnsupported, "test.none", "none here"); }
  Result<CertifiedBlock> certified(Height) override { return fail(Kind::kUnsupported, "test.none", "none here"); }
  Result<BlobId> put_blob(ByteView data) override {
    const BlobId id = crypto::blob_id(data);
    blobs[id] = to_bytes(data);
    return id;
  }
  Result<Bytes> get_blob(const BlobId& id) override {
    const auto found = blobs.find(id);
    if (found == blobs.end()) return fail(Kind::kNotFound, "blob.not_found", text("found no blob {}", id));
    return found->second;
  }
  Result<bool> has_blob(const BlobId& id) override { return blobs.contains(id); }
  Status watch(Height from, std::string_view prefix, const std::function<bool(const LedgerEvent&)>& visit,
               const std::function<bool()>& idle) override {
    for (const LedgerEvent& one : events)
      if (one.height >= from && one.event.topic.starts_with(prefix) && !visit(one)) return {};
    while (idle && idle()) {
    }
    return {};
  }

  NetworkId network{};
  Bytes genesis = Bytes(5'000, 3);
  std::size_t answer_bytes = 0, asked = 0;
  std::map<BlobId, Bytes> blobs;
  std::vector<LedgerEvent> events;
};

}  // namespace hanse::client
