#include "engines/tlog/signed_file.h"

#include "base/codec/crc32c.h"
#include "base/core/text.h"

namespace hanse::tlog {
namespace {

constexpr std::size_t kHeadSize = 16;
constexpr std::size_t kSlots = 2;

Result<Bytes> encode_slot(std::uint64_t number, std::string_view note) {
  if (note.size() > kSlotSize - kHeadSize)
    return fail(Kind::kExhausted, "tlog.note_limit",
                text("found a note of {} bytes, expected at most {}", note.size(), kSlotSize - kHeadSize));
  Bytes out(kHeadSize);
  store_le(out.data() + 4, static_cast<std::uint32_t>(note.size()));
  store_le(out.data() + 8, number);
  append(out, as_bytes(note));
  store_le(out.data(), codec::crc32c(ByteView(out).subspan(4)));
  return out;
}

}  // namespace

Status SignedFile::create(Fs& fs, const std::string& path, std::string_view note) {
  TRY(const bool there, fs.exists(path));
  if (there) return fail(Kind::kConflict, "tlog.exists", text("found {}, expected no log there", path));
  TRY(Bytes bytes, encode_slot(1, note));
  bytes.resize(kSlots * kSlotSize);
  return replace_file(fs, path, bytes);
}

Result<SignedFile> SignedFile::open(Fs& fs, const std::string& path) {
  SignedFile out;
  TRY(out.file_, fs.open(path, OpenMode::kWrite));
  Bytes bytes(kSlots * kSlotSize);
  TRY(const std::size_t size, out.file_->read_at(0, bytes));
  for (std::size_t at = 0; at < size; at += kSlotSize) {
    const ByteView slot = ByteView(bytes).first(size).subspan(at);
    if (slot.size() < kHeadSize) continue;
    const std::size_t length = load_le<std::uint32_t>(slot.data() + 4);
    const std::uint64_t number = load_le<std::uint64_t>(slot.data() + 8);
    if (length > kSlotSize - kHeadSize || slot.size() < kHeadSize + length || number <= out.number_) continue;
    if (load_le<std::uint32_t>(slot.data()) != codec::crc32c(slot.subspan(4, kHeadSize - 4 + length))) continue;
    out.number_ = number;
    out.last_ = as_text(slot.subspan(kHeadSize, length));
  }
  if (out.number_ == 0)
    return fail(Kind::kCorrupt, "tlog.signed_corrupt", text("found no whole checkpoint in {}", path));
  return out;
}

Status SignedFile::put(std::string_view note) {
  TRY(const Bytes slot, encode_slot(number_ + 1, note));
  TRY_OK(file_->write_at((number_ % kSlots) * kSlotSize, slot));
  TRY_OK(file_->sync());
  ++number_;
  last_ = note;
  return {};
}

}  // namespace hanse::tlog
