#include "chain/replica/snapshots.h"

#include <algorithm>
#include <chrono>

#include <sys/resource.h>
#include <unistd.h>

#include "base/core/text.h"
#include "chain/consensus/cut.h"
#include "chain/replica/dag.h"

namespace hanse::replica {
namespace {

constexpr int kNice = 10;  // the scheduler prefers every thread that votes

}  // namespace

Snapshots::Snapshots(const ledger::Ledger& ledger, Net& net, Clock& clock, Options options)
    : ledger_(ledger), net_(net), clock_(clock), options_(options), thread_([this] { run(); }) {}

Snapshots::~Snapshots() { stop(); }

void Snapshots::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Snapshots::made(Height height) {
  if (height.value == 0 || height.value % options_.every != 0) return;
  auto view = ledger_.view();
  if (!view || view->height() != height) return;
  const std::int64_t now_ns = clock_.mono_ns();
  const std::lock_guard lock(mutex_);
  pins_.push_back({.view = *std::move(view), .used_ns = 0});
  std::size_t old = pins_.size() > kSnapshotsKept ? pins_.size() - kSnapshotsKept : 0;
  for (auto it = pins_.begin(); old > 0; --old) {
    const bool used = it->used_ns != 0 && it->used_ns + kSnapshotUsedNs > now_ns;
    it = used && pins_.size() <= kSnapshotsMax ? std::next(it) : pins_.erase(it);
  }
}

void Snapshots::ask(consensus::Index from, consensus::Frame question) {
  {
    const std::lock_guard lock(mutex_);
    const auto same = std::ranges::count(queue_, from, &Question::from);
    if (queue_.size() >= kSyncQuestionsMax || static_cast<std::size_t>(same) >= kSyncPeerMax) {
      ++stats_.refused;
      return;
    }
    queue_.push_back({.from = from, .body = std::move(question)});
  }
  wake_.notify_one();
}

Snapshots::Stats Snapshots::stats() const {
  const std::lock_guard lock(mutex_);
  Stats out = stats_;
  out.pinned = pins_.size();
  return out;
}

void Snapshots::run() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);  // of this thread
  std::int64_t free_ns = 0;                                                 // when the budget allows the next answer
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    for (std::int64_t wait_ns = free_ns - clock_.mono_ns(); wait_ns > 0 && !stopping_;
         wait_ns = free_ns - clock_.mono_ns())
      wake_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [this] { return stopping_; });
    if (stopping_) return;
    const Question question = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const auto request = sync::decode_request(*question.body);
    std::size_t size = 0;
    if (request) {
      auto body = std::make_shared<const Bytes>(answer(*request));
      size = body->size();
      net_.send(question.from, consensus::kSyncAnswer, std::move(body));
    }
    free_ns = std::max(free_ns, clock_.mono_ns() - 1'000'000'000) +
              static_cast<std::int64_t>(size * 1'000'000'000 / options_.bytes_per_s);
    lock.lock();
    ++(request ? stats_.answered : stats_.refused);
    stats_.bytes += size;
  }
}

// A copy: the pin may go while it is read from.
std::optional<ledger::View> Snapshots::find(Height height) {
  const std::lock_guard lock(mutex_);
  for (Pin& pin : pins_)
    if (pin.view.height() == height) {
      pin.used_ns = clock_.mono_ns();
      return pin.view;
    }
  return std::nullopt;
}

std::vector<Height> Snapshots::offers() const {
  std::vector<ledger::View> all;
  {
    const std::lock_guard lock(mutex_);
    for (const Pin& pin : pins_) all.push_back(pin.view);
  }
  std::vector<Height> out;
  for (const ledger::View& view : all)
    if (const auto certificate = view.certificate(view.height()); certificate && *certificate)
      out.push_back(view.height());
  return out;
}

Result<sync::Head> Snapshots::head(const ledger::View& view) const {
  TRY(light::CertifiedHeader shown, view.believable(ledger::ProofWanted{}));
  TRY(const auto slot, read_slot(ledger_.store(), view.height().value));
  TRY(auto cut, read_cut(ledger_.store(), view.height().value));
  if (!slot) return fail(Kind::kNotFound, "ledger.not_found", text("found no slot {}", view.height().value));
  return sync::Head{.header = std::move(shown.header),
                    .certificate = std::move(shown.certificate),
                    .handovers = std::move(shown.handovers),
                    .decided = slot->null ? consensus::Digest{} : consensus::digest_of(slot->proposal),
                    .cut = std::move(cut)};
}

Bytes Snapshots::answer(const sync::Request& request) {
  const auto gone = [&] { return sync::encode({.id = request.id, .what = sync::Refused{}}); };
  if (std::holds_alternative<sync::Ask>(request.what))
    return sync::encode({.id = request.id, .what = sync::Offers{.heights = offers()}});
  const Height height = std::visit(
      [](const auto& want) {
        if constexpr (requires { want.height; }) return want.height;
        return Height{};
      },
      request.what);
  const auto view = find(height);
  if (!view) return gone();
  if (const auto* want = std::get_if<sync::WantRange>(&request.what)) {
    const auto range = view->prove_range(want->range, sync::kAnswerBytesGoal);
    if (!range) return gone();
    return sync::encode({.id = request.id, .what = sync::Range{.last = range->last, .proof = range->proof}});
  }
  if (const auto* want = std::get_if<sync::WantPast>(&request.what)) {
    auto past = view->past({.first = want->first, .last = want->last}, sync::kAnswerBytesGoal);
    if (!past || past->blocks.empty()) return gone();
    sync::Past out{.blocks = {}, .path = std::move(past->path)};
    for (ledger::Block& block : past->blocks)
      out.blocks.push_back({.header = std::move(block.header),
                            .tx_ids = std::move(block.tx_ids),
                            .result_hashes = std::move(block.result_hashes)});
    return sync::encode({.id = request.id, .what = std::move(out)});
  }
  auto shown = head(*view);
  if (!shown) return gone();
  return sync::encode({.id = request.id, .what = *std::move(shown)});
}

}  // namespace hanse::replica
