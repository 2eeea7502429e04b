#include "engines/tlog/sequencer.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/core/thread_name.h"

namespace hanse::tlog {
namespace {

constexpr std::size_t kWrittenMax = 8;  // groups whose checkpoint is due; more, and the writer waits for the signer

std::string store_path(const std::string& dir) { return dir + "/store"; }
std::string signed_path(const std::string& dir) { return dir + "/signed"; }

Error stopped(const Error& why) {
  return Error(Kind::kUnavailable, "tlog.stopped", text("the log takes nothing more after {}", why.str()));
}

}  // namespace

Result<std::string> Sequencer::sign(const Parts& parts, const TreeHead& head) {
  Note note{format_checkpoint({parts.origin, head, {}}), {}};
  const auto now_s = static_cast<std::uint64_t>(std::max<std::int64_t>(parts.clock->wall_ms() / 1000, 1));
  for (const NoteSigner& signer : parts.signers) {
    TRY(NoteSignature signature, signer.sign(note.text, now_s));
    note.signatures.push_back(std::move(signature));
  }
  if (note.signatures.empty()) return fail(Kind::kInvalid, "tlog.no_signer", "found no key to sign checkpoints with");
  return format_note(note);
}

Status Sequencer::create(Parts& parts) {
  TRY_OK(check_key_name(parts.origin));
  TRY_OK(parts.fs->mkdir(parts.dir));
  TRY(const bool there, parts.fs->exists(signed_path(parts.dir)));
  if (there) return fail(Kind::kConflict, "tlog.exists", text("found a log in {}", parts.dir));
  TRY(const std::string note, sign(parts, empty_head()));
  TRY(const auto store, LogStore::create(store_path(parts.dir), parts.origin));
  if (store->head() != empty_head())
    return fail(Kind::kConflict, "tlog.exists", text("found {} entries in {}", store->head().size, parts.dir));
  return SignedFile::create(*parts.fs, signed_path(parts.dir), note);
}

Sequencer::Sequencer(Parts parts, std::unique_ptr<LogStore> store, SignedFile file)
    : parts_(std::move(parts)), store_(std::move(store)), file_(std::move(file)) {}

Result<std::unique_ptr<Sequencer>> Sequencer::open(Parts parts) {
  if (parts.signers.empty()) return fail(Kind::kInvalid, "tlog.no_signer", "found no key to sign checkpoints with");
  parts.limits.group_max = std::clamp<std::size_t>(parts.limits.group_max, 1, kGroupMax);
  TRY(SignedFile file, SignedFile::open(*parts.fs, signed_path(parts.dir)));
  TRY(auto store, LogStore::open(store_path(parts.dir), parts.origin));
  std::unique_ptr<Sequencer> out(new Sequencer(std::move(parts), std::move(store), std::move(file)));
  TRY_OK(out->check_signed());
  TRY_OK(out->sign_one(out->store_->head()));  // what was written and not signed before a crash
  out->writer_ = std::thread([log = out.get()] { log->write_groups(); });
  out->signer_ = std::thread([log = out.get()] { log->sign_heads(); });
  return out;
}

Status Sequencer::check_signed() {
  const NoteKey keys[] = {parts_.signers[0].key()};
  TRY(const OpenCheckpoint last, with_context(open_checkpoint(file_.last(), parts_.origin, keys),
                                              text("check the last signed checkpoint in {}", parts_.dir)));
  const TreeHead signed_head = last.checkpoint.head, head = store_->head();
  if (signed_head.size > head.size)
    return fail(Kind::kCorrupt, "tlog.rollback",
                text("found a store of {} entries, expected the {} that were signed", head.size, signed_head.size));
  TRY(const TreeHead there, store_->head_at(signed_head.size));
  if (there != signed_head)
    return fail(Kind::kCorrupt, "tlog.fork",
                text("the store has root {} at size {}, signed was {}", there.root, there.size, signed_head.root));
  checkpoint_ = file_.last();
  published_ = signed_head;
  return {};
}

Sequencer::~Sequencer() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (!stopped_) stopped_ = std::make_unique<Error>(Kind::kUnavailable, "tlog.stopped", "the log is being closed");
  }
  queued_.notify_all();
  written_ready_.notify_all();
  if (writer_.joinable()) writer_.join();
  if (signer_.joinable()) signer_.join();
}

Status Sequencer::add(Entry entry, Done done) {
  if (entry.body.size() > kEntryMax)
    return fail(Kind::kInvalid, "tlog.entry_size",
                text("found an entry of {} bytes, expected at most {}", entry.body.size(), kEntryMax));
  std::size_t waiting = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return std::unexpected(stopped_->clone());
    if (queue_.size() >= parts_.limits.queue_max || queue_bytes_ + entry.body.size() > parts_.limits.queue_bytes_max)
      return fail(Kind::kExhausted, "tlog.busy",
                  text("found {} entries of {} bytes waiting, at most {} of {}: try again", queue_.size(), queue_bytes_,
                       parts_.limits.queue_max, parts_.limits.queue_bytes_max));
    queue_bytes_ += entry.body.size();
    queue_.push_back({std::move(entry), std::move(done), parts_.clock->mono_ns()});
    waiting = queue_.size();
  }
  if (waiting == 1 || waiting == parts_.limits.group_max) queued_.notify_one();
  return {};
}

