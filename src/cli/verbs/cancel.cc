#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"
#include "exchange/market/audit.h"
#include "node/roles/caller.h"

namespace hanse::cli {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  TRY(const JobId id, parse_job_id(args.get("JOB")));
  TRY(const auto seeds, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
  TRY(const crypto::Identity payer, seeds.identity());
  roles::Caller caller(*session.client, payer, session.info.network);
  TRY(const client::Applied applied, caller.call(market::Method::kJobCancel, market::JobCancel{.id = id}));
  TRY(const market::Job job, read_job(session, id));
  codec::Json json = job_json(job);
  json.set("height", applied.height.value);
  return plugin::Answer{.json = std::move(json),
                        .text = text("job {} is cancelled at height {}", id, applied.height.value)};
}

Result<plugin::Answer> challenge(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  TRY(const JobId id, parse_job_id(args.get("JOB")));
  TRY(const auto seeds, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
  TRY(const crypto::Identity doubter, seeds.identity());
  roles::Caller caller(*session.client, doubter, session.info.network);
  TRY(const client::Applied applied, caller.call(market::Method::kJobChallenge, market::JobChallenge{.id = id}));
  TRY(const market::Job job, read_job(session, id));
  codec::Json json = job_json(job);
  json.set("height", applied.height.value);
  return plugin::Answer{
      .json = std::move(json),
      .text = text("the receipt of job {} is audited, verdicts until height {}", id, job.deadline.value)};
}

}  // namespace

plugin::Verb challenge_verb() {
  return {.name = "challenge",
          .summary = "stake a deposit on a receipt being false: validators do the work again",
          .details =
              "Until the receipt is settled, where the network has auditors. A false receipt costs its provider the "
              "bond, of "
              "which\nhalf is yours; a receipt that holds costs you the deposit.\n"
              "Example:\n  hanse challenge 4f2a… --dir net",
          .options = {{.name = "JOB", .value = "JOB", .help = "job id", .fallback = {}, .required = true},
                      dir_option(),
                      node_option(),
                      wallet_option(),
                      passphrase_option(),
                      lane_option(),
                      mix_option()},
          .run = challenge};
}

plugin::Verb cancel_verb() {
  return {.name = "cancel",
          .summary = "cancel a job that has not started; its escrow comes back",
          .details = "Example:\n  hanse cancel 4f2a… --dir net",
          .options = {{.name = "JOB", .value = "JOB", .help = "job id", .fallback = {}, .required = true},
                      dir_option(),
                      node_option(),
                      wallet_option(),
                      passphrase_option(),
                      lane_option(),
                      mix_option()},
          .run = run};
}

}  // namespace hanse::cli
