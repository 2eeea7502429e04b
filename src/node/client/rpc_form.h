// What client and api share of protobuf: transactions and outcomes as messages and back. Only their .cc files include
// it. Errors: client.bad_reply (corrupt), api.bad_request (invalid: what a caller sent).
#pragma once

#include "node/client/client.h"

namespace hanse::node::v1 {
class Event;
class InfoReply;
class NumberedOutcome;
class SubmitReply;
class SubmitRequest;
}  // namespace hanse::node::v1

namespace hanse::client {

void put_tx(hanse::node::v1::SubmitRequest& out, const ledger::Tx& tx);
Result<ledger::Tx> take_tx(const hanse::node::v1::SubmitRequest& request);

void put_info(hanse::node::v1::InfoReply& out, const NodeInfo& info);
Result<NodeInfo> take_info(const hanse::node::v1::InfoReply& reply);

void put_event(hanse::node::v1::Event& out, const ledger::Event& event);
void put_applied(hanse::node::v1::SubmitReply& out, const Applied& applied);
Result<Applied> take_applied(const hanse::node::v1::SubmitReply& reply);

void put_outcome(hanse::node::v1::NumberedOutcome& out, std::uint64_t number, const Result<Applied>& outcome);
Result<Applied> take_outcome(const hanse::node::v1::NumberedOutcome& outcome);

}  // namespace hanse::client
