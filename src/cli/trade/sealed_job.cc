#include "cli/trade/sealed_job.h"

#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "chain/ledger/call.h"
#include "exchange/auction/match.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "node/roles/caller.h"

namespace hanse::trade {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kExpiresBlocks = 600;
constexpr std::size_t kFileMax = 256 * 1024, kNameMax = 256, kTxMax = 64 * 1024;
constexpr std::string_view kSuffix = ".bid";
constexpr int kTries = 4;

std::string path_of(const std::string& folder, const SealedJob& sealed) {
  const auto job = gxf::decode(sealed.gxf);
  return text("{}/{}{}", folder, job ? job->job_id : JobId{}, kSuffix);
}

// What the ledger says to a transaction, be it before or after it is in a block. An unknown outcome is asked for again.
Result<client::Applied> submit(client::Client& client, const ledger::Tx& tx) {
  for (int attempt = 1;; ++attempt) {
    auto applied = client.submit(tx);
    if (applied && applied->result.code != 0) return std::unexpected(roles::error_of(applied->result));
    const bool unknown =
        !applied && (applied.error().kind() == Kind::kTimeout || (applied.error().kind() == Kind::kUnavailable));
    if (!unknown || attempt == kTries) return applied;
  }
}

// Until the newest block is at `height`; asks now and then.
Result<Height> wait_height(client::Client& client, Height height, std::string_view what, plugin::Talk& talk) {
  TRY(auto info, client.info());
  Status asked;
  while (info.height < height) {
    TRY_OK(client.watch(
        info.height.plus(1), "market.none", [](const auto&) { return true; },
        [&] {
          auto now = client.info();
          if (!now) {
            asked = std::unexpected(std::move(now).error());
            return false;
          }
          info = *std::move(now);
          talk.progress(text("{}: height {} of {}", what, info.height.value, height.value));
          return info.height < height;
        }));
    TRY_OK(std::move(asked));
  }
  return info.height;
}

}  // namespace

Bytes encode_sealed_job(const SealedJob& sealed) {
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.bytes(sealed.network.view());
  w.key(2);
  w.bytes(sealed.salt.view());
  w.key(3);
  w.bytes(sealed.gxf);
  w.key(4);
  w.bytes(sealed.commit_tx);
  w.key(5);
  w.array(sealed.output_names.size());
  for (const std::string& name : sealed.output_names) w.bytes(as_bytes(name));
  return w.take();
}

Result<SealedJob> decode_sealed_job(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kFileMax, .depth_max = 3});
  const auto key = [&](std::uint64_t want) -> Status {
    TRY(const std::uint64_t found, r.key());
    if (found != want) return r.fail_here("trade.file", text("found key {}, expected {}", found, want));
    return {};
  };
  SealedJob sealed;
  TRY_OK(r.enter_map("sealed_job", 6));
  TRY_OK(key(0));
  TRY(const std::uint64_t version, r.u64("version"));
  if (version != kVersion) return r.fail_here("trade.file", text("found version {}, expected {}", version, kVersion));
  TRY_OK(key(1));
  TRY_OK(r.fixed("network", sealed.network));
  TRY_OK(key(2));
  TRY_OK(r.fixed("salt", sealed.salt));
  TRY_OK(key(3));
  TRY(const ByteView gxf, r.bytes("gxf", gxf::kGxfSizeMax));
  TRY_OK(key(4));
  TRY(const ByteView tx, r.bytes("commit_tx", kTxMax));
  TRY_OK(key(5));
  TRY_OK(r.enter_array("output_names", gxf::kOutputsMax));
  while (r.more()) {
    TRY(const ByteView name, r.bytes("name", kNameMax));
    sealed.output_names.emplace_back(as_text(name));
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  sealed.gxf = to_bytes(gxf);
  sealed.commit_tx = to_bytes(tx);
  return sealed;
}

Result<SealedJob> seal(client::Client& client, const gxf::Job& job, const crypto::Identity& payer, Height now,
                       Random& random) {
  TRY(const Bytes answer, client.query(market::kMarketApp, "params", {}));
  TRY(const market::Params params, market::decode_params(answer));
  TRY(const market::Bid bid, auction::bid_of(job, params));
  SealedJob sealed{.network = job.network, .salt = {}, .gxf = gxf::encode(job), .commit_tx = {}, .output_names = {}};
  random.fill(sealed.salt.span());
  ledger::SignedCall call;
  call.network = job.network;
  call.app = market::kMarketApp;
  call.nonce = job.nonce;
  call.expires = now.plus(kExpiresBlocks);
  call.method = static_cast<std::uint16_t>(market::Method::kCommit);
  call.args = market::encode(market::Commit{.commits = {market::commit_of(bid, sealed.salt)}});
  ledger::sign_call(call, payer.mldsa());
  sealed.commit_tx = market::encode_body(market::BodyKind::kCall, ledger::encode_call(call));
  return sealed;
}

