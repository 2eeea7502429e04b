// A sealed job from its commit to what became of it, for a person's program that may be killed at any point.
// Before anything is sent, salt, job and the very transaction of the commit are written to a file of mode 0600 in the
// folder "sealed" beside the wallet. Sending those bytes again gives the ledger's first answer again, so whoever holds
// the file can finish: ask for the place, wait for the reveal phase, reveal. Layout: proto/records/market.md.
// Threads: one at a time. Limits: kKeptMax files a folder.
// Errors: trade.file (corrupt), trade.too_late (timeout: the reveal phase is over), trade.kept (exhausted: too many
// files), cli.wait (timeout), those of client, fs and the market.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/plugin/verb.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/sealed.h"
#include "node/client/client.h"

namespace hanse::trade {

constexpr std::size_t kKeptMax = 10'000;

struct SealedJob {
  NetworkId network;
  market::Salt salt;
  Bytes gxf;
  Bytes commit_tx;  // body of the transaction to the market
  std::vector<std::string> output_names;
  friend bool operator==(const SealedJob&, const SealedJob&) = default;
};
Bytes encode_sealed_job(const SealedJob& sealed);
Result<SealedJob> decode_sealed_job(ByteView bytes);

// The job is signed by the payer and has the nonce that the commit will use. Asks the node for the market's parameters.
Result<SealedJob> seal(client::Client& client, const gxf::Job& job, const crypto::Identity& payer, Height now,
                       Random& random);

std::string sealed_folder(const std::string& wallet_path);
Status keep(Fs& fs, const std::string& folder, const SealedJob& sealed);
Status forget(Fs& fs, const std::string& folder, const SealedJob& sealed);  // a file that is gone is fine
Result<std::vector<SealedJob>> kept(Fs& fs, const std::string& folder);     // no folder: none

Result<market::CommitPlace> commit(client::Client& client, const SealedJob& sealed);
// Waits for the reveal phase and reveals; fine when that was done before. Gives the height it was applied at.
Result<Height> reveal(client::Client& client, const SealedJob& sealed, const market::CommitPlace& place,
                      plugin::Talk& talk);

struct Fate {
  Height height;                      // of the clearing
  std::optional<market::BidEnd> end;  // why it found nothing; without, it is matched
};
// Waits until the round is cleared.
Result<Fate> fate(client::Client& client, const JobId& id, const market::CommitPlace& place, std::int64_t wait_ms,
                  plugin::Talk& talk);

}  // namespace hanse::trade
