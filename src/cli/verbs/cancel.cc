#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"
#include "exchange/market/audit.h"
#include "node/roles/caller.h"

namespace hanse::cli {

namespace {

// One call of the wallet's account about one job, and what is to be said of the job as it is afterwards.
template <class Call>
Result<plugin::Answer> tell(const plugin::VerbArgs& args, market::Method method,
                            std::string (*said)(const market::Job& job, Height at)) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  TRY(const JobId id, parse_job_id(args.get("JOB")));
  TRY(const auto seeds, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
  TRY(const crypto::Identity identity, seeds.identity());
  roles::Caller caller(*session.client, identity, session.info.network);
  TRY(const client::Applied applied, caller.call(method, Call{.id = id}));
  TRY(const market::Job job, read_job(session, id));
  codec::Json json = job_json(job);
  json.set("height", applied.height.value);
  return plugin::Answer{.json = std::move(json), .text = said(job, applied.height)};
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  return tell<market::JobCancel>(args, market::Method::kJobCancel, [](const market::Job& job, Height at) {
    return text("job {} is cancelled at height {}", job.bid.job_id, at.value);
  });
}

Result<plugin::Answer> challenge(const plugin::VerbArgs& args, plugin::Talk&) {
  return tell<market::JobChallenge>(args, market::Method::kJobChallenge, [](const market::Job& job, Height) {
    return text("the receipt of job {} is audited, verdicts until height {}", job.bid.job_id, job.deadline.value);
  });
}

std::vector<plugin::VerbOption> job_options() {
  return {{.name = "JOB", .value = "JOB", .help = "job id", .fallback = {}, .required = true},
          dir_option(),
          node_option(),
          wallet_option(),
          passphrase_option(),
          lane_option(),
          mix_option()};
}

}  // namespace

plugin::Verb challenge_verb() {
  return {.name = "challenge",
          .summary = "stake a deposit on a receipt being false: validators do the work again",
          .details =
              "Until the receipt is settled, where the network has auditors. A false receipt costs its provider "
              "the bond; half\nof it, at most the job's price, is yours. A receipt that holds costs you the "
              "deposit.\nExample:\n  hanse challenge 4f2a… --dir net",
          .options = job_options(),
          .run = challenge};
}

plugin::Verb cancel_verb() {
  return {.name = "cancel",
          .summary = "cancel a job that has not started; its escrow comes back",
          .details = "Example:\n  hanse cancel 4f2a… --dir net",
          .options = job_options(),
          .run = run};
}

}  // namespace hanse::cli
