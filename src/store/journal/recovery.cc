#include <algorithm>
#include <deque>
#include <map>

#include "base/core/text.h"
#include "store/journal/format.h"

namespace hanse::journal {
namespace {

// One segment file. Segments are written in full when they are made, so a short or unreadable one is damage by itself.
struct Image {
  Bytes bytes;  // always segment_bytes long, zeros for what could not be read
  bool intact = false;
};

std::unexpected<Error> damaged(std::string_view message) { return fail(Kind::kCorrupt, "journal.damaged", message); }

class Walk {
 public:
  Walk(Fs& fs, const std::string& dir, Repair repair, const Visit& visit)
      : fs_(fs), dir_(dir), repair_(repair), visit_(visit) {}

  Result<Recovery> run() {
    TRY_OK(read_meta());
    TRY_OK(read_headers());
    for (std::uint64_t index = out_.tail.oldest; index <= newest_; ++index) TRY_OK(segment(index));
    out_.found.first_seq = out_.tail.first_seqs.front();
    out_.found.last_seq = out_.tail.next_seq - 1;
    return std::move(out_);
  }

 private:
  // A missing or unreadable file is an empty one here: the mirror answers for it.
  Result<Bytes> read_or_empty(const std::string& path, std::size_t size_max) {
    auto bytes = read_file(fs_, path, size_max);
    if (bytes) return bytes;
    if (bytes.error().kind() == Kind::kNotFound || bytes.error().kind() == Kind::kUnavailable ||
        bytes.error().kind() == Kind::kExhausted)
      return Bytes();
    return bytes;
  }

  Status read_meta() {
    std::optional<Meta> metas[2];
    for (int m = 0; m < 2; ++m) {
      TRY(const Bytes bytes, read_or_empty(meta_path(dir_, m), kBlock));
      metas[m] = parse_meta(bytes);
    }
    if (!metas[0] && !metas[1]) {
      TRY(const bool a, fs_.exists(meta_path(dir_, 0)));
      TRY(const bool b, fs_.exists(meta_path(dir_, 1)));
      if (a || b) return damaged(text("found no readable meta file in {}, expected one of two", dir_));
      return fail(Kind::kNotFound, "journal.missing", text("found no journal in {}", dir_));
    }
    out_.meta = metas[0] ? *metas[0] : *metas[1];
    if (metas[0] && metas[1] && encode_meta(*metas[0]) != encode_meta(*metas[1]))
      return damaged(text("found two journals in {}: nonces {} and {}", dir_, metas[0]->nonce, metas[1]->nonce));
    for (int m = 0; m < 2; ++m) {
      if (metas[m]) continue;
      out_.found.repaired_blocks += 1;
      if (repair_ == Repair::kYes) TRY_OK(replace_file(fs_, meta_path(dir_, m), encode_meta(out_.meta)));
    }
    return {};
  }

  Image read_image(int mirror, std::uint32_t slot) {
    Image image;
    image.bytes.resize(out_.meta.options.segment_bytes);
    const auto file = fs_.open(segment_path(dir_, mirror, slot), OpenMode::kRead);
    if (!file) return image;
    const auto got = (*file)->read_at(0, image.bytes);
    image.intact = got && *got == image.bytes.size();
    return image;
  }

  Result<std::optional<SegmentHeader>> read_header(int mirror, std::uint32_t slot) {
    auto file = fs_.open(segment_path(dir_, mirror, slot), OpenMode::kRead);
    if (!file) {
      if (file.error().kind() != Kind::kNotFound) return std::unexpected(std::move(file).error());
      return std::optional<SegmentHeader>();
    }
    Bytes block(kBlock);
    const auto got = (*file)->read_at(0, block);
    if (!got || *got < kBlock) return std::optional<SegmentHeader>();
    auto header = parse_segment_header(block, out_.meta.nonce);
    if (header && header->index % out_.meta.options.segments != slot) header.reset();
    return header;
  }

