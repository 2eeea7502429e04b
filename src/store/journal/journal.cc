#include "store/journal/journal.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "store/journal/format.h"
#include "store/journal/mirror_sync.h"

namespace hanse::journal {

struct Journal::Rep {
  Fs& fs;
  std::string dir;
  Meta meta;
  Tail tail;
  Recovered found;
  std::uint64_t durable_seq = 0;
  Bytes group;  // records appended since the last sync, to be written at tail.position
  std::array<std::vector<std::unique_ptr<File>>, 2> files;
  bool broken = false;
  MirrorSync pair;

  std::uint32_t slot(std::uint64_t index) const { return static_cast<std::uint32_t>(index % meta.options.segments); }

  Status usable() const {
    if (!broken) return {};
    return fail(Kind::kUnavailable, "journal.failed", text("the journal in {} failed to write before; reopen it", dir));
  }
  Status note(Status status) {
    if (!status) broken = true;
    return status;
  }

  void size_files() {
    for (auto& mirror : files) mirror.resize(meta.options.segments);
  }

  // Both mirrors of a segment, made in full when they are not there.
  Status open_segment(std::uint32_t s) {
    for (int m = 0; m < 2; ++m) {
      auto& file = files[static_cast<std::size_t>(m)][s];
      if (file) continue;
      const std::string path = segment_path(dir, m, s);
      TRY(const bool there, fs.exists(path));
      TRY(auto opened, fs.open(path, there ? OpenMode::kWrite : OpenMode::kCreate));
      TRY_OK(prewrite(*opened));
      if (!there) TRY_OK(fs.sync_dir(dir));
      file = std::move(opened);
    }
    return {};
  }

  // Real zeros rather than reserved space: later fdatasyncs then have no metadata to write.
  Status prewrite(File& file) {
    TRY(std::uint64_t size, file.size());
    if (size >= meta.options.segment_bytes) return {};
    const Bytes zeros(std::min<std::size_t>(meta.options.segment_bytes, 1u << 20));
    while (size < meta.options.segment_bytes) {
      const std::size_t n = std::min<std::size_t>(zeros.size(), meta.options.segment_bytes - size);
      TRY_OK(file.write_at(size, ByteView(zeros).first(n)));
      size += n;
    }
    return file.sync();
  }

  Status write_both(std::uint64_t index, std::size_t at, ByteView bytes) {
    for (auto& mirror : files) TRY_OK(mirror[slot(index)]->write_at(at, bytes));
    return pair.both(*files[0][slot(index)], *files[1][slot(index)]);
  }

  Status flush() {
    if (group.empty()) return {};
    group.resize(round_up(group.size()));
    TRY_OK(write_both(tail.newest.index, tail.position, group));
    tail.position += group.size();
    group.clear();
    durable_seq = tail.next_seq - 1;
    return {};
  }

  // Whether another segment can be started without overwriting one that is needed.
  bool can_roll() const { return tail.newest.index + 1 - tail.oldest < meta.options.segments; }

