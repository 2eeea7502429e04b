#include "cli/trade/private_job.h"

#include <poll.h>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/light/light_proof.h"
#include "exchange/market/keys.h"
#include "node/roles/caller.h"

namespace hanse::trade {

namespace {

constexpr std::int64_t kProofWaitMs = 60'000;
constexpr int kProofPauseMs = 200;

// What the ledger has under a key, once a certified block has it.
Result<Bytes> proven(client::Client& client, const light::Genesis& genesis, ByteView key) {
  const std::int64_t start_ns = system_clock().mono_ns();
  for (;;) {
    TRY(const Bytes bytes, client.prove(key));
    TRY(const light::LightProof proof, light::decode_light_proof(bytes));
    TRY_OK(light::verify(proof, light::trust(genesis), {}));
    if (!equal(proof.key, key))
      return fail(Kind::kDenied, "trade.other_proof",
                  text("the node proved the record {}, expected {}", ByteView(proof.key), key));
    if (proof.value) return *proof.value;
    const std::int64_t waited_ms = (system_clock().mono_ns() - start_ns) / 1'000'000;
    if (waited_ms > kProofWaitMs)
      return fail(Kind::kTimeout, "trade.match", text("no certified block has {} after {} ms", key, waited_ms));
    ::poll(nullptr, 0, kProofPauseMs);
  }
}

}  // namespace

payload::JobSecret secret_of(const crypto::KeySeeds& wallet, const NetworkId& network, std::uint64_t nonce) {
  return payload::job_secret(wallet.kem.view(), network, nonce);
}

Status give_payload(client::Client& client, const light::Genesis& genesis, const crypto::KeySeeds& wallet,
                    const PrivateJob& order, plugin::Talk& talk) {
  const gxf::Job& job = order.job;
  TRY(const Bytes record_bytes, proven(client, genesis, market::job_key(job.job_id)));
  TRY(const market::Job record, market::decode_job(record_bytes));
  if (record.payload) return {};
  TRY(Bytes key, proven(client, genesis, market::payload_key_key(record.provider)));
  TRY(const Bytes sealed, payload::seal(job, secret_of(wallet, job.network, job.nonce), order.plaintexts,
                                        record.provider, {.alg = crypto::KemAlg::kMlKem1024, .bytes = std::move(key)}));
  talk.progress(text("giving the provider a payload of {} bytes", sealed.size()));
  TRY(const BlobId blob, client.put_blob(sealed));
  TRY(const crypto::Identity payer, wallet.identity());
  roles::Caller caller(client, payer, job.network);
  TRY_OK(caller.call(market::Method::kJobPayload, market::JobPayload{.id = job.job_id, .blob = blob}));
  return {};
}

Result<gxf::Job> ordered_job(client::Client& client, const market::Job& record) {
  TRY(const Bytes bytes, record.ended() ? client.get_blob(record.gxf_hash)
                                        : client.query(market::kMarketApp, "gxf", record.bid.job_id.view()));
  if (const BlobId found = crypto::blob_id(bytes); found != record.gxf_hash)
    return fail(Kind::kCorrupt, "trade.other_job",
                text("the job's bytes hash to {}, the ledger says {}", found, record.gxf_hash));
  return gxf::decode(bytes);
}

Status reveal_inputs(client::Client& client, const crypto::KeySeeds& wallet, const market::Job& record) {
  if (!record.payload)
    return fail(Kind::kConflict, "trade.no_payload",
                text("job {} has no payload, so nothing is to be revealed", record.bid.job_id));
  TRY(const gxf::Job job, ordered_job(client, record));
  TRY(Bytes key, client.query(market::kMarketApp, "provider_key", record.provider.view()));
  TRY(const Bytes sealed, client.get_blob(*record.payload));
  TRY(const payload::Opened opened,
      payload::open_own(job, sealed, record.provider, secret_of(wallet, job.network, job.nonce),
                        {.alg = crypto::KemAlg::kMlKem1024, .bytes = std::move(key)}));
  for (const Bytes& blob : opened.blobs) TRY_OK(client.put_blob(blob));
  return {};
}

}  // namespace hanse::trade