  Status read_headers() {
    for (std::uint32_t slot = 0; slot < out_.meta.options.segments; ++slot) {
      for (int m = 0; m < 2; ++m) {
        TRY(const auto header, read_header(m, slot));
        if (!header) continue;
        const auto it = headers_.try_emplace(header->index, *header).first;
        if (it->second.first_seq != header->first_seq || it->second.prev_crc != header->prev_crc)
          return damaged(text("found two versions of segment {} in {}", header->index, dir_));
      }
    }
    if (headers_.empty()) return damaged(text("found no readable segment header in {}, expected at least one", dir_));
    newest_ = headers_.rbegin()->first;
    const SegmentHeader& newest = headers_.rbegin()->second;
    if (newest.oldest > newest_ || newest_ - newest.oldest >= out_.meta.options.segments)
      return damaged(text("found segments {} to {} in {}, expected at most {}", newest.oldest, newest_, dir_,
                          out_.meta.options.segments));
    for (std::uint64_t index = newest.oldest; index <= newest_; ++index)
      if (!headers_.contains(index))
        return damaged(
            text("found no readable header of segment {} in {}, needed {} to {}", index, dir_, newest.oldest, newest_));
    out_.tail.newest = newest;
    out_.tail.oldest = newest.oldest;
    out_.tail.next_seq = headers_.at(newest.oldest).first_seq;
    out_.tail.prev_crc = headers_.at(newest.oldest).prev_crc;
    return {};
  }

  std::optional<ParsedRecord> expected_record(const Image& image, std::size_t at) const {
    auto parsed = parse_record(ByteView(image.bytes).subspan(at), out_.meta.nonce);
    if (!parsed || parsed->record.seq != out_.tail.next_seq || parsed->prev_crc != out_.tail.prev_crc)
      return std::nullopt;
    return parsed;
  }

  // The record that comes next at `at`, or at the next block when the group ended at `at`.
  std::optional<ParsedRecord> find_next(const Image (&images)[2], std::size_t& at) const {
    const std::size_t places[] = {at, round_up(at)};
    for (const std::size_t place : places) {
      if (place >= out_.meta.options.segment_bytes) break;
      for (const Image& image : images) {
        if (auto parsed = expected_record(image, place)) {
          at = place;
          return parsed;
        }
      }
      if (place == round_up(at)) break;
    }
    return std::nullopt;
  }

  Status segment(std::uint64_t index) {
    const SegmentHeader& header = headers_.at(index);
    if (header.first_seq != out_.tail.next_seq || header.prev_crc != out_.tail.prev_crc)
      return damaged(text("found the records of segment {} in {} ending at {}, expected {}", index - 1, dir_,
                          out_.tail.next_seq - 1, header.first_seq - 1));
    const auto slot = static_cast<std::uint32_t>(index % out_.meta.options.segments);
    Image images[2];
    for (int m = 0; m < 2; ++m) images[m] = read_image(m, slot);
    if (!images[0].intact && !images[1].intact)
      return damaged(text("found segment {} in {} missing, short or unreadable in both mirrors", index, dir_));
    out_.tail.first_seqs.push_back(header.first_seq);

    Bytes merged = encode_segment_header(header, out_.meta.nonce);
    merged.resize(out_.meta.options.segment_bytes);
    std::size_t at = kBlock;
    // Records that no later one calls durable, and where they lie; the first one with the header.
    std::deque<std::pair<std::uint64_t, std::size_t>> unsynced;
    while (auto parsed = find_next(images, at)) {
      unsynced.emplace_back(parsed->record.seq, at == kBlock ? 0 : at);
      while (!unsynced.empty() && unsynced.front().first <= parsed->durable_seq) unsynced.pop_front();
      if (visit_) TRY_OK(visit_(parsed->record));
      std::copy_n(parsed->record.payload.data() - kRecordHead, parsed->size, merged.begin() + static_cast<long>(at));
      at += parsed->size;
      out_.tail.prev_crc = parsed->crc;
      ++out_.tail.next_seq;
    }
    if (index == newest_) out_.tail.position = round_up(at);
    if (repair_ == Repair::kDone) return {};
    if (index == newest_) TRY_OK(refuse_synced_hole());
    const std::size_t synced = unsynced.empty() ? 0 : unsynced.front().second;
    return mend(slot, images, merged, {.synced = synced / kBlock * kBlock, .end = round_up(at)}, index == newest_);
  }

