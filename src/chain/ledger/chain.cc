#include "chain/ledger/chain.h"

#include <chrono>
#include <condition_variable>
#include <thread>

#include "base/core/check.h"
#include "base/core/text.h"
#include "chain/ledger/syncer.h"

namespace hanse::ledger {
namespace {

constexpr std::uint8_t kCutRecord = 1;
constexpr std::string_view kNonceNote = "journal-nonce";
constexpr double kReleaseShare = 0.5;

std::uint32_t segment_bytes(const light::Params& params, std::uint32_t wanted) {
  const std::uint32_t needed = params.block_bytes_max + params.block_txs_max * 8 + (64u << 10);
  return std::max(wanted, (needed + 0xFFFFu) & ~0xFFFFu);
}

}  // namespace

struct Chain::Rep {
  // Set once by open().
  std::vector<std::unique_ptr<App>> apps;
  crypto::SecretKey key;
  Clock* clock = nullptr;
  std::function<void(const ChainStats&)> on_block;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<journal::Journal> journal;
  std::unique_ptr<Syncer> syncer;
  std::unique_ptr<Sequencer> sequencer;  // under mutex
  std::string abstain_reason;            // "" = makes blocks

  mutable std::mutex mutex;
  mutable std::condition_variable wake;  // producer: work or stop; watchers: height
  std::map<Hash32, std::vector<Answer>> waiting;
  ChainStats stats;
  bool stopping = false;
  std::optional<Error> halted;
  std::thread producer;

  explicit Rep(crypto::SecretKey secret) : key(std::move(secret)) {}

  Status open_journal(Fs& fs, const std::string& dir, Random& random, std::uint32_t segment);
  Status replay();
  Status certify();
  light::Certificate sign(const light::BlockHeader& header) const;
  void produce();
  Result<Executed> make_block(const Cut& cut);
  Status append_cut(const Cut& cut);
  void deliver(const Executed& block);
  Status refuse_locked() const;
  void answer_all(const Error& error);
};

// ---- opening -------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<Chain>> Chain::open(const std::string& dir, const light::Genesis& genesis,
                                           std::vector<std::unique_ptr<App>> apps, crypto::SecretKey key,
                                           Options options) {
  TRY_OK(light::validate(genesis));
  if (genesis.validators.validators.size() != 1)
    return fail(Kind::kUnsupported, "ledger.one_validator",
                text("found {} validators, expected 1", genesis.validators.validators.size()));
  const light::Validator& validator = genesis.validators.validators[0];
  if (validator.key != key.public_key())
    return fail(
        Kind::kInvalid, "ledger.not_validator",
        text("found the key of {}, expected the validator {}", crypto::account_id(key.public_key()), validator.id()));
  Fs& fs = options.fs != nullptr ? *options.fs : real_fs();
  TRY_OK(real_fs().mkdir(dir));  // of the store
  TRY_OK(fs.mkdir(dir));         // of the journal, when it lies elsewhere
  auto rep = std::make_unique<Rep>(std::move(key));
  rep->clock = options.clock != nullptr ? options.clock : &system_clock();
  rep->on_block = std::move(options.on_block);
  rep->apps = std::move(apps);
  std::vector<App*> borrowed;
  for (const auto& each : rep->apps) borrowed.push_back(each.get());
  TRY(rep->ledger, Ledger::open(dir + "/store", genesis, borrowed, options.ledger));
  TRY_OK(rep->open_journal(fs, dir + "/journal", options.random != nullptr ? *options.random : system_random(),
                           segment_bytes(genesis.params, options.journal_segment_bytes)));
  if (rep->abstain_reason.empty()) TRY_OK(rep->replay());
  if (rep->abstain_reason.empty()) TRY_OK(rep->certify());

  const light::BlockHeader& tip = rep->ledger->tip().header;
  rep->stats.height = tip.height;
  rep->stats.abstaining = !rep->abstain_reason.empty();
  rep->sequencer = std::make_unique<Sequencer>(
      genesis.params, validator.id(), options.pool,
      Sequencer::Tip{.height = tip.height, .time_ms = tip.time_ms, .wants_block = rep->ledger->wants_block()});
  if (rep->abstain_reason.empty()) {
    rep->syncer = std::make_unique<Syncer>(*rep->journal, *rep->clock);
    rep->producer = std::thread([r = rep.get()] { r->produce(); });
  }
  return std::unique_ptr<Chain>(new Chain(std::move(rep)));
}

