// The bytes that a job needs: its GXF, artifacts and inputs, each checked against its hash, for who runs it and who
// runs it again. Those of a private job come from its payload, or are its input blobs, when its payer has revealed
// them. Errors: flow.awaits_payload (unavailable: it is not given yet), those of exchange/payload, flow.hash (corrupt),
// flow.input_size (invalid), flow.no_kind, flow.too_large (unsupported), those of the ports and of gxf.
#pragma once

#include "exchange/flow/dag.h"
#include "exchange/flow/ports.h"

namespace hanse::flow {

// Inputs, artifacts and declared outputs of one job that are held in memory at once.
constexpr std::uint64_t kJobBytesMax = 1ull << 30;
// Outputs of the whole job by their declared limits: they are journaled as one outcome.
constexpr std::uint64_t kResultBytesMax = runtime::kOutcomeSizeMax - 64 * 1024;

struct JobSources {
  JobMarket& market;
  BlobPort& blobs;
  runtime::Runner& runner;                    // for the kinds it has
  const crypto::KemSecretKey* key = nullptr;  // of the provider, for payloads; who has none needs them revealed
};

Result<Bytes> get_checked(const BlobId& id, std::string_view what, BlobPort& blobs);
// Without artifacts, the job's nodes name none either.
enum class Fetched : std::uint8_t { kAll, kNoArtifacts };
Result<Materials> fetch(const market::Job& record, const JobSources& from, Fetched what = Fetched::kAll);

}  // namespace hanse::flow
