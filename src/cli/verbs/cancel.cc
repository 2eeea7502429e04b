#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/trade/bisect.h"
#include "cli/trade/private_job.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"
#include "exchange/market/audit.h"
#include "node/roles/caller.h"

namespace hanse::cli {

namespace {

// One call of the wallet's account about one job, and what is to be said of the job as it is afterwards.
template <class Call>
Result<plugin::Answer> tell(const plugin::VerbArgs& args, market::Method method, Call call,
                            std::string (*said)(const market::Job& job, Height at)) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  TRY(call.id, parse_job_id(args.get("JOB")));
  TRY(const auto seeds, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
  TRY(const crypto::Identity identity, seeds.identity());
  roles::Caller caller(*session.client, identity, session.info.network);
  TRY(const client::Applied applied, caller.call(method, call));
  TRY(const market::Job job, read_job(session, call.id));
  codec::Json json = job_json(job);
  json.set("height", applied.height.value);
  return plugin::Answer{.json = std::move(json), .text = said(job, applied.height)};
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  return tell(args, market::Method::kJobCancel, market::JobCancel{}, [](const market::Job& job, Height at) {
    return text("job {} is cancelled at height {}", job.bid.job_id, at.value);
  });
}

// Why a receipt that was looked into is not challenged.
plugin::Answer not_challenged(const trade::Doubt& doubt) {
  codec::Json json = codec::Json::object();
  json.set("challenged", false).set("finding", doubt.finding.holds ? "no_difference" : "unsure");
  json.set("steps", doubt.finding.steps);
  return {.json = std::move(json),
          .text = doubt.finding.holds ? "no difference: not challenged"
                                      : "the work depends on its machine: nothing can be said, not challenged",
          .exit = 1};
}

Status reveal(const plugin::VerbArgs& args) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  TRY(const JobId id, parse_job_id(args.get("JOB")));
  TRY(const market::Job job, read_job(session, id));
  TRY(const auto wallet, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
  return trade::reveal_inputs(*session.client, wallet, job);
}

Result<plugin::Answer> challenge(const plugin::VerbArgs& args, plugin::Talk& talk) {
  if (args.has("reveal")) TRY_OK(reveal(args));
  market::JobChallenge call;
  std::optional<trade::Doubt> doubt;
  if (args.has("bisect")) {
    TRY(const Way way, asking_way(args));
    TRY(Session session, open_session(args, way));
    TRY(const JobId id, parse_job_id(args.get("JOB")));
    talk.say("doing the work again");
    TRY(doubt, trade::look_into(*session.client, id));
    if (doubt->finding.holds != false) return not_challenged(*doubt);
    call.witness = doubt->witness;
  }
  TRY(plugin::Answer answer, tell(args, market::Method::kJobChallenge, call, [](const market::Job& job, Height) {
        return text("the receipt of job {} is audited, verdicts until height {}", job.bid.job_id, job.deadline.value);
      }));
  if (!doubt) return answer;
  answer.json.set("challenged", true).set("steps", doubt->finding.steps);
  if (!doubt->finding.witness) {
    answer.text += "\nit is false; no single step can be shown, so the whole work will be done again";
    return answer;
  }
  const std::uint32_t place = doubt->finding.witness->place;
  answer.json.set("step", place).set("witness", codec::to_hex(doubt->witness.view()));
  answer.text += place == 0 ? text("\nthe state before step 1 of {} is false", doubt->finding.steps)
                            : text("\nstep {} of {} does not lead where the receipt says", place, doubt->finding.steps);
  return answer;
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

std::vector<plugin::VerbOption> challenge_options() {
  auto options = job_options();
  options.insert(options.begin() + 1,
                 {.name = "--reveal",
                  .value = {},
                  .help = "of a private job: publish its inputs, without which validators can say nothing",
                  .fallback = {}});
  options.insert(
      options.begin() + 1,
      {.name = "--bisect", .value = {}, .help = "do the work here first; find the false step", .fallback = {}});
  return options;
}

}  // namespace

plugin::Verb challenge_verb() {
  return {.name = "challenge",
          .summary = "stake a deposit on a receipt being false: validators do the work again",
          .details =
              "Until the receipt is settled, where the network has auditors. A false receipt costs its provider "
              "the bond; half\nof it, at most the job's price, is yours. A receipt that holds costs you the "
              "deposit.\nWith --bisect this machine does the work first, and challenges only a receipt that is false; "
              "of work in\nsteps it names the step that is, so that validators do that one alone.\n"
              "Examples:\n  hanse challenge 4f2a… --dir net\n  hanse challenge 4f2a… --dir net --bisect",
          .options = challenge_options(),
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