Result<Added> Sequencer::add_and_wait(Entry entry) {
  std::promise<Result<Added>> promise;
  TRY_OK(add(std::move(entry), [&](const Result<Added>& added) {
    promise.set_value(added ? Result<Added>(*added) : std::unexpected(added.error().clone()));
  }));
  return promise.get_future().get();
}

std::vector<Sequencer::Waiting> Sequencer::take_group() {
  std::unique_lock lock(mutex_);
  queued_.wait(lock, [&] { return closing_ || stopped_ || (!queue_.empty() && written_.size() < kWrittenMax); });
  while (!closing_ && !stopped_ && queue_.size() < parts_.limits.group_max) {
    const std::int64_t left = queue_.front().since_ns + parts_.limits.group_wait_ns - parts_.clock->mono_ns();
    if (left <= 0) break;
    queued_.wait_for(lock, std::chrono::nanoseconds(left));
  }
  std::vector<Waiting> group;
  const std::size_t all = closing_ || stopped_ ? queue_.size() : std::min(queue_.size(), parts_.limits.group_max);
  for (std::size_t i = 0; i < all; ++i) {
    queue_bytes_ -= queue_.front().entry.body.size();
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

void Sequencer::write_groups() {
  name_thread("tlog-write");
  for (;;) {
    std::vector<Waiting> group = take_group();
    std::unique_ptr<Error> refused;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) refused = std::make_unique<Error>(stopped_->clone());
    }
    if (refused) {  // stopped: whoever waits is told, and nobody can come any more
      const Result<Added> answer = std::unexpected(refused->clone());
      for (const Waiting& each : group) each.done(answer);
      break;
    }
    Written written;
    std::vector<Entry> entries;
    for (Waiting& each : group) {
      entries.push_back(std::move(each.entry));
      written.done.push_back(std::move(each.done));
    }
    auto added = store_->append(entries);
    if (!added) {
      stop_with(added.error());
      const Result<Added> answer = std::unexpected(std::move(added).error());
      for (const Done& done : written.done) done(answer);
      continue;
    }
    written.added = std::move(*added);
    written.head = store_->head();
    {
      const std::lock_guard lock(mutex_);
      written_.push_back(std::move(written));
    }
    written_ready_.notify_one();
  }
  {
    const std::lock_guard lock(mutex_);
    writer_done_ = true;
  }
  written_ready_.notify_all();
}

void Sequencer::sign_heads() {
  name_thread("tlog-sign");
  Status good;  // after a failed sync a later one proves nothing: the first error is the last word
  for (;;) {
    std::deque<Written> due;
    {
      std::unique_lock lock(mutex_);
      written_ready_.wait(lock, [&] { return writer_done_ || !written_.empty(); });
      if (written_.empty()) return;
      due.swap(written_);
    }
    queued_.notify_one();  // the writer may wait for room
    if (good) good = sign_one(due.back().head);
    if (!good) stop_with(good.error());
    for (const Written& group : due)
      for (std::size_t i = 0; i < group.done.size(); ++i)
        group.done[i](good ? Result<Added>(group.added[i]) : std::unexpected(good.error().clone()));
  }
}

Status Sequencer::sign_one(const TreeHead& head) {
  TreeHead last;
  {
    const std::lock_guard lock(mutex_);
    last = published_;
  }
  if (head == last) return {};
  check(head.size > last.size, "a log signs growing trees");
  TRY(std::string note, sign(parts_, head));
  TRY_OK(file_.put(note));
  {
    const std::lock_guard lock(mutex_);
    checkpoint_ = note;
    published_ = head;
    ++checkpoints_;
  }
  if (parts_.on_published) parts_.on_published(note);
  return {};
}

void Sequencer::stop_with(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) stopped_ = std::make_unique<Error>(stopped(error));
  }
  queued_.notify_all();
}

std::string Sequencer::checkpoint() const {
  const std::lock_guard lock(mutex_);
  return checkpoint_;
}

TreeHead Sequencer::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

std::uint64_t Sequencer::checkpoints() const {
  const std::lock_guard lock(mutex_);
  return checkpoints_;
}

Result<Bytes> Sequencer::route(std::string_view path) const {
  TRY(const Resource resource, parse_resource(path));
  if (resource.kind == ResourceKind::kCheckpoint) return to_bytes(checkpoint());
  return store_->read(resource, published().size);
}

}  // namespace hanse::tlog
