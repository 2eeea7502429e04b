#include "store/blob/blob.h"

#include <mutex>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::blob {
namespace {

constexpr std::size_t kPiece = 256u << 10;

std::unexpected<Error> not_found(const BlobId& id) {
  return fail(Kind::kNotFound, "blob.not_found", text("found no blob {}", id));
}

}  // namespace

struct BlobStore::Rep {
  Fs& fs;
  std::string dir;
  Options options;
  Random& random;
  mutable std::mutex mutex;  // usage, and the moment of publishing or removing
  Usage usage;

  Rep(Fs& f, std::string d, Options o, Random& r) : fs(f), dir(std::move(d)), options(o), random(r) {}

  std::string folder(std::string_view hex) const { return text("{}/{}", dir, hex.substr(0, 2)); }
  std::string path(const BlobId& id) const {
    const std::string hex = codec::to_hex(id.view());
    return text("{}/{}", folder(hex), hex);
  }

  Status reserve(std::uint64_t more) {
    const std::lock_guard lock(mutex);
    if (more > options.quota_bytes - std::min(options.quota_bytes, usage.bytes))
      return fail(Kind::kExhausted, "blob.quota",
                  text("found {} bytes stored, {} more do not fit {}", usage.bytes, more, options.quota_bytes));
    usage.bytes += more;
    return {};
  }
  void give_back(std::uint64_t bytes) {
    const std::lock_guard lock(mutex);
    usage.bytes -= bytes;
  }

  Status clear_tmp() {
    const std::string tmp = dir + "/tmp";
    TRY_OK(fs.mkdir(tmp));
    TRY(const auto names, fs.list(tmp));
    for (const std::string& name : names) TRY_OK(fs.unlink(text("{}/{}", tmp, name)));
    return {};
  }

  // All folders that blobs go to, with one sync here rather than one in the first put to each.
  Status make_folders() {
    for (int first = 0; first < 256; ++first) {
      const auto byte = static_cast<std::uint8_t>(first);
      const std::string path = folder(codec::to_hex({&byte, 1}));
      TRY(const bool there, fs.exists(path));
      if (!there) TRY_OK(fs.mkdir(path));
    }
    return fs.sync_dir(dir);
  }

  // The folder that a blob goes to, in case it was removed; durable before anything is renamed into it.
  Status make_folder(const std::string& path) {
    TRY(const bool there, fs.exists(path));
    if (there) return {};
    TRY_OK(fs.mkdir(path));
    return fs.sync_dir(dir);
  }

  Status each(const std::function<bool(const BlobId&, std::uint64_t)>& visit) const {
    TRY(const auto folders, fs.list(dir));
    for (const std::string& name : folders) {
      if (name.size() != 2 || !codec::from_hex(name)) continue;
      const std::string path = text("{}/{}", dir, name);
      TRY(const auto files, fs.list(path));
      for (const std::string& file : files) {
        const auto id = codec::fixed_from_hex<BlobId>(file);
        if (!id || !file.starts_with(name)) continue;
        TRY(const auto opened, fs.open(text("{}/{}", path, file), OpenMode::kRead));
        TRY(const std::uint64_t size, opened->size());
        if (!visit(*id, size)) return {};
      }
    }
    return {};
  }

  Result<std::unique_ptr<File>> open_blob(const BlobId& id) const {
    auto file = fs.open(path(id), OpenMode::kRead);
    if (!file && file.error().kind() == Kind::kNotFound) return not_found(id);
    return file;
  }
};

struct Writer::Rep {
  BlobStore::Rep& store;
  std::string tmp;
  std::unique_ptr<File> file;
  crypto::Blake3 hash;
  std::uint64_t size = 0;      // written
  std::uint64_t reserved = 0;  // of the quota, not yet a published blob's

  explicit Rep(BlobStore::Rep& s) : store(s) {}
  ~Rep() {
    if (file) {
      file.reset();
      (void)store.fs.unlink(tmp);  // what stays is removed at the next open
    }
    store.give_back(reserved);
  }
};