std::string sealed_folder(const std::string& wallet_path) { return parent_dir(wallet_path) + "/sealed"; }

Status keep(Fs& fs, const std::string& folder, const SealedJob& sealed) {
  TRY_OK(fs.mkdir(folder));
  TRY_OK(fs.sync_dir(parent_dir(folder)));
  return replace_file(fs, path_of(folder, sealed), encode_sealed_job(sealed));
}

Status forget(Fs& fs, const std::string& folder, const SealedJob& sealed) {
  Status gone = fs.unlink(path_of(folder, sealed));
  if (!gone && gone.error().kind() == Kind::kNotFound) return {};
  return gone;
}

Result<std::vector<SealedJob>> kept(Fs& fs, const std::string& folder) {
  std::vector<SealedJob> out;
  TRY(const bool any, fs.exists(folder));
  if (!any) return out;
  TRY(const auto names, fs.list(folder));
  for (const std::string& name : names) {
    if (!name.ends_with(kSuffix)) continue;
    if (out.size() == kKeptMax)
      return fail(Kind::kExhausted, "trade.kept", text("found more than {} sealed bids in {}", kKeptMax, folder));
    const std::string path = folder + "/" + name;
    TRY(const Bytes bytes, read_file(fs, path, kFileMax));
    auto sealed = decode_sealed_job(bytes);
    if (!sealed) return fail(Kind::kCorrupt, "trade.file", text("{} is no sealed bid: {}", path, sealed.error().str()));
    out.push_back(*std::move(sealed));
  }
  return out;
}

Result<market::CommitPlace> commit(client::Client& client, const SealedJob& sealed) {
  TRY(const client::Applied applied, submit(client, {.app = market::kMarketApp, .body = sealed.commit_tx}));
  return market::decode_commit_place(applied.result.data);
}

Result<Height> reveal(client::Client& client, const SealedJob& sealed, const market::CommitPlace& place,
                      plugin::Talk& talk) {
  Height wanted = place.commit_until;
  for (;;) {
    TRY(const Height now, wait_height(client, wanted, text("round {} takes commits", place.round), talk));
    const market::Reveal opened{
        .round = place.round, .seq = place.seq, .salt = sealed.salt, .gxf = sealed.gxf, .attempt = now.value};
    auto applied = submit(client, {.app = market::kMarketApp,
                                   .body = market::encode_body(market::BodyKind::kReveal, market::encode(opened))});
    if (applied) return applied->height;
    const std::string id(applied.error().id());
    if (id == "market.revealed") return now;
    if (id == "market.round_phase" && now < place.reveal_until) {
      wanted = now.plus(1);
      continue;
    }
    if (id == "market.round_phase" || id == "market.no_round") {
      return fail(Kind::kTimeout, "trade.too_late",
                  text("round {} took reveals until height {}, now is {}; the deposit is lost", place.round,
                       place.reveal_until.value, now.value));
    }
    return std::unexpected(std::move(applied).error());
  }
}

Result<Fate> fate(client::Client& client, const JobId& id, const market::CommitPlace& place, std::int64_t wait_ms,
                  plugin::Talk& talk) {
  const std::int64_t start_ns = system_clock().mono_ns();
  const auto waited_ms = [&] { return (system_clock().mono_ns() - start_ns) / 1'000'000; };
  std::optional<Fate> found;
  Status watched = client.watch(
      place.commit_until, "market.",
      [&](const client::LedgerEvent& seen) {
        const auto round = market::decode_round_event(seen.event.topic, seen.event.data);
        const auto job = market::decode_event(seen.event.topic, seen.event.data);
        if (round && round->topic == market::RoundTopic::kUnmatched && round->job_id == id)
          found = Fate{.height = seen.height, .end = static_cast<market::BidEnd>(round->end)};
        if (job && job->topic == market::Topic::kMatched && job->job_id == id)
          found = Fate{.height = seen.height, .end = std::nullopt};
        return !found;
      },
      [&] {
        talk.progress(text("round {}: cleared at height {}", place.round, place.reveal_until.value));
        return waited_ms() <= wait_ms;
      });
  if (found) return *found;
  TRY_OK(std::move(watched));
  return fail(Kind::kTimeout, "cli.wait",
              text("round {} is not cleared after {} ms, it is due at height {}", place.round, waited_ms(),
                   place.reveal_until.value));
}

}  // namespace hanse::trade
