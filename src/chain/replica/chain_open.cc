// From a folder to a running chain.
#include <algorithm>
#include <filesystem>

#include "base/core/text.h"
#include "chain/replica/dag.h"
#include "chain/replica/detail/rep.h"
#include "chain/replica/net_links.h"
#include "chain/stake/stake.h"

namespace hanse::replica {
namespace {

constexpr std::string_view kNonceNote = "journal-nonce";
constexpr std::size_t kLaneBytesMax = 8u << 20, kLaneBytesMin = 256u << 10;
constexpr std::uint32_t kSegmentBytesMax = 64u << 20;
constexpr std::uint32_t kSegmentGrain = 64u << 10;
constexpr std::uint64_t kCheckpointsLooked = 64;

// The lanes' unordered vertices may fill an eighth of the journal: a segment.
std::uint32_t segment_bytes_for(std::size_t validators, std::uint32_t wanted) {
  const std::size_t one = consensus::kVertexBytesMax + (64u << 10);
  const std::size_t lanes = validators * (kLaneBytesMin + consensus::kVertexBytesMax);
  const std::size_t needed = std::max({one, validators > 1 ? lanes : 0, std::size_t{wanted}});
  return static_cast<std::uint32_t>(
      std::min<std::size_t>(kSegmentBytesMax, (needed + kSegmentGrain - 1) / kSegmentGrain * kSegmentGrain));
}

}  // namespace

Result<std::unique_ptr<Chain>> Chain::open(const std::string& dir, const light::Genesis& genesis,
                                           std::vector<std::unique_ptr<ledger::App>> apps, crypto::SecretKey key,
                                           Options options) {
  auto rep = std::make_unique<Rep>(std::move(key));
  rep->apps = std::move(apps);
  TRY_OK(rep->open_ledger(dir, genesis, options));
  TRY_OK(rep->start(options));
  return std::unique_ptr<Chain>(new Chain(std::move(rep)));
}

Status Chain::Rep::open_ledger(const std::string& folder, const light::Genesis& genesis, Options& options) {
  TRY_OK(light::validate(genesis));
  const auto& all = genesis.validators.validators;
  const bool founder = std::ranges::find(all, key.public_key(), &light::Validator::key) != all.end();
  if (!founder && !genesis.apps.contains(stake::kStakeApp))
    return fail(Kind::kInvalid, "ledger.not_validator",
                text("found the key of {}, expected one of the {} validators", crypto::account_id(key.public_key()),
                     all.size()));
  if ((all.size() > 1 || !founder) && !options.network && !options.make_net)
    return fail(Kind::kInvalid, "replica.network",
                text("found {} validators in the genesis and no network to reach them", all.size()));
  dir = folder;
  clock = options.clock != nullptr ? options.clock : &system_clock();
  fs = options.fs != nullptr ? options.fs : &real_fs();
  random = options.random != nullptr ? options.random : &system_random();
  on_block = std::move(options.on_block);
  timeout_ms = options.timeout_ms;
  segment_bytes = segment_bytes_for(all.size(), options.journal_segment_bytes);
  TRY_OK(real_fs().mkdir(dir));  // of the store
  TRY_OK(fs->mkdir(dir));        // of the journal, when it lies elsewhere
  std::vector<ledger::App*> borrowed;
  for (const auto& each : apps) borrowed.push_back(each.get());
  TRY(ledger, ledger::Ledger::open(dir + "/store", genesis, borrowed, options.ledger));
  TRY(signs, MlDsaOracle::create(ledger->network(), {}, key));
  TRY_OK(open_seats());
  if (all.size() == 1 && founder) return {};
  return open_net(genesis, options);
}

// The epoch behind the newest block; but an epoch whose last block has no certificate here is not over.
Status Chain::Rep::open_seats() {
  TRY(const ledger::View view, ledger->view());
  TRY(const Numbers numbers, read_numbers(ledger->genesis(), view));
  SeatsParts parts{.network = ledger->network(), .epoch = ledger->epoch(), .base = 0, .base_block = {}, .set = {}};
  const auto base_of = [&](std::uint64_t epoch) -> Result<consensus::Seq> {
    if (epoch == 0) return 0;
    TRY(const auto end, read_epoch_end(ledger->store(), epoch - 1));
    if (end) return *end;
    return fail(Kind::kCorrupt, "replica.record", text("found no end of epoch {}", epoch - 1));
  };
  TRY(parts.base, base_of(parts.epoch));
  if (parts.epoch > 0 && parts.base == view.height().value) {
    TRY(const auto certificate, certificate_of(view, parts.base));
    if (!certificate) {
      --parts.epoch;
      TRY(parts.base, base_of(parts.epoch));
    }
  }
  TRY(parts.set, ledger->valset(parts.epoch));
  if (parts.base > 0) {
    TRY(const ledger::Block block, view.block(Height{parts.base}));
    parts.base_block = light::header_hash(block.header);
  }
  TRY(auto seats, make_seats(std::move(parts), key, numbers));
  const auto own = numbers.find(crypto::account_id(key.public_key()));
  own_number = own == numbers.end() ? kNobody : own->second;
  seat(std::move(seats));
  return {};
}

Status Chain::Rep::open_net(const light::Genesis& genesis, Options& options) {
  if (options.network && options.network->number != 0) own_number = options.network->number;
  if (own_number == kNobody)
    return fail(Kind::kInvalid, "replica.network",
                text("found no number of key {}: join first, and give the number that the stake got",
                     crypto::account_id(key.public_key())));
  if (options.make_net) {
    net = options.make_net(own_number);
  } else {
    TRY(net, make_link_net({.genesis = genesis, .self = own_number, .key = key, .clock = *clock, .random = *random},
                           *options.network));
  }
  return {};
}

// ---- the journal ---------------------------------------------------------------------------------------------------

Status Chain::Rep::new_journal() {
  TRY(journal, journal::Journal::create(*fs, dir + "/journal",
                                        {.segment_bytes = segment_bytes, .segments = kJournalSegments}, *random));
  return ledger->put_note(kNonceNote, journal->nonce().view());
}

Result<Chain::Rep::Trust> Chain::Rep::open_journal() {
  const std::string folder = dir + "/journal";
  const std::uint64_t height = ledger->tip().header.height.value;
  TRY(const bool marked, real_fs().exists(mark_path()));
  if (marked) return Trust{text("found {}: the folder was restored or emptied", mark_path())};
  TRY(const auto known, ledger->note(kNonceNote));
  TRY(const bool there, journal::Journal::exists(*fs, folder));
  if (!there) {
    if (known || height > 0)
      return Trust{text("found no journal in {}, though the store has block {}", folder, height)};
    TRY_OK(new_journal());
    return Trust{};
  }
  auto opened = journal::Journal::open(*fs, folder);
  if (!opened) {
    if (opened.error().kind() != Kind::kCorrupt) return std::unexpected(std::move(opened).error());
    return Trust{opened.error().str()};
  }
  journal = std::move(*opened);
  // Created before a crash could note it: fine as long as nothing was committed with another one.
  if (!known && height == 0) {
    TRY_OK(ledger->put_note(kNonceNote, journal->nonce().view()));
  } else if (!known || !equal(*known, journal->nonce().view())) {
    return Trust{text("found a journal of another instance in {}", folder)};
  }
  TRY(const std::uint64_t seen, read_journal_seq(ledger->store()));
  if (journal->last_seq() < seen)
    return Trust{text("found the journal ending at record {}, though block {} was written after record {}",
                      journal->last_seq(), height, seen)};
  return Trust{};
}

// ---- the replica ---------------------------------------------------------------------------------------------------

Result<consensus::Config> Chain::Rep::config(const Seats& seats) const {
  std::vector<std::uint16_t> bp;
  for (const light::Validator& validator : seats.set.validators) bp.push_back(validator.power_bp);
  const std::size_t count = bp.size();
  const light::Params& params = ledger->genesis().params;
  TRY(auto power, consensus::Power::create(std::move(bp), params.quorum_bp, params.economic_bp));
  power.start_at(seats.epoch);
  // Needed of the journal, in segments of its eight: 1 for lanes, 1.5 for slots in execution (one goes beyond the
  // half). It is written once more (2.5) when 3 are in use, of which the oldest may hold one needed record only.
  const std::size_t share = std::size_t{segment_bytes} / count;
  consensus::Config out;
  out.epoch = seats.epoch;
  out.self = seats.self;
  out.base = seats.base;
  out.base_block = seats.base_block;
  out.power = std::move(power);
  out.timeout_ms = timeout_ms;
  out.interval_ms = params.interval_ms;
  out.execution_bytes_max = segment_bytes / 2;
  out.lane_bytes_max = std::clamp(share > consensus::kVertexBytesMax ? share - consensus::kVertexBytesMax : 0,
                                  kLaneBytesMin, kLaneBytesMax);
  return out;
}

// The newest checkpoint slot of the epoch with a certificate, none above the newest block.
Result<consensus::Certificate> Chain::Rep::newest_checkpoint(const consensus::Config& config) const {
  TRY(const ledger::View view, ledger->view());
  const std::uint64_t every = config.checkpoint_every;
  std::uint64_t seq = view.height().value / every * every;
  for (std::uint64_t looked = 0; seq > config.base && looked < kCheckpointsLooked; ++looked, seq -= every) {
    TRY(auto found, certificate_of(view, seq));
    if (found) return *std::move(found);
  }
  return consensus::Certificate{};
}

Status Chain::Rep::certify_alone() {
  const light::BlockHeader& tip = ledger->tip().header;
  return ledger->certify(tip.height, {.attests = {{.validator = at->self, .signature = light::sign_header(tip, key)}}});
}

Status Chain::Rep::start(const Options& options) {
  TRY(const Trust trust, open_journal());
  abstain_reason = trust.why_not;
  const bool abstain = !abstain_reason.empty();
  const light::BlockHeader tip = ledger->tip().header;
  stats.height = tip.height;
  abstaining = abstain;
  pool.emplace(options.pool);
  if (abstain && alone()) return {};  // nobody could vouch for what it may have promised
  if (alone()) TRY_OK(certify_alone());
  if (abstain) {
    // The mark comes first: a crash in between must not leave a fresh journal that looks trustworthy.
    TRY_OK(replace_file(real_fs(), mark_path(), as_bytes(abstain_reason)));
    journal.reset();
    const std::string folder = dir + "/journal";
    TRY(const bool there, fs->exists(folder));
    if (there) {
      TRY(const auto names, fs->list(folder));
      for (const std::string& name : names) TRY_OK(fs->unlink(folder + "/" + name));
      TRY_OK(fs->sync_dir(folder));
    }
    TRY_OK(new_journal());
  }
  TRY(const consensus::Config made, config(*at));
  consensus::Start from;
  from.executed = tip.height.value;
  from.executed_block = light::header_hash(tip);
  if (from.executed != made.base) {
    TRY(from.cut, read_cut(ledger->store(), tip.height.value));
  }
  TRY(const consensus::Seq due, read_epoch_due(ledger->store()));
  if (due > 0 && due >= made.base) from.epoch_end = due + made.checkpoint_every;
  TRY(from.stable, newest_checkpoint(made));
  from.wants_block = ledger->wants_block();
  from.abstain = abstain;
  // A release lives in memory until the journal's next segment says so. A node that is killed again and again would
  // fill it with what snapshots have replaced long ago, so the newest whole snapshot releases what is before it here.
  std::uint64_t snapshot_seq = 0, replaced_seq = 0;
  TRY_OK(journal->replay(1, [&](const journal::Record& record) -> Status {
    const auto type = static_cast<consensus::RecordType>(record.type);
    if (type == consensus::RecordType::kSnapshot) snapshot_seq = record.seq;
    if (type == consensus::RecordType::kSnapshotEnd && record.payload.size() == sizeof(consensus::Seq) &&
        load_le<consensus::Seq>(record.payload.data()) <= tip.height.value)
      replaced_seq = snapshot_seq;
    from.records.push_back({.type = type, .payload = std::make_shared<const Bytes>(to_bytes(record.payload))});
    return {};
  }));
  if (replaced_seq > 0) {
    TRY_OK(ledger->sync());
    journal->release(replaced_seq);
  }
  TRY(replica, consensus::Replica::create(made, std::move(from), *at->oracle, now()));
  start_threads(options, made);
  start_sync(options, made);
  if (net) {
    TRY_OK(net->start({.frame =
                           [this](PeerNumber peer, std::uint8_t type, consensus::Frame body) {
                             if (snapshots && static_cast<consensus::Type>(type) == consensus::kSyncQuestion)
                               return snapshots->ask(peer, std::move(body));
                             if (syncer && static_cast<consensus::Type>(type) == consensus::kSyncAnswer)
                               return syncer->received(peer, std::move(body));
                             inbox->frame(peer, type, std::move(body));
                           },
                       .read = [this] { inbox->work(); },
                       .up = [this](PeerNumber peer) { inbox->up(peer); },
                       .twin =
                           [this](PeerNumber whose) {
                             if (whose == own_number)
                               halt(Error(Kind::kConflict, "replica.twin", "found another process with our key"));
                           }}));
    TRY_OK(meet_members());
  }
  loop = std::thread([this] { inbox->run(); });
  if (alone()) {  // what was acknowledged is there again before anybody asks
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return settled || halted; });
  }
  return {};
}