Status Chain::Rep::open_journal(Fs& fs, const std::string& dir, Random& random, std::uint32_t segment) {
  TRY(const auto known, ledger->note(kNonceNote));
  TRY(const bool there, journal::Journal::exists(fs, dir));
  if (!there && !known) {
    TRY(journal, journal::Journal::create(fs, dir, {.segment_bytes = segment, .segments = 4}, random));
    return ledger->put_note(kNonceNote, journal->nonce().view());
  }
  if (!there) {
    abstain_reason =
        text("found no journal in {}, though the store has block {}", dir, ledger->tip().header.height.value);
    return {};
  }
  auto opened = journal::Journal::open(fs, dir);
  if (!opened) {
    if (opened.error().kind() != Kind::kCorrupt) return std::unexpected(std::move(opened).error());
    abstain_reason = opened.error().str();
    return {};
  }
  journal = std::move(*opened);
  // Created before a crash could note it: fine as long as nothing was committed with another one.
  if (!known && ledger->tip().header.height.value == 0) return ledger->put_note(kNonceNote, journal->nonce().view());
  if (!known || !equal(*known, journal->nonce().view()))
    abstain_reason = text("found a journal of another instance in {}", dir);
  return {};
}

Status Chain::Rep::replay() {
  Height newest;
  TRY_OK(journal->replay(1, [&](const journal::Record& record) -> Status {
    if (record.type != kCutRecord)
      return fail(Kind::kCorrupt, "ledger.record", text("found a journal record of type {}", record.type));
    TRY(const Cut cut, decode_cut(record.payload));
    newest = cut.height;
    if (cut.height <= ledger->tip().header.height) return {};
    TRY(Executed block, with_context(ledger->execute(cut), "replay the journal"));
    ++stats.replayed;
    return ledger->commit(block, Keep::kForProof);
  }));
  const Height have = ledger->tip().header.height;
  if (newest < have && have.value > 0)
    abstain_reason =
        text("found the journal ending at block {}, though the store has block {}", newest.value, have.value);
  return {};
}

Status Chain::Rep::certify() { return ledger->certify(ledger->tip().header.height, sign(ledger->tip().header)); }

light::Certificate Chain::Rep::sign(const light::BlockHeader& header) const {
  return {.attests = {{.validator = 0, .signature = light::sign_header(header, key)}}};
}

// ---- making blocks -------------------------------------------------------------------------------------------------

void Chain::Rep::produce() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    auto cut = sequencer->next(clock->wall_ms());
    if (!cut) {
      if (const auto due = sequencer->due_ms()) {
        const std::int64_t wait_ms = std::max<std::int64_t>(1, *due - clock->wall_ms());
        wake.wait_for(lock, std::chrono::milliseconds(wait_ms));
      } else {
        wake.wait(lock);
      }
      continue;
    }
    lock.unlock();
    const std::int64_t started = clock->mono_ns();
    auto block = make_block(*cut);
    lock.lock();
    if (!block) {
      halted.emplace(Kind::kInternal, "ledger.halted", block.error().str());
      break;
    }
    sequencer->committed(
        {.height = block->header.height, .time_ms = block->header.time_ms, .wants_block = block->wants_block});
    stats.height = block->header.height;
    stats.blocks += 1;
    stats.txs += block->tx_ids.size();
    stats.sync_ns_last = syncer->last_ns();
    lock.unlock();
    wake.notify_all();
    deliver(*block);
    lock.lock();
    stats.block_ns_last = clock->mono_ns() - started;
    if (!on_block) continue;
    const ChainStats now = stats;
    lock.unlock();
    on_block(now);
    lock.lock();
  }
  if (!halted) return;
  const Error reason = halted->clone();
  lock.unlock();
  answer_all(reason);
  wake.notify_all();
}

Status Chain::Rep::append_cut(const Cut& cut) {
  const Bytes record = encode_cut(cut);
  if (journal->used_share() > kReleaseShare) {
    TRY_OK(ledger->sync());
    journal->release(journal->last_seq());
  }
  TRY_OK(journal->append(kCutRecord, record));
  return {};
}

Result<Executed> Chain::Rep::make_block(const Cut& cut) {
  TRY_OK(append_cut(cut));
  syncer->start();
  auto block = ledger->execute(cut);
  light::Certificate certificate;
  if (block) certificate = sign(block->header);
  TRY_OK(syncer->join());
  TRY(Executed made, std::move(block));
  TRY_OK(ledger->commit(made, Keep::kForProof));
  TRY_OK(ledger->certify(made.header.height, std::move(certificate)));
  return made;
}

void Chain::Rep::deliver(const Executed& block) {
  std::vector<std::pair<Answer, Applied>> ready;
  std::vector<std::pair<Answer, Hash32>> again;
  {
    const std::lock_guard lock(mutex);
    const auto take = [&](const Hash32& id, const auto& use) {
      const auto it = waiting.find(id);
      if (it == waiting.end()) return;
      for (Answer& answer : it->second) use(std::move(answer));
      waiting.erase(it);
    };
    for (std::uint32_t i = 0; i < block.tx_ids.size(); ++i)
      take(block.tx_ids[i], [&](Answer answer) {
        ready.emplace_back(
            std::move(answer),
            Applied{.tx_id = block.tx_ids[i], .height = block.header.height, .index = i, .result = block.results[i]});
      });
    for (const Hash32& id : block.skipped) take(id, [&](Answer answer) { again.emplace_back(std::move(answer), id); });
  }
  for (auto& [answer, applied] : ready) answer(std::move(applied));
  for (auto& [answer, id] : again) {
    // Applied in an earlier block, between the submitter's look and the pool: the stored answer is the answer.
    const auto stored = [&]() -> Result<Applied> {
      TRY(const View now, ledger->view());
      TRY(auto applied, now.tx_result(id));
      check(applied.has_value(), "a skipped transaction has a stored result");
      return *std::move(applied);
    };
    answer(stored());
  }
}

