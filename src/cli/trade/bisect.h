// What a challenger does at home before a deposit is spent: the work of a receipted job again, in sandboxed workers of
// this machine, and the comparison with the receipt (exchange/flow/audit_flow.h).
// Errors: those of flow, of the pool and of the client.
#pragma once

#include "exchange/flow/audit_flow.h"
#include "node/client/client.h"

namespace hanse::trade {

struct Doubt {
  flow::Finding finding;
  BlobId witness;  // stored on the node; zero when the finding has none
};
Result<Doubt> look_into(client::Client& client, const JobId& id);

}  // namespace hanse::trade
