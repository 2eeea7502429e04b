#include <poll.h>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "cli/trade/private_job.h"
#include "cli/trade/sealed_job.h"
#include "cli/verbs/job_result.h"
#include "cli/verbs/render.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"
#include "exchange/gxf/job_file.h"
#include "exchange/receipt/bundle.h"
#include "node/client/carried.h"
#include "node/roles/caller.h"

namespace hanse::cli {

namespace {

constexpr std::size_t kUploadMax = 64u << 20;
constexpr int kNonceTries = 5;
constexpr std::uint64_t kRepeatMax = 10'000;
constexpr int kRepeatPauseMs = 200;  // before an order is tried again

// A job ready to go: its bytes, and what the job file called its outputs.
struct Prepared {
  Bytes gxf;
  gxf::Job job;
  std::vector<std::string> output_names;
  std::optional<payload::JobSecret> secret = {};  // of a private job
};

struct Payer {
  crypto::KeySeeds wallet;
  crypto::Identity identity;
};

Result<Payer> open_payer(const Session& session, const plugin::VerbArgs& args) {
  TRY(auto wallet, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
  TRY(auto identity, wallet.identity());
  return Payer{.wallet = std::move(wallet), .identity = std::move(identity)};
}

// What a job file names. The inputs of a private job stay here, and have no id before the job has its nonce.
struct Uploads {
  std::vector<gxf::UploadedBlob> blobs;
  std::vector<Bytes> hidden;  // in the order of the inputs
};

Status apply_options(const plugin::VerbArgs& args, gxf::Job& job) {
  TRY(const std::uint64_t priority, args.number("priority", job.priority, 255));
  TRY(const std::uint64_t limit, args.number("limit", job.limit_total.value));
  job.priority = static_cast<std::uint8_t>(priority);
  job.limit_total = Amount{limit};
  if (args.has("lane")) {
    const std::string_view lane = args.get("lane");
    if (lane != "auto" && lane != "flash" && lane != "deep" && lane != "direct")
      return fail(Kind::kInvalid, "cli.usage", text("found lane '{}', expected auto, flash, deep or direct", lane));
    if (lane != "direct")
      job.lane = lane == "flash" ? gxf::Lane::kFlash : lane == "deep" ? gxf::Lane::kDeep : gxf::Lane::kAuto;
  }
  if (args.has("regions")) {
    job.region_mask = 0;
    std::string_view rest = args.get("regions");
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      const std::string_view name = rest.substr(0, comma);
      const gxf::Region* region = gxf::find_region(name);
      if (region == nullptr)
        return fail(Kind::kInvalid, "cli.usage", text("found region '{}', expected names such as EU,US", name));
      job.region_mask |= std::uint64_t{1} << region->bit;
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return {};
}

// Reads the uploads and, unless this is a dry run, puts into the node's store what it does not have.
Result<Uploads> upload(Session& session, const gxf::JobDraft& draft, bool send, plugin::Talk& talk) {
  Uploads out;
  auto& blobs = out.blobs;
  for (const auto& each : draft.uploads) {
    TRY(Bytes bytes, gxf::read_upload(real_fs(), each, kUploadMax));
    if (draft.job.is_private() && each.use == gxf::UploadUse::kInput) {
      blobs.emplace_back();
      out.hidden.push_back(std::move(bytes));
      continue;
    }
    blobs.push_back({.id = crypto::blob_id(bytes), .size_bytes = bytes.size()});
    if (!send) continue;
    TRY(const bool present, session.client->has_blob(blobs.back().id));
    if (present) continue;
    talk.progress(text("uploading {} ({} bytes)", each.path.empty() ? "literal input" : each.path, bytes.size()));
    TRY_OK(session.client->put_blob(bytes));
  }
  return out;
}

Result<Prepared> sign_with(const gxf::JobDraft& draft, const Uploads& uploads, const Payer& payer,
                           const gxf::FinishOptions& options) {
  Prepared prepared{.gxf = {}, .job = {}, .output_names = draft.output_names};
  auto blobs = uploads.blobs;
  if (draft.job.is_private()) {
    prepared.secret = trade::secret_of(payer.wallet, options.network, options.nonce);
    std::uint32_t index = 0;
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      if (draft.uploads[i].use != gxf::UploadUse::kInput) continue;
      const Bytes blob = payload::input_blob(*prepared.secret, index, uploads.hidden[index]);
      blobs[i] = {.id = crypto::blob_id(blob), .size_bytes = blob.size()};
      ++index;
    }
  }
  TRY(prepared.job, gxf::finish(draft, blobs, options));
  gxf::sign(prepared.job, payer.identity, gxf::JobSigAlg::kHybrid);
  prepared.gxf = gxf::encode(prepared.job);
  return prepared;
}

// What would fail after the match is refused before it.
Status check_payload(const Session& session, const gxf::Job& job) {
  TRY(const std::size_t size, payload::payload_size(job));
  if (session.way == Way::kDirect || size <= client::kCarriedBlobMax) return {};
  return fail(Kind::kInvalid, "cli.usage",
              text("the payload of this private job has {} bytes, the mix carries {}; --lane direct takes it", size,
                   client::kCarriedBlobMax));
}

Result<Prepared> sign_draft(Session& session, const gxf::JobDraft& draft, const Uploads& blobs, const Payer& payer) {
  TRY(const auto account, read_account(session, payer.identity.id()));
  TRY(session.info, session.client->info());
  TRY(Prepared prepared,
      sign_with(draft, blobs, payer,
                {.network = session.info.network, .nonce = account.nonce + 1, .height = session.info.height}));
  if (prepared.secret) TRY_OK(check_payload(session, prepared.job));
  return prepared;
}

Result<plugin::Answer> dry_run(Session& session, const Prepared& prepared) {
  TRY(const Bytes answer, market_query(session, "quote",
                                       market::encode_query(market::QuoteQuery{.height = session.info.height.plus(1),
                                                                               .gxf = prepared.gxf})));
  TRY(const market::Quote quote, market::decode_quote(answer));
  const std::string provider = codec::encode_id(quote.provider.view());
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(prepared.job.job_id.view())).set("provider", provider);
  json.set("price_ut", quote.price.value).set("limit_ut", prepared.job.limit_total.value).set("sent", false);
  return plugin::Answer{.json = std::move(json),
                        .text = text("would go to {} for {} ut (limit {} ut); nothing was sent", provider,
                                     quote.price.value, prepared.job.limit_total.value)};
}

// The job goes nowhere; what it needs was uploaded.
Result<plugin::Answer> write_job(const plugin::VerbArgs& args, const Prepared& prepared) {
  const std::string path(args.get("write"));
  const Bytes bytes = args.has("unsigned") ? gxf::encode_unsigned(prepared.job) : prepared.gxf;
  TRY_OK(replace_file(real_fs(), path, bytes));
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(prepared.job.job_id.view())).set("file", path).set("sent", false);
  return plugin::Answer{.json = std::move(json), .text = text("job {} is in {}", prepared.job.job_id, path)};
}

Result<client::Applied> send(Session& session, const Prepared& prepared) {
  TRY_OK(session.client->put_blob(prepared.gxf));  // so that its receipt can be put together again later
  TRY(client::Applied applied,
      session.client->submit(
          {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, prepared.gxf)}));
  if (applied.result.code != 0) return std::unexpected(roles::error_of(applied.result));
  return applied;
}