  Status roll() {
    TRY_OK(flush());
    const SegmentHeader next{
        .index = tail.newest.index + 1, .oldest = tail.oldest, .first_seq = tail.next_seq, .prev_crc = tail.prev_crc};
    TRY_OK(open_segment(slot(next.index)));
    TRY_OK(write_both(next.index, 0, encode_segment_header(next, meta.nonce)));
    tail.newest = next;
    tail.first_seqs.push_back(next.first_seq);
    tail.position = kBlock;
    return {};
  }
};

Journal::Journal(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Journal::~Journal() = default;

Result<bool> Journal::exists(Fs& fs, const std::string& dir) {
  for (int m = 0; m < 2; ++m) {
    TRY(const bool there, fs.exists(meta_path(dir, m)));
    if (there) return true;
  }
  return false;
}

Result<std::unique_ptr<Journal>> Journal::create(Fs& fs, const std::string& dir, Options options, Random& random) {
  if (!valid_options(options))
    return fail(Kind::kInvalid, "journal.options",
                text("found {} segments of {} bytes, expected 2 to 64 of a multiple of {} up to 64 MiB",
                     options.segments, options.segment_bytes, kBlock));
  TRY_OK(fs.mkdir(dir));
  TRY(const bool there, exists(fs, dir));
  if (there) return fail(Kind::kConflict, "journal.exists", text("found a journal in {}, expected none", dir));
  auto rep = std::make_unique<Rep>(fs, dir);
  rep->meta.options = options;
  random.fill(rep->meta.nonce.span());
  rep->size_files();
  TRY_OK(rep->open_segment(0));
  rep->tail.first_seqs = {1};
  TRY_OK(rep->write_both(0, 0, encode_segment_header({}, rep->meta.nonce)));
  TRY_OK(fs.sync_dir(dir));
  // The meta files come last: a folder without them holds no record, whatever else a crash left in it.
  for (int m = 0; m < 2; ++m) TRY_OK(replace_file(fs, meta_path(dir, m), encode_meta(rep->meta)));
  return std::unique_ptr<Journal>(new Journal(std::move(rep)));
}

Result<std::unique_ptr<Journal>> Journal::open(Fs& fs, const std::string& dir) {
  TRY(Recovery recovery, recover(fs, dir, Repair::kYes, nullptr));
  auto rep = std::make_unique<Rep>(fs, dir, recovery.meta, std::move(recovery.tail), recovery.found);
  rep->durable_seq = rep->tail.next_seq - 1;
  rep->size_files();
  TRY_OK(rep->open_segment(rep->slot(rep->tail.newest.index)));
  return std::unique_ptr<Journal>(new Journal(std::move(rep)));
}

Result<std::uint64_t> Journal::append(std::uint8_t type, ByteView payload) {
  TRY_OK(rep_->usable());
  if (payload.size() > record_bytes_max())
    return fail(Kind::kInvalid, "journal.record_size",
                text("found a record of {} bytes, expected at most {}", payload.size(), record_bytes_max()));
  Tail& tail = rep_->tail;
  const std::size_t end = tail.position + rep_->group.size() + payload.size() + kRecordOverhead;
  if (end > rep_->meta.options.segment_bytes) {
    if (!rep_->can_roll())
      return fail(Kind::kExhausted, "journal.full",
                  text("found all {} segments of {} in use, release some", rep_->meta.options.segments, rep_->dir));
    TRY_OK(rep_->note(rep_->roll()));
  }
  const Record record{.seq = tail.next_seq, .type = type, .payload = payload};
  tail.prev_crc = write_record(rep_->group, record, rep_->durable_seq, tail.prev_crc, rep_->meta.nonce);
  return tail.next_seq++;
}

Status Journal::sync() {
  TRY_OK(rep_->usable());
  return rep_->note(rep_->flush());
}

std::uint64_t Journal::last_seq() const { return rep_->tail.next_seq - 1; }
std::uint64_t Journal::durable_seq() const { return rep_->durable_seq; }

Status Journal::replay(std::uint64_t from, const Visit& visit) const {
  const std::uint64_t last = rep_->durable_seq;
  const Visit wanted = [&](const Record& record) -> Status {
    if (record.seq < from || record.seq > last) return {};
    return visit(record);
  };
  TRY_OK(recover(rep_->fs, rep_->dir, Repair::kDone, wanted));
  return {};
}

void Journal::release(std::uint64_t seq) {
  Tail& tail = rep_->tail;
  while (tail.first_seqs.size() > 1 && tail.first_seqs[1] <= seq) {
    tail.first_seqs.erase(tail.first_seqs.begin());
    ++tail.oldest;
  }
}

const Recovered& Journal::recovered() const { return rep_->found; }
const Nonce& Journal::nonce() const { return rep_->meta.nonce; }
std::size_t Journal::record_bytes_max() const { return rep_->meta.options.segment_bytes - kBlock - kRecordOverhead; }

double Journal::used_share() const {
  const Rep& r = *rep_;
  const auto full = static_cast<double>(r.tail.newest.index - r.tail.oldest) * r.meta.options.segment_bytes;
  const auto last = static_cast<double>(r.tail.position + r.group.size());
  return (full + last) / (static_cast<double>(r.meta.options.segments) * r.meta.options.segment_bytes);
}

}  // namespace hanse::journal