  // Nothing valid follows. If any record says that the missing number was durable, this is not a torn tail.
  Status refuse_synced_hole() {
    const std::uint64_t missing = out_.tail.next_seq;
    for (std::uint32_t slot = 0; slot < out_.meta.options.segments; ++slot) {
      for (int m = 0; m < 2; ++m) {
        const Image image = read_image(m, slot);
        for (std::size_t at = kBlock; at < image.bytes.size(); at += kBlock) {
          const ByteView block = ByteView(image.bytes).subspan(at);
          if (claimed_durable_seq(block).value_or(0) < missing) continue;
          const auto parsed = parse_record(block, out_.meta.nonce);
          if (parsed && parsed->durable_seq >= missing)
            return damaged(
                text("found record {} in {} unreadable in both mirrors, though record {} says it was durable", missing,
                     dir_, parsed->record.seq));
        }
      }
    }
    return {};
  }

  struct Extent {
    std::size_t synced = 0;  // a block's begin; what lies below was durable when later records were written
    std::size_t end = 0;
  };
  Status mend(std::uint32_t slot, const Image (&images)[2], const Bytes& merged, Extent records, bool is_newest) {
    std::uint64_t torn = 0;
    for (int m = 0; m < 2; ++m) {
      std::unique_ptr<File> file;
      for (std::size_t at = 0; at < merged.size(); at += kBlock) {
        const ByteView want = ByteView(merged).subspan(at, kBlock);
        const bool same = equal(want, ByteView(images[m].bytes).subspan(at, kBlock));
        // What the newest group shows may sit in the page cache only, even with its dirty mark gone after a failed
        // fdatasync. It is written again, so that the sync below means what it says.
        const bool again = same && is_newest && at >= records.synced && at < records.end && repair_ == Repair::kYes;
        if (same && !again) continue;
        // Beyond the tail of an older segment lie records of the lap before; they bother nobody.
        if (at >= records.end && !is_newest) break;
        if (at >= records.end) {
          torn += is_torn(images[m], at) ? kBlock : 0;
        } else if (!same) {
          out_.found.repaired_blocks += 1;
        }
        if (repair_ == Repair::kNo) continue;
        if (!file) {
          TRY(file, open_or_create(segment_path(dir_, m, slot)));
        }
        TRY_OK(file->write_at(at, want));
      }
      if (file) TRY_OK(file->sync());
    }
    out_.found.torn_bytes += torn;
    return {};
  }

  // Whether a block beyond the tail starts with a record newer than what is kept, i.e. is not left from an old lap.
  bool is_torn(const Image& image, std::size_t at) const {
    const auto seq = claimed_seq(ByteView(image.bytes).subspan(at));
    return seq && *seq >= out_.tail.next_seq;
  }

  Result<std::unique_ptr<File>> open_or_create(const std::string& path) {
    TRY(const bool there, fs_.exists(path));
    TRY(auto file, fs_.open(path, there ? OpenMode::kWrite : OpenMode::kCreate));
    TRY(const std::uint64_t size, file->size());
    if (size < out_.meta.options.segment_bytes)
      TRY_OK(file->write_at(size, Bytes(out_.meta.options.segment_bytes - size)));
    if (!there) TRY_OK(fs_.sync_dir(dir_));
    return file;
  }

  Fs& fs_;
  const std::string& dir_;
  Repair repair_;
  const Visit& visit_;
  Recovery out_;
  std::map<std::uint64_t, SegmentHeader> headers_;
  std::uint64_t newest_ = 0;
};

}  // namespace

Result<Recovery> recover(Fs& fs, const std::string& dir, Repair repair, const Visit& visit) {
  return Walk(fs, dir, repair, visit).run();
}

Result<Recovered> check_journal(Fs& fs, const std::string& dir) {
  TRY(const Recovery recovery, recover(fs, dir, Repair::kNo, nullptr));
  return recovery.found;
}

Status dump_journal(Fs& fs, const std::string& dir, const Visit& visit) {
  TRY_OK(recover(fs, dir, Repair::kNo, visit));
  return {};
}

}  // namespace hanse::journal