std::string_view lane_name(const gxf::Job& job) { return job.effective_lane() == gxf::Lane::kFlash ? "flash" : "deep"; }

std::string sent_by(const Session& session) {
  return session.way == Way::kDirect ? std::string("directly: the node that took it knows who asked")
                                     : text("through the mix by the {} lane", way_name(session.way));
}

Result<plugin::Answer> submitted_answer(Session& session, const Prepared& prepared, const client::Applied& applied) {
  TRY(const market::Job job, read_job(session, prepared.job.job_id));
  codec::Json json = job_json(job);
  json.set("lane", lane_name(prepared.job)).set("way", way_name(session.way)).set("height", applied.height.value);
  return plugin::Answer{.json = std::move(json),
                        .text = text("job {} goes to {} for {} ut\nsent {}", job.bid.job_id,
                                     codec::encode_id(job.provider.view()), job.price.value, sent_by(session))};
}

Result<plugin::Answer> ended_answer(Session& session, const Prepared& prepared, const market::Job& job,
                                    std::int64_t duration_ms, const std::string& folder) {
  const std::string id = codec::to_hex(job.bid.job_id.view());
  const std::string provider = codec::encode_id(job.provider.view());
  codec::Json json = codec::Json::object();
  json.set("job_id", id)
      .set("provider", provider)
      .set("lane", lane_name(prepared.job))
      .set("way", way_name(session.way))
      .set("price_ut", job.price.value);
  if (!job.result) {
    const std::string_view reason = market::close_reason_name(job.reason);
    json.set("gas", 0).set("status", reason).set("duration_ms", duration_ms);
    json.set("output_hash", {}).set("output", {}).set("receipt", {});
    return plugin::Answer{
        .json = std::move(json), .text = text("job {} ended without a result: {}", id, reason), .exit = 1};
  }
  TRY(const auto outputs, fetch_outputs(session, job,
                                        {.names = prepared.output_names,
                                         .folder = folder + "/outputs",
                                         .secret = prepared.secret ? &*prepared.secret : nullptr}));
  TRY(const FetchedReceipt fetched, fetch_receipt(session, job, prepared.gxf));
  if (!fetched.report.status) return std::unexpected(fetched.report.status.error().clone());
  TRY_OK(real_fs().mkdir(folder + "/receipts"));
  const std::string receipt_path = text("{}/receipts/{}{}", folder, id, receipt::kBundleSuffix);
  TRY_OK(replace_file(real_fs(), receipt_path, fetched.bundle));
  TRY_OK(replace_file(real_fs(), folder + "/receipts/last.receipt", fetched.bundle));

  const auto status = market::run_status_name(job.result->status);
  json.set("gas", job.result->gas).set("status", status).set("duration_ms", duration_ms);
  json.set("output_hash",
           outputs.empty() ? codec::Json() : codec::Json(codec::to_hex(job.result->outputs[0].id.view())));
  json.set("output", outputs.empty() ? codec::Json() : codec::Json(outputs[0]));
  json.set("receipt", receipt_path).set("paid_ut", job.result->paid.value).set("fee_ut", job.result->fee.value);
  codec::Json all = codec::Json::array();
  for (const auto& path : outputs) all.push(path);
  json.set("outputs", std::move(all));
  std::string shown =
      text("job       {}\nstatus    {}\nprovider  {}\nprice     {} ut\ngas       {}\ntime      {} ms\nsent      {}", id,
           status, provider, job.price.value, job.result->gas, duration_ms, sent_by(session));
  for (const auto& path : outputs) shown += "\noutput    " + path;
  shown += "\nreceipt   " + receipt_path;
  return plugin::Answer{
      .json = std::move(json), .text = std::move(shown), .exit = job.result->status == market::RunStatus::kOk ? 0 : 1};
}

