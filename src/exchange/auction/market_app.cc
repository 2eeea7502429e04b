#include "exchange/auction/market_app.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "exchange/auction/escrow.h"
#include "exchange/auction/market_query.h"
#include "exchange/auction/sealed.h"
#include "exchange/auction/supply.h"
#include "exchange/market/calls.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

using ledger::BlockContext;
using ledger::TxResult;
using market::Method;

Result<Method> method_of(const ledger::SignedCall& call) {
  const auto method = static_cast<Method>(call.method);
  if (method < Method::kProviderRegister || method > Method::kJobPayload)
    return fail(Kind::kInvalid, "market.method", text("method {} is unknown, expected 1 to 12", call.method));
  return method;
}

Result<ledger::SignedCall> open_call(ByteView bytes, const BlockContext& context) {
  TRY(ledger::SignedCall call, ledger::decode_call(bytes));
  TRY_OK(ledger::check_call(call, market::kMarketApp, context));
  TRY_OK(method_of(call));
  return call;
}

Result<Bytes> run_call(const ledger::SignedCall& call, const market::Params& params, const BlockContext& context,
                       ledger::State& state, std::vector<ledger::Event>& events) {
  TRY(const Method method, method_of(call));
  Escrow escrow(state, params, context, events);
  switch (method) {
    case Method::kProviderRegister: {
      TRY(const auto args, market::decode_provider_register(call.args));
      TRY_OK(register_provider(state, params, call, args));
      return Bytes{};
    }
    case Method::kProviderUnbond: {
      TRY(const auto args, market::decode_provider_unbond(call.args));
      TRY_OK(unbond_provider(state, params, call.sender, args));
      return Bytes{};
    }
    case Method::kAskPost: {
      TRY(const auto args, market::decode_ask_post(call.args));
      TRY(const market::AskId id, post_ask(state, params, call, context.height, args));
      return to_bytes(id.view());
    }
    case Method::kAskWithdraw: {
      TRY(const auto args, market::decode_ask_withdraw(call.args));
      TRY_OK(withdraw_ask(state, call.sender, args));
      return Bytes{};
    }
    case Method::kJobStart: {
      TRY(const auto args, market::decode_job_start(call.args));
      TRY_OK(escrow.start(call.sender, args));
      return Bytes{};
    }
    case Method::kJobReceipt: {
      TRY(const auto args, market::decode_job_receipt(call.args));
      TRY_OK(escrow.receipt(call.sender, args));
      return Bytes{};
    }
    case Method::kJobCancel: {
      TRY(const auto args, market::decode_job_cancel(call.args));
      TRY_OK(escrow.cancel(call.sender, args));
      return Bytes{};
    }
    case Method::kJobChallenge: {
      TRY(const auto args, market::decode_job_challenge(call.args));
      TRY_OK(escrow.challenge(call.sender, args));
      return Bytes{};
    }
    case Method::kJobVerdict: {
      TRY(const auto args, market::decode_job_verdict(call.args));
      TRY_OK(escrow.verdict(call.sender, args));
      return Bytes{};
    }
    case Method::kProviderKey: {
      TRY(const auto args, market::decode_provider_key(call.args));
      TRY_OK(set_provider_key(state, call.sender, args));
      return Bytes{};
    }
    case Method::kJobPayload: {
      TRY(const auto args, market::decode_job_payload(call.args));
      TRY_OK(escrow.payload(call.sender, args));
      return Bytes{};
    }
    case Method::kCommit: {
      TRY(const auto args, market::decode_commit(call.args));
      TRY(const auto place, SealedBids(state, params, context, events).commit(call, args));
      return market::encode_commit_place(place);
    }
  }
  return Bytes{};
}

// An order that found no ask is an answer with data, not only an error.
struct Order {
  Bytes data;
  std::optional<market::Unmatched> unmatched;
};

std::unexpected<Error> nonce_reused(const gxf::Job& job, const ledger::Account& account) {
  return gxf::fail_gxf(gxf::GxfCode::kNonceReused, "nonce",
                       text("found nonce {} of {}, expected more than {}", job.nonce, job.payer, account.nonce));
}

Result<Order> run_job(ByteView gxf_bytes, const market::Params& params, const BlockContext& context,
                      ledger::State& state, std::vector<ledger::Event>& events) {
  TRY(const gxf::Job job, gxf::validate(gxf_bytes, context.height, job_params(params, context.network)));
  TRY(const market::Bid bid, bid_of(job, params));
  TRY(const std::optional<market::Job> known, find_job(state, job.job_id));
  if (known) return fail(Kind::kConflict, "market.job_exists", text("job {} was ordered before", job.job_id));
  TRY(const ledger::Account account, ledger::read_account(state, job.payer));
  if (job.nonce <= account.nonce) return nonce_reused(job, account);
  TRY_OK(ledger::use_nonce(state, job.payer, job.nonce));
  const MatchContext match_context{
      .height = context.height, .beacon = context.beacon, .bond = params.bond, .excluded = std::nullopt};
  TRY(const auto found, match_in(state, bid, match_context));
  if (const auto* unmatched = std::get_if<market::Unmatched>(&found))
    return Order{.data = market::encode_unmatched(*unmatched), .unmatched = *unmatched};
  const Match& match = std::get<Match>(found);
  Escrow escrow(state, params, context, events);
  TRY_OK(escrow.open({.bid = bid,
                      .gxf_hash = crypto::blob_id(gxf_bytes),
                      .gas_limit = gas_limit_of(job),
                      .outputs = static_cast<std::uint32_t>(job.outputs.size()),
                      .audit = job.audit,
                      .round = 0,
                      .spread = {},
                      .held = {}},
                     match));
  state.put(market::gxf_key(job.job_id), gxf_bytes);
  const market::Quote quote{.provider = match.offer.ask.provider, .ask_id = match.offer.ask.id, .price = match.price};
  return Order{.data = market::encode_quote(quote), .unmatched = std::nullopt};
}

