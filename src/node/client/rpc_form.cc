#include "node/client/rpc_form.h"

#include "base/core/text.h"
#include "node/client/rpc_error.h"

#include "hanse/node/v1/node.pb.h"

namespace hanse::client {

namespace wire = hanse::node::v1;

void put_tx(wire::SubmitRequest& out, const ledger::Tx& tx) {
  out.set_app(tx.app);
  out.set_body(tx.body.data(), tx.body.size());
}

Result<ledger::Tx> take_tx(const wire::SubmitRequest& request) {
  const auto bad = [](std::string_view message) { return fail(Kind::kInvalid, "api.bad_request", message); };
  if (request.app() > 255) return bad(text("found app {}, expected at most 255", request.app()));
  if (request.body().size() > ledger::kTxBytesMax)
    return bad(text("found a body of {} bytes, expected at most {}", request.body().size(), ledger::kTxBytesMax));
  return ledger::Tx{.app = static_cast<std::uint8_t>(request.app()), .body = to_bytes(request.body())};
}

void put_info(wire::InfoReply& out, const NodeInfo& info) {
  out.set_version(info.version);
  out.set_network(info.network.data.data(), info.network.data.size());
  out.set_genesis(info.genesis.data(), info.genesis.size());
  out.set_node_id(info.node_id);
  for (const auto& role : info.roles) out.add_roles(role);
  out.set_height(info.height.value);
}

Result<NodeInfo> take_info(const wire::InfoReply& reply) {
  NodeInfo out;
  out.version = reply.version();
  if (!NetworkId::from(as_bytes(reply.network()), out.network))
    return fail(Kind::kCorrupt, "client.bad_reply",
                text("found {} bytes for the network, expected {}", reply.network().size(), NetworkId::kSize));
  out.genesis = to_bytes(reply.genesis());
  out.node_id = reply.node_id();
  out.roles.assign(reply.roles().begin(), reply.roles().end());
  out.height = Height{reply.height()};
  return out;
}

void put_event(wire::Event& out, const ledger::Event& event) {
  out.set_topic(event.topic);
  out.set_data(event.data.data(), event.data.size());
}

void put_applied(wire::SubmitReply& out, const Applied& applied) {
  out.set_tx_id(applied.tx_id.data.data(), applied.tx_id.data.size());
  out.set_height(applied.height.value);
  auto* const result = out.mutable_result();
  result->set_code(applied.result.code);
  result->set_error_id(applied.result.error_id);
  result->set_message(applied.result.message);
  result->set_path(applied.result.path);
  result->set_data(applied.result.data.data(), applied.result.data.size());
  for (const auto& event : applied.result.events) put_event(*result->add_events(), event);
}

Result<Applied> take_applied(const wire::SubmitReply& reply) {
  Applied out;
  if (!Hash32::from(as_bytes(reply.tx_id()), out.tx_id))
    return fail(Kind::kCorrupt, "client.bad_reply",
                text("found {} bytes for the transaction id, expected {}", reply.tx_id().size(), Hash32::kSize));
  out.height = Height{reply.height()};
  const auto& r = reply.result();
  out.result = {.code = r.code(),
                .error_id = r.error_id(),
                .message = r.message(),
                .path = r.path(),
                .data = to_bytes(r.data()),
                .events = {}};
  for (const auto& e : r.events()) out.result.events.push_back({.topic = e.topic(), .data = to_bytes(e.data())});
  return out;
}

void put_outcome(wire::NumberedOutcome& out, std::uint64_t number, const Result<Applied>& outcome) {
  out.set_number(number);
  if (outcome) {
    put_applied(*out.mutable_applied(), *outcome);
  } else {
    put_error(*out.mutable_error(), outcome.error());
  }
}

Result<Applied> take_outcome(const wire::NumberedOutcome& outcome) {
  if (outcome.has_applied()) return take_applied(outcome.applied());
  TRY(auto error, take_error(outcome.error()));
  return std::unexpected(std::move(error));
}

}  // namespace hanse::client