// A job as bytes (.gxf) goes as it is: what is wrong with it is for the network to say, unless it is too large to send.
Result<Prepared> read_gxf(const std::string& path) {
  Prepared prepared;
  TRY(prepared.gxf, read_file(real_fs(), path, 16u << 20));
  auto job = gxf::decode(prepared.gxf);
  if (job) {
    prepared.job = std::move(*job);
  } else if (job.error().code() == static_cast<std::uint32_t>(gxf::GxfCode::kTooLarge)) {
    return std::unexpected(std::move(job).error());
  } else {
    prepared.job.lane = gxf::Lane::kFlash;  // it names none that could be read
  }
  return prepared;
}

bool is_nonce_taken(const Error& error) {
  return error.code() == static_cast<std::uint32_t>(gxf::GxfCode::kNonceReused);
}

struct Sent {
  Prepared prepared;
  client::Applied applied;
};

// That of the folder; a node that was named is believed.
Result<light::Genesis> genesis_of(const Session& session) {
  if (session.dir.empty()) return light::decode_genesis(session.info.genesis);
  TRY(const Bytes bytes, read_file(real_fs(), session.dir + "/genesis.cbor", 16u << 20));
  return light::decode_genesis(bytes);
}

// A private job is on its way only when its provider has its payload.
Status finish_match(Session& session, const Payer& payer, const Prepared& prepared, const Uploads& uploads,
                    plugin::Talk& talk) {
  if (!prepared.secret) return {};
  const JobId& id = prepared.job.job_id;
  TRY(const light::Genesis genesis, genesis_of(session));
  return with_context(trade::give_payload(*session.client, genesis, payer.wallet,
                                          {.job = prepared.job, .plaintexts = uploads.hidden}, talk),
                      text("give the payload of job {}, which is matched; hanse cancel {} ends it", id, id));
}

