#include <zstd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "store/archive/pack.h"
#include "store/archive/target.h"

namespace hanse::archive {
namespace {

constexpr std::size_t kBlock = 512;
constexpr int kWindowLogMax = 24;  // 16 MiB; what pack() makes needs 21

struct FreeContext {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

std::unexpected<Error> bad_tar(std::string_view found, std::string_view expected) {
  return fail(Kind::kCorrupt, "archive.tar", text("found {}, expected {}", found, expected));
}

// Digits, then a zero or a blank; the binary form for huge values is not part of the profile.
Result<std::uint64_t> octal(ByteView field, std::string_view what) {
  std::uint64_t value = 0;
  std::size_t i = 0;
  for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i) value = value << 3 | (field[i] - '0');
  if (i == 0 || (i < field.size() && field[i] != 0 && field[i] != ' '))
    return bad_tar(text("no octal number for the {}", what), "one");
  return value;
}

}  // namespace

struct Unpacker::Rep {
  Fs& fs;
  std::string dir;
  UnpackLimits limits;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context{ZSTD_createDCtx()};
  Bytes buffer = Bytes(ZSTD_DStreamOutSize());
  bool frame_done = false;

  Bytes header;  // of the next file, as far as it came
  bool ended = false;
  std::uint64_t zeros = 0;  // blocks of zeros at the end
  std::unique_ptr<File> file;
  PackedFile current;
  crypto::Blake3 hash;
  std::uint64_t written = 0, padding = 0;
  std::uint64_t total = 0;
  std::set<std::string> names;
  std::vector<PackedFile> files;

  Rep(Fs& f, std::string d, UnpackLimits l) : fs(f), dir(std::move(d)), limits(l) {
    check(context != nullptr, "zstd context");
    ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  }

  Status take(ByteView bytes) {  // of the tar
    while (!bytes.empty()) {
      if (file) {
        const std::size_t n = std::min<std::uint64_t>(bytes.size(), current.size_bytes - written);
        TRY_OK(file->write_at(written, bytes.first(n)));
        hash.update(bytes.first(n));
        written += n;
        bytes = bytes.subspan(n);
        if (written == current.size_bytes) TRY_OK(end_file());
      } else if (padding > 0) {
        const std::size_t n = std::min<std::uint64_t>(bytes.size(), padding);
        padding -= n;
        bytes = bytes.subspan(n);
      } else {
        const std::size_t n = std::min(bytes.size(), kBlock - header.size());
        append(header, bytes.first(n));
        bytes = bytes.subspan(n);
        if (header.size() == kBlock) TRY_OK(begin_file());
      }
    }
    return {};
  }

  Status begin_file() {
    const Bytes h = std::exchange(header, {});
    if (std::ranges::all_of(h, [](std::uint8_t b) { return b == 0; })) {
      ended = true;
      constexpr std::uint64_t kZeroBlocksMax = 64;  // tar pads to 10 KiB
      if (++zeros > kZeroBlocksMax) return fail(Kind::kExhausted, "archive.bomb", "found more than 64 blocks of zeros");
      return {};
    }
    if (ended) return bad_tar("a file after the end", "zeros");
    TRY_OK(check_header(h));
    std::string_view name = as_text(ByteView(h).first(100));
    name = name.substr(0, name.find('\0'));
    if (!check_name(name) || name.contains('/') || h[345] != 0)
      return fail(Kind::kDenied, "archive.path",
                  text("found file name '{}', expected one word of letters, digits, . _ -", ByteView(as_bytes(name))));
    if (h[156] != '0' && h[156] != 0)
      return fail(Kind::kDenied, "archive.path",
                  text("found {} of tar type {}, expected a regular file", name, h[156]));
    current = {.name = std::string(name), .size_bytes = 0, .hash = {}};
    TRY(current.size_bytes, octal(ByteView(h).subspan(124, 12), "size"));
    if (files.size() == limits.files_max || current.size_bytes > limits.bytes_max - total)
      return fail(Kind::kExhausted, "archive.bomb",
                  text("found file {} of {} bytes after {} files and {} bytes, expected at most {} and {}", name,
                       current.size_bytes, files.size(), total, limits.files_max, limits.bytes_max));
    if (!names.insert(current.name).second) return bad_tar(text("{} twice", name), "each name once");
    total += current.size_bytes;
    TRY(file, fs.open(text("{}/{}", dir, name), OpenMode::kCreate));
    hash = crypto::Blake3();
    written = 0;
    padding = (kBlock - current.size_bytes % kBlock) % kBlock;
    return current.size_bytes == 0 ? end_file() : Status();
  }

  static Status check_header(const Bytes& h) {
    TRY(const std::uint64_t stated, octal(ByteView(h).subspan(148, 8), "checksum"));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? std::uint8_t{' '} : h[i];
    if (sum != stated) return bad_tar(text("a header with sum {}", sum), text("{}", stated));
    if (as_text(ByteView(h).subspan(257, 5)) != "ustar") return bad_tar("a header without magic", "ustar");
    return {};
  }

  Status end_file() {
    TRY_OK(file->sync());
    file.reset();
    current.hash = hash.finish();
    files.push_back(current);
    return {};
  }
};

Unpacker::Unpacker(Fs& fs, std::string dir, UnpackLimits limits)
    : rep_(std::make_unique<Rep>(fs, std::move(dir), limits)) {}
Unpacker::~Unpacker() = default;

Status Unpacker::feed(ByteView bytes) {
  Rep& r = *rep_;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (bool full = true; in.pos < in.size || full;) {
    if (r.frame_done) {
      if (in.pos == in.size) return {};
      return bad_tar("bytes after the archive", "its end");
    }
    ZSTD_outBuffer out{r.buffer.data(), r.buffer.size(), 0};
    const std::size_t left = ZSTD_decompressStream(r.context.get(), &out, &in);
    if (ZSTD_isError(left) != 0)
      return fail(Kind::kCorrupt, "archive.zstd", text("found {}, expected a zstd frame", ZSTD_getErrorName(left)));
    r.frame_done = left == 0;
    full = out.pos == out.size;
    TRY_OK(r.take(ByteView(r.buffer).first(out.pos)));
  }
  return {};
}

Result<std::vector<PackedFile>> Unpacker::finish() {
  Rep& r = *rep_;
  if (!r.frame_done || !r.ended || r.zeros < 2 || r.file || !r.header.empty())
    return bad_tar(text("the end after {} files", r.files.size()), "the archive's own end");
  TRY_OK(r.fs.sync_dir(r.dir));
  return std::move(r.files);
}

}  // namespace hanse::archive