void Chain::Rep::answer_all(const Error& error) {
  std::map<Hash32, std::vector<Answer>> all;
  {
    const std::lock_guard lock(mutex);
    all.swap(waiting);
  }
  for (auto& [id, answers] : all)
    for (Answer& answer : answers) answer(std::unexpected(error.clone()));
}

Status Chain::Rep::refuse_locked() const {
  if (!abstain_reason.empty()) return fail(Kind::kUnavailable, "ledger.abstaining", abstain_reason);
  if (halted) return std::unexpected(halted->clone());
  if (stopping) return fail(Kind::kUnavailable, "ledger.stopped", "the chain is stopping");
  return {};
}

// ---- the door ------------------------------------------------------------------------------------------------------

Chain::Chain(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Chain::~Chain() { stop(); }

void Chain::stop() {
  {
    const std::lock_guard lock(rep_->mutex);
    rep_->stopping = true;
  }
  rep_->wake.notify_all();
  if (rep_->producer.joinable()) rep_->producer.join();
  rep_->answer_all(Error(Kind::kUnavailable, "ledger.stopped", "the chain stopped before the transaction's block"));
}

Status Chain::submit_async(const Tx& tx, Answer answer) {
  const Hash32 id = tx_id(tx);
  {
    const std::lock_guard lock(rep_->mutex);
    TRY_OK(rep_->refuse_locked());
    if (rep_->sequencer->pending(id)) {
      rep_->waiting[id].push_back(std::move(answer));
      return {};
    }
  }
  TRY(const View now, rep_->ledger->view());
  TRY(auto before, now.tx_result(id));
  if (before) {
    answer(*std::move(before));
    return {};
  }
  TRY_OK(now.check(tx, rep_->clock->wall_ms()));
  const auto payer = rep_->ledger->app(tx.app)->payer(tx);
  {
    const std::lock_guard lock(rep_->mutex);
    TRY_OK(rep_->refuse_locked());
    if (!rep_->sequencer->pending(id)) TRY_OK(rep_->sequencer->submit(id, tx, payer));
    rep_->waiting[id].push_back(std::move(answer));
  }
  rep_->wake.notify_all();
  return {};
}

Result<Applied> Chain::submit(const Tx& tx, std::int64_t deadline_ms) {
  struct Slot {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<Result<Applied>> answer;
  };
  // Shared: after a timeout the answer may still come.
  const auto slot = std::make_shared<Slot>();
  TRY_OK(submit_async(tx, [slot](Result<Applied> answer) {
    {
      const std::lock_guard lock(slot->mutex);
      slot->answer = std::move(answer);
    }
    slot->done.notify_all();
  }));
  std::unique_lock lock(slot->mutex);
  const auto wait = std::chrono::milliseconds(deadline_ms);
  if (deadline_ms <= 0 || !slot->done.wait_for(lock, wait, [&] { return slot->answer.has_value(); }))
    return fail(Kind::kTimeout, "ledger.timeout",
                text("no block within {} ms, the transaction may still be applied", deadline_ms));
  return *std::move(slot->answer);
}

const light::Genesis& Chain::genesis() const { return rep_->ledger->genesis(); }
const NetworkId& Chain::network() const { return rep_->ledger->network(); }
Result<View> Chain::view() const { return rep_->ledger->view(); }
Result<View> Chain::proof_view() const { return rep_->ledger->proof_view(); }

Height Chain::height() const {
  const std::lock_guard lock(rep_->mutex);
  return rep_->stats.height;
}

Height Chain::wait_above(Height height, std::int64_t timeout_ms) const {
  std::unique_lock lock(rep_->mutex);
  rep_->wake.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [&] { return rep_->stats.height > height || rep_->stopping || rep_->halted; });
  return rep_->stats.height;
}

ChainStats Chain::stats() const {
  const std::lock_guard lock(rep_->mutex);
  ChainStats out = rep_->stats;
  out.pool_count = rep_->sequencer->pool_count();
  out.pool_bytes = rep_->sequencer->pool_bytes();
  return out;
}

Status Chain::audit() const { return rep_->ledger->audit(); }

Status Chain::health() const {
  {
    const std::lock_guard lock(rep_->mutex);
    TRY_OK(rep_->refuse_locked());
  }
  return rep_->ledger->health();
}

}  // namespace hanse::ledger