Result<Sent> sign_and_send(Session& session, const plugin::VerbArgs& args, const gxf::JobDraft& draft,
                           plugin::Talk& talk) {
  TRY(const Payer payer, open_payer(session, args));
  TRY(const auto blobs, upload(session, draft, true, talk));
  for (int attempt = 1;; ++attempt) {
    TRY(Prepared prepared, sign_draft(session, draft, blobs, payer));
    auto applied = send(session, prepared);
    if (applied) {
      TRY_OK(finish_match(session, payer, prepared, blobs, talk));
      return Sent{.prepared = std::move(prepared), .applied = std::move(*applied)};
    }
    // Another program of the same account was quicker with this nonce.
    if (!is_nonce_taken(applied.error()) || attempt == kNonceTries) return std::unexpected(std::move(applied).error());
  }
}

// Nobody knows what became of it, or nobody looked: the same bytes again are the same job.
bool may_pass(const Error& error) {
  return error.kind() == Kind::kUnavailable || error.kind() == Kind::kTimeout || error.kind() == Kind::kExhausted;
}

// The job of the file `count` times, each signed anew and in the order of its nonces. What finds no room waits, until
// nothing was taken for wait_ms. The first other refusal ends it: what was taken until then stays taken and is told.
Result<plugin::Answer> run_repeated(Session& session, const plugin::VerbArgs& args, const gxf::JobDraft& draft,
                                    std::uint64_t count, std::int64_t wait_ms, plugin::Talk& talk) {
  TRY(const Payer payer, open_payer(session, args));
  TRY(const auto blobs, upload(session, draft, true, talk));
  TRY(Prepared next, sign_draft(session, draft, blobs, payer));
  std::vector<JobId> taken;
  std::optional<Error> ended;
  std::int64_t progress_ns = system_clock().mono_ns();
  while (!ended && taken.size() < count) {
    auto applied = send(session, next);
    if (applied) {
      taken.push_back(next.job.job_id);
      talk.progress(text("{} of {} jobs are taken", taken.size(), count));
      progress_ns = system_clock().mono_ns();
      TRY(next, sign_with(draft, blobs, payer,
                          {.network = session.info.network, .nonce = next.job.nonce + 1, .height = applied->height}));
      continue;
    }
    const Error& why = applied.error();
    const bool no_room = why.id() == "market.unmatched";
    const bool sign_anew = no_room || is_nonce_taken(why);
    if (system_clock().mono_ns() - progress_ns > wait_ms * 1'000'000 || !(sign_anew || may_pass(why))) {
      ended = std::move(applied).error();
      continue;
    }
    if (!is_nonce_taken(why)) ::poll(nullptr, 0, kRepeatPauseMs);
    if (!sign_anew) continue;
    auto again = sign_draft(session, draft, blobs, payer);
    if (again)
      next = std::move(*again);
    else if (!may_pass(again.error()))
      ended = std::move(again).error();
  }
  const std::uint64_t missing = count - taken.size();
  codec::Json jobs = codec::Json::array();
  std::string lines;
  for (const JobId& id : taken) {
    jobs.push(codec::to_hex(id.view()));
    lines += text("{}\n", id);
  }
  codec::Json json = codec::Json::object();
  json.set("lane", lane_name(next.job)).set("way", way_name(session.way)).set("missing", missing);
  json.set("jobs", std::move(jobs));
  if (ended) json.set("error", ended->str());
  lines +=
      ended ? text("{} of {} were not taken: {}", missing, count, ended->str()) : text("sent {}", sent_by(session));
  return plugin::Answer{.json = std::move(json), .text = std::move(lines), .exit = ended ? 1 : 0};
}