TxResult unmatched_result(const Order& order) {
  const bool cut = order.unmatched->scan_limit;
  TxResult result = ledger::failed(
      cut ? Error(Kind::kExhausted, "market.unmatched_scan_limit",
                  text("no fit among the {} cheapest asks of a list; {}", kScanMax, order.unmatched->str()))
          : Error(Kind::kConflict, "market.unmatched", order.unmatched->str()));
  result.data = order.data;
  return result;
}

class MarketApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return market::kMarketApp; }
  std::string_view name() const override { return "market"; }

  Status genesis(ByteView section, const NetworkId&, ledger::State& state) override {
    market::Params params;
    if (!section.empty()) {
      TRY(params, market::decode_params(section));
    }
    state.put(as_bytes(market::kParamsKey), market::encode_params(params));
    write_totals(state, {});
    return {};
  }

  Status check(const ledger::Tx& tx, const BlockContext& next, const ledger::StateReader& state) const override {
    TRY(const market::Body body, market::decode_body(tx.body));
    if (body.kind == market::BodyKind::kCall) {
      TRY(const ledger::SignedCall call, open_call(body.bytes, next));
      TRY(const ledger::Account account, ledger::read_account(state, call.sender));
      if (call.nonce > account.nonce) return {};
      return fail(Kind::kConflict, "ledger.nonce_reused",
                  text("found nonce {} of {}, expected more than {}", call.nonce, call.sender, account.nonce));
    }
    TRY(const market::Params params, read_params(state));
    if (body.kind == market::BodyKind::kReveal) {
      TRY(const auto reveal, market::decode_reveal(body.bytes));
      TRY_OK(open_reveal(state, params, next.network, next.height, reveal));
      return {};
    }
    TRY(const gxf::Job job, gxf::validate(body.bytes, next.height, job_params(params, next.network)));
    TRY_OK(bid_of(job, params));
    TRY(const ledger::Account account, ledger::read_account(state, job.payer));
    if (job.nonce <= account.nonce) return nonce_reused(job, account);
    return {};
  }

  Status begin(const BlockContext&, ledger::State&) override { return {}; }

  TxResult apply(const ledger::Tx& tx, const BlockContext& context, ledger::State& state) override {
    ledger::Overlay overlay(state);
    auto result = apply_on(tx, context, overlay);
    if (!result) return ledger::failed(result.error());
    if (result->code == 0) overlay.commit_to(state);
    return *std::move(result);
  }

  Result<ledger::EndResult> end(const BlockContext& context, ledger::State& state) override {
    ledger::EndResult result;
    TRY(const market::Params params, read_params(state));
    TRY(const std::vector<JobId> due, due_jobs(state, context.height, kDueMax));
    Escrow escrow(state, params, context, result.events);
    for (const JobId& id : due) TRY_OK(escrow.deadline(id));
    TRY_OK(SealedBids(state, params, context, result.events).end());
    TRY(const bool deadline, any_deadline(state));
    TRY(const bool round, any_round_open(state));
    result.wants_block = deadline || round;
    const Status conserved = check_conservation(state);
    hanse::check(conserved.has_value(), conserved ? "money is conserved" : conserved.error().message());
    return result;
  }

  Result<Bytes> query(std::string_view path, ByteView argument, const ledger::StateReader& state) const override {
    return answer_query(path, argument, state);
  }

  std::optional<AccountId> payer(const ledger::Tx& tx) const override {
    const auto body = market::decode_body(tx.body);
    if (!body) return std::nullopt;
    if (body->kind == market::BodyKind::kCall) {
      const auto call = ledger::decode_call(body->bytes);
      return call ? std::optional(call->sender) : std::nullopt;
    }
    Bytes revealed;
    if (body->kind == market::BodyKind::kReveal) {
      auto reveal = market::decode_reveal(body->bytes);
      if (!reveal) return std::nullopt;
      revealed = std::move(reveal->gxf);
    }
    const auto job = gxf::decode(body->kind == market::BodyKind::kJob ? body->bytes : ByteView(revealed));
    return job ? std::optional(job->payer) : std::nullopt;
  }

 private:
  static Result<TxResult> apply_on(const ledger::Tx& tx, const BlockContext& context, ledger::State& state) {
    TRY(const market::Body body, market::decode_body(tx.body));
    TRY(const market::Params params, read_params(state));
    TxResult result;
    if (body.kind == market::BodyKind::kJob) {
      TRY(const Order order, run_job(body.bytes, params, context, state, result.events));
      if (order.unmatched) return unmatched_result(order);
      result.data = order.data;
      return result;
    }
    if (body.kind == market::BodyKind::kReveal) {
      TRY(const auto reveal, market::decode_reveal(body.bytes));
      TRY_OK(SealedBids(state, params, context, result.events).reveal(reveal));
      return result;
    }
    TRY(const ledger::SignedCall call, open_call(body.bytes, context));
    TRY_OK(ledger::use_nonce(state, call.sender, call.nonce));
    TRY(result.data, run_call(call, params, context, state, result.events));
    return result;
  }
};

}  // namespace

std::unique_ptr<ledger::App> make_market_app() { return std::make_unique<MarketApp>(); }

}  // namespace hanse::auction
