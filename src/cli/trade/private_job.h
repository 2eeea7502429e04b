// What the payer of a private job does beside ordering it (exchange/payload): gives the provider its payload after the
// match, and reveals the inputs to auditors. All of it needs the wallet and the ledger, nothing that was stored.
// The match, the provider and its key are believed by proof from the genesis, so that no node can put its own key
// there. Threads: the caller's; blocks on the node. Errors: trade.match (timeout: no certified block has the match
// yet), trade.other_proof (denied: the node proved another record), trade.no_payload (conflict: nothing is to be
// revealed), trade.other_job (corrupt: the node gave another job), those of the client, light and payload.
#pragma once

#include "base/crypto/keyfile.h"
#include "base/plugin/verb.h"
#include "chain/light/genesis.h"
#include "exchange/market/calls.h"
#include "exchange/payload/payload.h"
#include "node/client/client.h"

namespace hanse::trade {

payload::JobSecret secret_of(const crypto::KeySeeds& wallet, const NetworkId& network, std::uint64_t nonce);

struct PrivateJob {
  const gxf::Job& job;
  const std::vector<Bytes>& plaintexts;  // of its inputs
};
// Seals, uploads and sends. Given before, nothing is changed.
Status give_payload(client::Client& client, const light::Genesis& genesis, const crypto::KeySeeds& wallet,
                    const PrivateJob& order, plugin::Talk& talk);

// The job as it was ordered.
Result<gxf::Job> ordered_job(client::Client& client, const market::Job& record);

// Puts the inputs into the node's store, for everyone to read.
Status reveal_inputs(client::Client& client, const crypto::KeySeeds& wallet, const market::Job& record);

}  // namespace hanse::trade