struct SealedSent {
  Prepared prepared;
  market::CommitPlace place;
  Payer payer;
  Uploads uploads;
};

// The file that can finish what is begun here is on disk before anything is sent, and goes when the bid is revealed.
Result<SealedSent> commit_and_reveal(Session& session, const plugin::VerbArgs& args, const gxf::JobDraft& draft,
                                     plugin::Talk& talk) {
  const std::string wallet = wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir);
  const std::string folder = trade::sealed_folder(wallet);
  TRY(Payer payer, open_payer(session, args));
  TRY(auto blobs, upload(session, draft, true, talk));
  for (int attempt = 1;; ++attempt) {
    TRY(Prepared prepared, sign_draft(session, draft, blobs, payer));
    TRY(trade::SealedJob sealed,
        trade::seal(*session.client, prepared.job, payer.identity, session.info.height, system_random()));
    sealed.output_names = prepared.output_names;
    TRY_OK(trade::keep(real_fs(), folder, sealed));
    auto place = trade::commit(*session.client, sealed);
    if (place) {
      TRY_OK(trade::reveal(*session.client, sealed, *place, talk));
      TRY_OK(session.client->put_blob(prepared.gxf));
      TRY_OK(trade::forget(real_fs(), folder, sealed));
      return SealedSent{
          .prepared = std::move(prepared), .place = *place, .payer = std::move(payer), .uploads = std::move(blobs)};
    }
    // Only a refusal is sure to have changed nothing.
    if (place.error().kind() == Kind::kConflict || place.error().kind() == Kind::kExhausted)
      TRY_OK(trade::forget(real_fs(), folder, sealed));
    if (place.error().id() != "ledger.nonce_reused" || attempt == kNonceTries)
      return std::unexpected(std::move(place).error());
  }
}

