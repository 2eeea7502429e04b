#include "store/archive/pack.h"

#include <zstd.h>

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "store/archive/target.h"

namespace hanse::archive {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kPiece = 1u << 20;
constexpr int kLevel = 3;

struct FreeContext {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};

// Compresses what it is given into a file, and hashes what comes out.
class PackFile {
 public:
  explicit PackFile(std::unique_ptr<File> file) : file_(std::move(file)), context_(ZSTD_createCCtx()) {
    check(context_ != nullptr, "zstd context");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Status write(ByteView bytes) { return run(bytes, ZSTD_e_continue); }
  Status finish(Packed& out) {
    TRY_OK(run({}, ZSTD_e_end));
    TRY_OK(file_->sync());
    out.size_bytes = size_;
    out.hash = hash_.finish();
    return {};
  }

 private:
  Status run(ByteView bytes, ZSTD_EndDirective how) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, how);
      check(ZSTD_isError(left) == 0, "zstd compresses any bytes");
      const ByteView made = ByteView(buffer_).first(out.pos);
      TRY_OK(file_->write_at(size_, made));
      hash_.update(made);
      size_ += made.size();
      if (how == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }

  std::unique_ptr<File> file_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  Bytes buffer_ = Bytes(ZSTD_CStreamOutSize());
  crypto::Blake3 hash_;
  std::uint64_t size_ = 0;
};

void put_octal(std::uint8_t* field, std::size_t digits, std::uint64_t value) {
  for (std::size_t i = digits; i-- > 0; value >>= 3) field[i] = static_cast<std::uint8_t>('0' + (value & 7));
}

Bytes tar_header(std::string_view name, std::uint64_t size_bytes) {
  Bytes h(kBlock, 0);
  const auto put = [&](std::size_t at, std::string_view s) { std::memcpy(h.data() + at, s.data(), s.size()); };
  put(0, name);
  put_octal(h.data() + 100, 7, 0600);
  put_octal(h.data() + 108, 7, 0);
  put_octal(h.data() + 116, 7, 0);
  put_octal(h.data() + 124, 11, size_bytes);
  put_octal(h.data() + 136, 11, 0);  // no times: the same files give the same bytes
  put(148, "        ");
  h[156] = '0';
  put(257, std::string_view("ustar\0"
                            "00",
                            8));
  std::uint64_t sum = 0;
  for (const std::uint8_t b : h) sum += b;
  put_octal(h.data() + 148, 6, sum);
  h[154] = 0;
  return h;
}

Result<PackedFile> pack_one(Fs& fs, const std::string& dir, const std::string& name, PackFile& to) {
  if (!check_name(name) || name.contains('/') || name.size() > 99)
    return fail(Kind::kInvalid, "archive.name",
                text("found file name '{}', expected one word of letters, digits, . _ - in 99 bytes", name));
  TRY(const auto file, fs.open(text("{}/{}", dir, name), OpenMode::kRead));
  PackedFile out{.name = name, .size_bytes = 0, .hash = {}};
  TRY(out.size_bytes, file->size());
  if (out.size_bytes >= kPackedFileBytesMax)
    return fail(Kind::kExhausted, "archive.too_large",
                text("found {} of {} bytes, expected less than {}", name, out.size_bytes, kPackedFileBytesMax));
  TRY_OK(to.write(tar_header(name, out.size_bytes)));
  crypto::Blake3 hash;
  Bytes piece(kPiece);
  for (std::uint64_t at = 0; at < out.size_bytes;) {
    const std::size_t want = std::min<std::uint64_t>(piece.size(), out.size_bytes - at);
    TRY(const std::size_t got, file->read_at(at, ByteSpan(piece).first(want)));
    if (got != want)
      return fail(Kind::kUnavailable, "core.fs_io",
                  text("found {} of {} bytes of {}: it shrank while it was packed", at + got, out.size_bytes, name));
    hash.update(ByteView(piece).first(got));
    TRY_OK(to.write(ByteView(piece).first(got)));
    at += got;
  }
  TRY_OK(to.write(Bytes((kBlock - out.size_bytes % kBlock) % kBlock, 0)));
  out.hash = hash.finish();
  return out;
}

}  // namespace

Result<Packed> pack(Fs& fs, const std::string& dir, const std::vector<std::string>& names, const std::string& out) {
  TRY(auto file, fs.open(out, OpenMode::kCreate));
  PackFile to(std::move(file));
  Packed packed;
  for (const std::string& name : names) {
    TRY(packed.files.emplace_back(), pack_one(fs, dir, name, to));
  }
  TRY_OK(to.write(Bytes(2 * kBlock, 0)));
  TRY_OK(to.finish(packed));
  return packed;
}

Bytes compress(ByteView bytes) {
  Bytes out(ZSTD_compressBound(bytes.size()));
  const std::size_t n = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kLevel);
  check(ZSTD_isError(n) == 0, "zstd compresses any bytes");
  out.resize(n);
  return out;
}

Result<Bytes> decompress(ByteView bytes, std::size_t size_max) {
  const auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    return fail(Kind::kCorrupt, "archive.zstd",
                text("found {} bytes, expected a zstd frame with a size", bytes.size()));
  if (size > size_max)
    return fail(Kind::kExhausted, "archive.bomb",
                text("found a frame of {} bytes, expected at most {}", std::uint64_t{size}, size_max));
  Bytes out(size);
  const std::size_t n = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(n) != 0 || n != size)
    return fail(Kind::kCorrupt, "archive.zstd",
                text("found a frame that gives {}, expected {} bytes",
                     ZSTD_isError(n) != 0 ? std::string(ZSTD_getErrorName(n)) : text("{} bytes", n), out.size()));
  return out;
}

}  // namespace hanse::archive