void Chain::Rep::start_threads(const Options& options, const consensus::Config& config) {
  const auto failed = [this](const Error& why) { halt(why); };
  inbox = std::make_unique<Inbox>(*clock, [this](Mail& mail) { return turn(mail); });
  recorder =
      std::make_unique<Recorder>(*journal, *clock,
                                 Recorder::Callbacks{.durable = [this](std::uint64_t token) { inbox->durable(token); },
                                                     .filling = [this] { inbox->compact(); },
                                                     .failed = failed});
  applier = std::make_unique<Applier>(
      *ledger, *clock,
      Applier::Options{.attest_every = config.attest_every,
                       .checkpoint_every = config.checkpoint_every,
                       .slot_txs_max = options.slot_txs_max,
                       .check_determinism = options.check_determinism},
      Applier::Callbacks{.journal_seq = [this] { return recorder->durable_seq(); },
                         .made = [this](Made made) { deliver(std::move(made)); },
                         .executed =
                             [this](const consensus::Reached& reached) {
                               if (snapshots) snapshots->made(Height{reached.seq});
                               inbox->executed(reached);
                             },
                         .ended = [this](NextEpoch next) { inbox->next_epoch(std::move(next)); },
                         .certified =
                             [this] {
                               {
                                 const std::lock_guard lock(mutex);
                               }  // not between a waiter's look and its sleep
                               wake_certified.notify_all();
                             },
                         .failed = failed});
  signer = std::make_unique<Signer>(
      *signs, Signer::Callbacks{.sync = [this] { return ledger->sync(); },
                                .attested =
                                    [this](const consensus::SignAttest& asked, Bytes signature) {
                                      show_presence(asked, signature);
                                      inbox->attested({.seq = asked.seq, .signature = std::move(signature)});
                                      bring_again();
                                    },
                                .stated = [this](consensus::Statement own) { inbox->stated(std::move(own)); },
                                .checked =
                                    [this](consensus::CheckStatement what, consensus::Signature found) {
                                      inbox->checked({.what = std::move(what), .found = found});
                                    },
                                .bring = [this](ledger::Tx tx) { bring(std::move(tx)); },
                                .release = [this](std::uint64_t token) { recorder->release(token); },
                                .failed = failed});
  if (net) server = std::make_unique<Server>(ledger->store(), *net, ledger.get());
}

}  // namespace hanse::replica