Result<plugin::Answer> run_sealed(Session& session, const plugin::VerbArgs& args, const gxf::JobDraft& draft,
                                  std::int64_t wait_ms, plugin::Talk& talk) {
  const std::int64_t start_ns = system_clock().mono_ns();
  TRY(const SealedSent sent, commit_and_reveal(session, args, draft, talk));
  const JobId& id = sent.prepared.job.job_id;
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(id.view())).set("round", sent.place.round).set("seq", sent.place.seq);
  json.set("reveal_until", sent.place.reveal_until.value).set("limit_ut", sent.prepared.job.limit_total.value);
  if (!args.has("wait") && !sent.prepared.secret) {
    json.set("state", "revealed");
    return plugin::Answer{.json = std::move(json),
                          .text = text("job {} is bid {} of round {}, cleared at height {}", id, sent.place.seq,
                                       sent.place.round, sent.place.reveal_until.value)};
  }
  TRY(const trade::Fate fate, trade::fate(*session.client, id, sent.place, wait_ms, talk));
  if (fate.end) {
    const std::string_view reason = market::bid_end_name(*fate.end);
    json.set("state", "unmatched").set("reason", reason).set("height", fate.height.value);
    return plugin::Answer{.json = std::move(json),
                          .text = text("job {} found nothing in round {}: {}", id, sent.place.round, reason),
                          .exit = 1};
  }
  TRY_OK(finish_match(session, sent.payer, sent.prepared, sent.uploads, talk));
  if (!args.has("wait")) {
    json.set("state", "matched").set("height", fate.height.value);
    return plugin::Answer{.json = std::move(json),
                          .text = text("job {} is matched in round {}, its payload is given", id, sent.place.round)};
  }
  TRY(const market::Job job, wait_for_job(session, id, fate.height, wait_ms, talk));
  const std::int64_t duration_ms = (system_clock().mono_ns() - start_ns) / 1'000'000;
  TRY(plugin::Answer answer,
      ended_answer(session, sent.prepared, job, duration_ms, session.dir.empty() ? "." : session.dir));
  answer.json.set("round", sent.place.round).set("seq", sent.place.seq);
  return answer;
}

