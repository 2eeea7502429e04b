#include "cli/verbs/job_result.h"

#include <poll.h>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/light/genesis.h"
#include "exchange/market/events.h"
#include "exchange/market/keys.h"
#include "exchange/receipt/bundle.h"

namespace hanse::cli {

namespace {

// A stream of events does not go through the mix: the job is asked for again and again.
Result<market::Job> ask_until_ended(Session& session, const JobId& id, std::int64_t wait_ms, plugin::Talk& talk) {
  constexpr int kFlashPauseMs = 200, kDeepPauseMs = 1'000;
  const std::int64_t start_ns = system_clock().mono_ns();
  for (;;) {
    TRY(market::Job job, read_job(session, id));
    if (job.ended()) return job;
    const std::int64_t waited_ms = (system_clock().mono_ns() - start_ns) / 1'000'000;
    const std::string_view state = market::job_state_name(job.state);
    talk.progress(text("job {}: {} ({} s)", id, state, waited_ms / 1'000));
    if (waited_ms > wait_ms)
      return fail(Kind::kTimeout, "cli.wait",
                  text("job {} is still {} after {} ms; it goes on: hanse status {}", id, state, waited_ms, id));
    ::poll(nullptr, 0, session.way == Way::kDeep ? kDeepPauseMs : kFlashPauseMs);
  }
}

}  // namespace

Result<market::Job> wait_for_job(Session& session, const JobId& id, Height from, std::int64_t wait_ms,
                                 plugin::Talk& talk) {
  const std::int64_t start_ns = system_clock().mono_ns();
  const auto waited_ms = [&] { return (system_clock().mono_ns() - start_ns) / 1'000'000; };
  if (session.way != Way::kDirect) return ask_until_ended(session, id, wait_ms, talk);
  bool ended = false;
  std::string state = "matched";
  Status watched = session.client->watch(
      from, "market.",
      [&](const client::LedgerEvent& seen) {
        const auto event = market::decode_event(seen.event.topic, seen.event.data);
        if (!event || event->job_id != id) return true;
        state = seen.event.topic.substr(std::string_view("market.").size());
        talk.progress(text("job {}: {}", id, state));
        ended = event->topic == market::Topic::kSettled || event->topic == market::Topic::kClosed;
        return !ended;
      },
      [&] {
        talk.progress(text("job {}: {} ({} s)", id, state, waited_ms() / 1000));
        return waited_ms() <= wait_ms;
      });
  if (!ended) {
    TRY_OK(std::move(watched));
    return fail(Kind::kTimeout, "cli.wait",
                text("job {} is still {} after {} ms; it goes on: hanse status {}", id, state, waited_ms(), id));
  }
  return read_job(session, id);
}

Result<FetchedReceipt> fetch_receipt(Session& session, const market::Job& job, Bytes gxf) {
  if (!job.result || !job.ended())
    return fail(Kind::kNotFound, "cli.no_receipt",
                text("job {} is {} and has no settled receipt", job.bid.job_id, market::job_state_name(job.state)));
  receipt::ReceiptBundle bundle;
  TRY(bundle.signed_receipt, session.client->get_blob(job.result->receipt_hash));
  bundle.gxf = std::move(gxf);
  if (bundle.gxf.empty()) {
    TRY(bundle.gxf, session.client->get_blob(job.gxf_hash));
  }
  TRY(bundle.job_proof, session.client->prove(market::job_key(job.bid.job_id)));
  TRY(const light::Genesis genesis, light::decode_genesis(session.info.genesis));
  FetchedReceipt fetched;
  fetched.report = receipt::verify(bundle, genesis);
  fetched.bundle = receipt::encode(bundle);
  return fetched;
}

Result<std::vector<std::string>> fetch_outputs(Session& session, const market::Job& job, const OutputFiles& files) {
  const auto& [names, folder, secret] = files;
  std::vector<std::string> paths;
  if (!job.result) return paths;
  TRY_OK(real_fs().mkdir(folder));
  for (std::size_t i = 0; i < job.result->outputs.size(); ++i) {
    const auto& output = job.result->outputs[i];
    TRY(Bytes bytes, session.client->get_blob(output.id));
    if (crypto::blob_id(bytes) != output.id)
      return fail(Kind::kCorrupt, "cli.output",
                  text("output {} hashes to {}, the ledger says {}", i, crypto::blob_id(bytes), output.id));
    if (secret != nullptr) {
      TRY(bytes, payload::open_output(*secret, job.bid.job_id, static_cast<std::uint32_t>(i), bytes));
    }
    const std::string name = i < names.size() && !names[i].empty() ? names[i] : text("{}", i);
    paths.push_back(text("{}/{}.{}", folder, job.bid.job_id, name));
    TRY_OK(replace_file(real_fs(), paths.back(), bytes));
  }
  return paths;
}

}  // namespace hanse::cli
