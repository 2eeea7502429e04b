#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "cli/verbs/render.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"

namespace hanse::cli {

namespace {

std::string job_lines(const market::Job& job) {
  std::string out = text("job       {}\nstate     {}", job.bid.job_id, market::job_state_name(job.state));
  if (job.reason != market::CloseReason::kNone) out += text(" ({})", market::close_reason_name(job.reason));
  out += text("\nprovider  {}\nprice     {} ut", codec::encode_id(job.provider.view()), job.price.value);
  if (job.round != 0) out += text("\nround     {}, with a spread of {} ut", job.round, job.spread.value);
  if (job.bid.is_private) out += text("\npayload   {}", payload_word(job));
  if (job.attempt > 0) out += "\nattempt   2 (offered once more after the first provider failed)";
  if (job.result) {
    out += text("\nstatus    {}\ngas       {} of {}\npaid      {} ut", market::run_status_name(job.result->status),
                job.result->gas, job.gas_limit, job.result->paid.value + job.result->fee.value);
    for (const auto& output : job.result->outputs) out += text("\noutput    {}", output.id);
  }
  return out;
}

Result<plugin::Answer> one_job(Session& session, std::string_view shown) {
  TRY(const JobId id, parse_job_id(shown));
  TRY(const market::Job job, read_job(session, id));
  return plugin::Answer{.json = job_json(job), .text = job_lines(job)};
}

struct Money {
  std::uint64_t accounts = 0, supply = 0;
  market::Totals market;
};

Result<std::uint64_t> ask_amount(Session& session, std::string_view path) {
  TRY(const Bytes answer, session.client->query(ledger::kAccountsApp, path, {}));
  codec::CborReader r(answer);
  return r.u64(path);
}

// Three questions that belong together: asked again when a block came in between.
Result<Money> read_money(Session& session) {
  for (int attempt = 1;; ++attempt) {
    TRY(const client::NodeInfo before, session.client->info());
    Money money;
    TRY(money.accounts, ask_amount(session, "total"));
    TRY(money.supply, ask_amount(session, "supply"));
    TRY(const Bytes totals, market_query(session, "totals", {}));
    TRY(money.market, market::decode_totals(totals));
    TRY(const client::NodeInfo after, session.client->info());
    if (before.height == after.height) return money;
    if (attempt == 50)
      return fail(Kind::kUnavailable, "cli.moving",
                  text("the height went from {} to {} between two questions, {} times over", before.height.value,
                       after.height.value, attempt));
  }
}

codec::Json money_json(const Money& money) {
  codec::Json json = codec::Json::object();
  json.set("supply_ut", money.supply).set("accounts_ut", money.accounts).set("escrow_ut", money.market.escrow.value);
  json.set("bonds_ut", money.market.bonds.value).set("treasury_ut", money.market.treasury.value);
  json.set("burned_ut", money.market.burned.value).set("sealed_ut", money.market.sealed.value);
  return json;
}

Result<plugin::Answer> network(Session& session, const plugin::VerbArgs& args) {
  TRY(const AccountId payer, wallet_account(args, session));
  TRY(const market::AccountView account, read_account(session, payer));
  TRY(const Money money, read_money(session));
  TRY(const Bytes jobs_bytes,
      market_query(session, "jobs",
                   market::encode_query(market::JobsQuery{
                       .by = market::JobsBy::kPayer, .account = payer, .after_height = {}, .after_job = {}})));
  TRY(const auto jobs, market::decode_jobs(jobs_bytes));

  codec::Json json = codec::Json::object();
  json.set("network", codec::to_hex(session.info.network.view())).set("height", session.info.height.value);
  json.set("version", session.info.version).set("account", codec::encode_id(payer.view()));
  json.set("balance_ut", account.balance.value).set("money", money_json(money));
  codec::Json list = codec::Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& job : jobs) {
    list.push(job_json(job));
    rows.push_back({codec::to_hex(job.bid.job_id.view()), std::string(market::job_state_name(job.state)),
                    job.result ? std::string(market::run_status_name(job.result->status))
                               : std::string(market::close_reason_name(job.reason)),
                    codec::encode_id(job.provider.view()).substr(0, 20), text("{}", job.price.value)});
  }
  json.set("jobs", std::move(list));
  std::string out = text("network   {}\nheight    {}\naccount   {}\nbalance   {} ut\nescrow    {} ut of all jobs",
                         session.info.network, session.info.height.value, codec::encode_id(payer.view()),
                         account.balance.value, money.market.escrow.value);
  if (!rows.empty()) out += "\n\n" + table({"job", "state", "outcome", "provider", "price ut"}, rows);
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  if (args.has("JOB")) return one_job(session, args.get("JOB"));
  return network(session, args);
}

}  // namespace

plugin::Verb status_verb() {
  return {.name = "status",
          .summary = "the network, the wallet's balance and its jobs, or one job",
          .details = "Examples:\n  hanse status --dir net\n  hanse status 4f2a… --dir net --json",
          .options = {{.name = "JOB",
                       .value = "JOB",
                       .help = "job id; without it: the network and the wallet's jobs",
                       .fallback = {}},
                      dir_option(),
                      node_option(),
                      wallet_option(),
                      lane_option(),
                      mix_option()},
          .run = run};
}

}  // namespace hanse::cli