// What an earlier submit of a private job did not come to: the match is there, the payload is not.
Result<plugin::Answer> give_later(Session& session, const plugin::VerbArgs& args, const gxf::JobDraft& draft,
                                  plugin::Talk& talk) {
  TRY(const JobId id, parse_job_id(args.get("payload-of")));
  TRY(const market::Job record, read_job(session, id));
  TRY(const Payer payer, open_payer(session, args));
  TRY(const Uploads uploads, upload(session, draft, false, talk));
  Prepared prepared;
  TRY(prepared.job, trade::ordered_job(*session.client, record));
  prepared.secret = trade::secret_of(payer.wallet, prepared.job.network, prepared.job.nonce);
  TRY_OK(finish_match(session, payer, prepared, uploads, talk));
  TRY(const market::Job given, read_job(session, id));
  return plugin::Answer{.json = job_json(given), .text = text("job {} has its payload", id)};
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk& talk) {
  const std::string path(args.get("FILE"));
  const bool as_bytes_file = path.ends_with(".gxf");
  gxf::JobDraft draft;
  if (!as_bytes_file) {
    TRY(draft, gxf::read_job_file(real_fs(), path));
    TRY_OK(apply_options(args, draft.job));
  }
  Prepared given;  // of a file of bytes
  if (as_bytes_file) {
    TRY(given, read_gxf(path));
  }
  Way way = Way::kDirect;
  if (!args.has("write")) {
    TRY(way, job_way(args, (as_bytes_file ? given.job : draft.job).effective_lane()));
  }
  TRY(Session session, open_session(args, way));
  TRY(const std::uint64_t wait_s, args.number("timeout", 300, 86'400));
  const std::int64_t start_ns = system_clock().mono_ns();

  if (args.has("dry-run") || args.has("write")) {
    Prepared prepared = std::move(given);
    if (!as_bytes_file) {
      TRY(const Payer payer, open_payer(session, args));
      TRY(const auto blobs, upload(session, draft, args.has("write"), talk));
      TRY(prepared, sign_draft(session, draft, blobs, payer));
    }
    return args.has("write") ? write_job(args, prepared) : dry_run(session, prepared);
  }
  if (args.has("payload-of")) return give_later(session, args, draft, talk);
  if (as_bytes_file && given.job.is_private())
    return fail(Kind::kInvalid, "cli.usage", "a private job needs its job file: its inputs are sealed after the match");
  if (args.has("repeat")) {
    TRY(const std::uint64_t count, args.number("repeat", 1, kRepeatMax));
    if (as_bytes_file || args.has("wait") || args.has("sealed") || draft.job.is_private() || count == 0)
      return fail(Kind::kInvalid, "cli.usage",
                  text("--repeat is for 1 to {} orders of a job file that is not private, without --wait and --sealed",
                       kRepeatMax));
    return run_repeated(session, args, draft, count, static_cast<std::int64_t>(wait_s) * 1000, talk);
  }
  if (args.has("sealed")) {
    if (as_bytes_file)
      return fail(Kind::kInvalid, "cli.usage", "--sealed needs a job file: a signed job has its own nonce already");
    return run_sealed(session, args, draft, static_cast<std::int64_t>(wait_s) * 1000, talk);
  }
  Sent sent;
  if (as_bytes_file) {
    sent.prepared = std::move(given);
    TRY(sent.applied, send(session, sent.prepared));
  } else {
    TRY(sent, sign_and_send(session, args, draft, talk));
  }
  if (!args.has("wait")) return submitted_answer(session, sent.prepared, sent.applied);
  TRY(const market::Job job, wait_for_job(session, sent.prepared.job.job_id, sent.applied.height,
                                          static_cast<std::int64_t>(wait_s) * 1000, talk));
  const std::int64_t duration_ms = (system_clock().mono_ns() - start_ns) / 1'000'000;
  return ended_answer(session, sent.prepared, job, duration_ms, session.dir.empty() ? "." : session.dir);
}

}  // namespace

plugin::Verb submit_verb() {
  return {
      .name = "submit",
      .summary = "submit a job and, with --wait, stay until its receipt is here",
      .details =
          "FILE is a job file in YAML or JSON (docs/reference/job_file.md), or a signed job as bytes (.gxf).\n"
          "With --wait, outputs and receipts are written into the network's folder; exit code 1 when the job "
          "itself failed.\nExamples:\n  hanse submit examples/jobs/wordfreq.yaml --dir net --wait\n"
          "  hanse submit job.yaml --dry-run --regions EU,US --limit 5000\n"
          "  hanse submit job.yaml --repeat 100 --lane deep --json",
      .options = {{.name = "FILE", .value = "FILE", .help = "job file", .fallback = {}, .required = true},
                  dir_option(),
                  node_option(),
                  wallet_option(),
                  passphrase_option(),
                  {.name = "--wait", .value = {}, .help = "until the job is settled", .fallback = {}},
                  {.name = "--timeout",
                   .value = "SECONDS",
                   .help = "of --wait, the job goes on; of --repeat, without an order that is taken",
                   .fallback = "300"},
                  {.name = "--dry-run", .value = {}, .help = "say who would take it and for how much", .fallback = {}},
                  {.name = "--repeat",
                   .value = "N",
                   .help = "N orders of the job, each a job of its own; gives their ids",
                   .fallback = {}},
                  {.name = "--write",
                   .value = "FILE",
                   .help = "sign the job, upload what it needs, send nothing",
                   .fallback = {}},
                  {.name = "--unsigned", .value = {}, .help = "of --write: without the signature", .fallback = {}},
                  {.name = "--payload-of",
                   .value = "JOB",
                   .help = "of a private job that is matched: only give its payload, which a submit before did not",
                   .fallback = {}},
                  {.name = "--sealed",
                   .value = {},
                   .help = "as a sealed bid in the next batch round: commit, wait, reveal",
                   .fallback = {}},
                  {.name = "--lane",
                   .value = "LANE",
                   .help = "flash or deep: through the mix or not at all; auto: by priority, where there is no mix "
                           "flash jobs go directly; direct: in the open, flash jobs only",
                   .fallback = {}},
                  mix_option(),
                  {.name = "--priority", .value = "N", .help = "0 to 255", .fallback = {}},
                  {.name = "--limit", .value = "UT", .help = "highest price in micro-tokens", .fallback = {}},
                  {.name = "--regions", .value = "LIST", .help = "such as EU,US", .fallback = {}}},
      .run = run};
}

}  // namespace hanse::cli