Writer::Writer(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer::~Writer() = default;
std::uint64_t Writer::size_bytes() const { return rep_->size; }

Status Writer::append(ByteView bytes) {
  Rep& w = *rep_;
  if (bytes.size() > w.store.options.blob_bytes_max - w.size)
    return fail(Kind::kExhausted, "blob.too_large",
                text("found a blob of at least {} bytes, expected at most {}", w.size + bytes.size(),
                     w.store.options.blob_bytes_max));
  TRY_OK(w.store.reserve(bytes.size()));
  w.reserved += bytes.size();
  TRY_OK(w.file->write_at(w.size, bytes));
  w.hash.update(bytes);
  w.size += bytes.size();
  return {};
}

Result<BlobId> Writer::finish() {
  Rep& w = *rep_;
  BlobStore::Rep& s = w.store;
  const BlobId id{w.hash.finish().data};
  const std::string path = s.path(id);
  TRY_OK(w.file->sync());
  std::unique_lock lock(s.mutex);
  TRY_OK(s.make_folder(parent_dir(path)));
  // A blob that is there already is replaced by the same bytes: that also mends one that had rotted.
  std::uint64_t replaced = 0;
  bool was_there = false;
  if (const auto old = s.open_blob(id)) {
    TRY(replaced, (*old)->size());
    was_there = true;
  }
  TRY_OK(s.fs.rename(w.tmp, path));
  w.file.reset();
  s.usage.bytes -= replaced;
  s.usage.count += was_there ? 0 : 1;
  w.reserved = 0;  // it is the blob's now
  lock.unlock();
  TRY_OK(s.fs.sync_dir(parent_dir(path)));
  return id;
}

BlobStore::BlobStore(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
BlobStore::~BlobStore() = default;

Result<std::unique_ptr<BlobStore>> BlobStore::open(Fs& fs, const std::string& dir, Options options, Random& random) {
  TRY_OK(fs.mkdir(dir));
  auto rep = std::make_unique<Rep>(fs, dir, options, random);
  TRY_OK(rep->clear_tmp());
  TRY_OK(rep->make_folders());
  TRY_OK(rep->each([&](const BlobId&, std::uint64_t size) {
    rep->usage.bytes += size;
    rep->usage.count += 1;
    return true;
  }));
  return std::unique_ptr<BlobStore>(new BlobStore(std::move(rep)));
}

Result<Writer> BlobStore::begin() {
  auto w = std::make_unique<Writer::Rep>(*rep_);
  FixedBytes<16> name;
  {
    const std::lock_guard lock(rep_->mutex);
    rep_->random.fill(name.span());
  }
  w->tmp = text("{}/tmp/{}", rep_->dir, name);
  TRY(w->file, rep_->fs.open(w->tmp, OpenMode::kCreate));
  return Writer(std::move(w));
}

Result<BlobId> BlobStore::put(ByteView bytes) {
  TRY(Writer writer, begin());
  TRY_OK(writer.append(bytes));
  return writer.finish();
}

Result<std::uint64_t> BlobStore::size(const BlobId& id) const {
  TRY(const auto file, rep_->open_blob(id));
  return file->size();
}

Result<bool> BlobStore::has(const BlobId& id) const { return rep_->fs.exists(rep_->path(id)); }

Status BlobStore::read(const BlobId& id, const std::function<Status(ByteView)>& visit) const {
  TRY(const auto file, rep_->open_blob(id));
  crypto::Blake3 hash;
  Bytes piece(kPiece);
  for (std::uint64_t at = 0;;) {
    TRY(const std::size_t got, file->read_at(at, piece));
    if (got == 0) break;
    const ByteView bytes = ByteView(piece).first(got);
    hash.update(bytes);
    TRY_OK(visit(bytes));
    at += got;
  }
  const BlobId found{hash.finish().data};
  if (found != id)
    return fail(Kind::kCorrupt, "blob.corrupt", text("found bytes that hash to {}, expected {}", found, id));
  return {};
}

Result<Bytes> BlobStore::get(const BlobId& id, std::uint64_t size_max) const {
  TRY(const std::uint64_t size_bytes, size(id));
  if (size_bytes > size_max)
    return fail(Kind::kExhausted, "blob.too_large",
                text("found blob {} of {} bytes, expected at most {}", id, size_bytes, size_max));
  Bytes out;
  out.reserve(size_bytes);
  TRY_OK(read(id, [&](ByteView bytes) -> Status {
    append(out, bytes);
    return {};
  }));
  return out;
}

Status BlobStore::verify(const BlobId& id) const {
  return read(id, [](ByteView) -> Status { return {}; });
}

Status BlobStore::remove(const BlobId& id) {
  const std::lock_guard lock(rep_->mutex);
  std::uint64_t size_bytes = 0;
  {
    TRY(const auto file, rep_->open_blob(id));
    TRY(size_bytes, file->size());
  }
  const std::string path = rep_->path(id);
  TRY_OK(rep_->fs.unlink(path));
  rep_->usage.bytes -= size_bytes;
  rep_->usage.count -= 1;
  return rep_->fs.sync_dir(parent_dir(path));
}

Status BlobStore::list(const std::function<bool(const BlobId&, std::uint64_t)>& visit) const {
  return rep_->each(visit);
}

Usage BlobStore::usage() const {
  const std::lock_guard lock(rep_->mutex);
  return rep_->usage;
}

}  // namespace hanse::blob
