#include <algorithm>

#include "base/core/text.h"
#include "store/archive/detail/remote.h"

namespace hanse::archive {
namespace {

constexpr std::size_t kPiece = 1u << 20;

class DirTarget final : public Target {
 public:
  DirTarget(Fs& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  std::string shown() const override { return "dir:" + dir_; }

  Status put(const std::string& name, const Source& source) override {
    TRY_OK(check_name(name));
    TRY_OK(make_folders(name));
    const std::string tmp = path(name, ".writing-");
    TRY(const bool stale, fs_.exists(tmp));
    if (stale) TRY_OK(fs_.unlink(tmp));
    Status written = write(tmp, source);
    if (written) written = fs_.rename(tmp, path(name));
    if (!written) {
      (void)fs_.unlink(tmp);  // the first error is the one to tell; what stays begins with a dot and is not listed
      return written;
    }
    return fs_.sync_dir(parent_dir(path(name)));
  }

  Status get(const std::string& name, std::uint64_t size_max, const Sink& sink) override {
    TRY_OK(check_name(name));
    TRY(const auto file, open(name));
    TRY(const std::uint64_t size, file->size());
    if (size > size_max)
      return fail(Kind::kExhausted, "archive.too_large",
                  text("found {} of {} bytes in {}, expected at most {}", name, size, shown(), size_max));
    Bytes piece(std::min<std::uint64_t>(kPiece, size));
    for (std::uint64_t at = 0; at < size;) {
      TRY(const std::size_t got, file->read_at(at, piece));
      if (got == 0) break;
      TRY_OK(sink(ByteView(piece).first(got)));
      at += got;
    }
    return {};
  }

  Result<Entry> head(const std::string& name) override {
    TRY_OK(check_name(name));
    TRY(const auto file, open(name));
    TRY(const std::uint64_t size, file->size());
    return Entry{.name = name, .size_bytes = size};
  }

  Result<std::vector<Entry>> list(const std::string& prefix) override {
    std::vector<Entry> out;
    TRY(const bool there, fs_.exists(dir_));
    if (!there) return out;
    TRY(const auto names, fs_.list(dir_));
    for (const std::string& name : names) {
      if (!check_name(name)) continue;
      const auto inside = fs_.list(text("{}/{}", dir_, name));  // fails when it is a file
      if (!inside) {
        TRY_OK(add(name, prefix, out));
        continue;
      }
      for (const std::string& file : *inside) TRY_OK(add(text("{}/{}", name, file), prefix, out));
    }
    std::ranges::sort(out, {}, &Entry::name);
    return out;
  }

  Status erase(const std::string& name) override {
    TRY_OK(check_name(name));
    TRY(const bool there, fs_.exists(path(name)));
    if (!there) return {};
    TRY_OK(fs_.unlink(path(name)));
    return fs_.sync_dir(parent_dir(path(name)));
  }

 private:
  std::string path(const std::string& name, std::string_view before_file = {}) const {
    const auto slash = name.find('/');
    if (slash == name.npos) return text("{}/{}{}", dir_, before_file, name);
    return text("{}/{}/{}{}", dir_, name.substr(0, slash), before_file, name.substr(slash + 1));
  }

  Status make_folders(const std::string& name) {
    TRY(const bool there, fs_.exists(dir_));
    if (!there) {
      TRY_OK(fs_.mkdir(dir_));
      TRY_OK(fs_.sync_dir(parent_dir(dir_)));
    }
    const auto slash = name.find('/');
    if (slash == name.npos) return {};
    const std::string folder = text("{}/{}", dir_, name.substr(0, slash));
    TRY(const bool folder_there, fs_.exists(folder));
    if (folder_there) return {};
    TRY_OK(fs_.mkdir(folder));
    return fs_.sync_dir(dir_);
  }

  Status write(const std::string& tmp, const Source& source) {
    TRY(const auto file, fs_.open(tmp, OpenMode::kCreate));
    Bytes piece(std::min<std::uint64_t>(kPiece, source.size_bytes));
    for (std::uint64_t at = 0; at < source.size_bytes; at += piece.size()) {
      piece.resize(std::min<std::uint64_t>(piece.size(), source.size_bytes - at));
      TRY_OK(source.read(at, piece));
      TRY_OK(file->write_at(at, piece));
    }
    return file->sync();
  }

  Result<std::unique_ptr<File>> open(const std::string& name) {
    auto file = fs_.open(path(name), OpenMode::kRead);
    if (!file && file.error().kind() == Kind::kNotFound)
      return fail(Kind::kNotFound, "archive.not_found", text("found no {} in {}", name, shown()));
    return file;
  }

  Status add(const std::string& name, const std::string& prefix, std::vector<Entry>& out) {
    if (!check_name(name) || !name.starts_with(prefix)) return {};
    if (out.size() == kListMax)
      return fail(Kind::kExhausted, "archive.list_max",
                  text("found more than {} objects under {}, expected at most that", kListMax, shown()));
    TRY(out.emplace_back(), head(name));
    return {};
  }

  Fs& fs_;
  std::string dir_;
};

}  // namespace

std::unique_ptr<Target> make_dir(Fs& fs, std::string dir) { return std::make_unique<DirTarget>(fs, std::move(dir)); }

}  // namespace hanse::archive
