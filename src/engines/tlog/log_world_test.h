// For tests: a log in memory, with the resources it would serve and a key of its own, and folders that go away.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "base/core/text.h"
#include "engines/tlog/checkpoint.h"
#include "engines/tlog/tile.h"

namespace hanse::tlog {

inline NoteSigner test_signer(std::string_view name, SignatureType type, std::uint8_t seed = 7) {
  return NoteSigner::create(name, type, Bytes(32, seed)).value();
}

class MemLog {
 public:
  explicit MemLog(std::string name = "log.example/test") : origin(std::move(name)) {}

  void add(ByteView entry) {
    entries.push_back(to_bytes(entry));
    tree.append(crypto::log_leaf_hash(entry));
  }
  void grow(std::uint64_t size, std::string_view salt = "entry") {
    while (tree.size() < size) add(as_bytes(text("{} {}", salt, tree.size())));
  }
  TreeHead head(std::uint64_t size) const { return {size, crypto::log_root(tree, size).value()}; }
  TreeHead head() const { return head(tree.size()); }
  std::string note(const TreeHead& of) const {
    Note out{format_checkpoint({origin, of, {}}), {}};
    out.signatures.push_back(signer.sign(out.text, 0).value());
    return format_note(out);
  }
  std::string note() const { return note(head()); }

  // By the definition of c2sp.org/tlog-tiles, from the leaves: hash i of tile n of level l covers
  // leaves [(256 n + i) 256^l, ...).
  Result<Bytes> resource(const std::string& path) const {
    const auto r = parse_resource(path);
    if (!r) return std::unexpected(r.error().clone());
    if (r->kind == ResourceKind::kCheckpoint) return to_bytes(note());
    Bytes out;
    for (std::uint64_t i = 0; i < r->width; ++i) {
      const std::uint64_t n = r->index * 256 + i;
      if (r->kind == ResourceKind::kEntries) {
        if (n >= entries.size()) return fail(Kind::kNotFound, "tlog.path", path);
        out.push_back(static_cast<std::uint8_t>(entries[n].size() / 256));
        out.push_back(static_cast<std::uint8_t>(entries[n].size() % 256));
        append(out, entries[n]);
        continue;
      }
      const auto node = tree.node(8 * r->level, n);
      if (!node) return fail(Kind::kNotFound, "tlog.path", path);
      append(out, node->view());
    }
    return out;
  }
  Fetch fetch() const {
    return [this](const std::string& path) { return resource(path); };
  }

  std::string origin;
  NoteSigner signer = test_signer(origin, SignatureType::kEd25519);
  crypto::LogTree tree;
  std::vector<Bytes> entries;
};

// A new empty folder, removed with the object.
class TempDir {
 public:
  TempDir() {
    static std::atomic<int> count{0};
    path_ = text("{}/hanse_tlog_{}_{}", testing::TempDir(), static_cast<std::int64_t>(::getpid()), count++);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TempDir(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "none" : std::string(result.error().id());
}

}  // namespace hanse::tlog
