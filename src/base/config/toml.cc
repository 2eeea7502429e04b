#include "base/config/toml.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config/config.h"
#include "base/core/text.h"

#include <toml++/toml.hpp>

namespace hanse::config {
namespace {

constexpr int kDepthMax = 4;  // the deepest key of any schema is section.name; the rest is somebody's mistake

class Flattener {
 public:
  Flattener(std::vector<TomlEntry>& out, const std::string& file) : out_(out), file_(file) {}

  Status table(const toml::table& table, const std::string& prefix, int depth) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      if (const auto* sub = node.as_table()) {
        if (depth >= kDepthMax) return refuse(node, path, "tables nested deeper than any key");
        TRY_OK(this->table(*sub, path + ".", depth + 1));
        continue;
      }
      TRY_OK(value(node, path));
    }
    return {};
  }

 private:
  Status value(const toml::node& node, const std::string& path) {
    TomlEntry e{.path = path, .text = {}, .list = {}, .line = node.source().begin.line};
    if (const auto* s = node.as_string()) {
      e.text = s->get();
    } else if (const auto* i = node.as_integer()) {
      e.kind = TomlEntry::Kind::kNumber;
      e.text = text("{}", i->get());
    } else if (const auto* b = node.as_boolean()) {
      e.kind = TomlEntry::Kind::kBool;
      e.text = b->get() ? "true" : "false";
    } else if (const auto* a = node.as_array()) {
      e.kind = TomlEntry::Kind::kList;
      for (const auto& item : *a) {
        const auto* word = item.as_string();
        if (word == nullptr) return refuse(item, path, "a list item that is no text");
        if (e.list.size() == kListItemsMax) return refuse(item, path, text("more than {} list items", kListItemsMax));
        e.list.push_back(word->get());
      }
    } else {
      return refuse(node, path, "a float, date or time");
    }
    out_.push_back(std::move(e));
    return {};
  }

  Status refuse(const toml::node& node, const std::string& path, std::string_view found) const {
    return fail(Kind::kInvalid, "config.bad_value",
                text("{}:{}: found {} for {}, expected text, a whole number, true, false or a list of text", file_,
                     node.source().begin.line, found, path));
  }

  std::vector<TomlEntry>& out_;
  const std::string& file_;
};

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view bytes, const std::string& name) {
  std::vector<TomlEntry> out;
  try {
    const toml::table root = toml::parse(bytes);
    TRY_OK(Flattener(out, name).table(root, "", 1));
  } catch (const toml::parse_error& e) {
    return fail(Kind::kInvalid, "config.syntax",
                text("{}:{}:{}: {}", name, e.source().begin.line, e.source().begin.column, e.description()));
  }
  return out;
}

Result<std::vector<TomlEntry>> read_toml(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const Kind kind = errno == ENOENT ? Kind::kNotFound : errno == EACCES ? Kind::kDenied : Kind::kInvalid;
    return fail(kind, "config.unreadable", text("{}: {}", file, std::strerror(errno)));
  }
  struct stat st{};
  std::string bytes;
  Status status;
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    status = fail(Kind::kInvalid, "config.unreadable", text("{}: found no regular file", file));
  } else {
    bytes.resize(kFileBytesMax + 1);
    std::size_t used = 0;
    for (;;) {
      const ssize_t got = ::read(fd, bytes.data() + used, bytes.size() - used);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) status = fail(Kind::kInvalid, "config.unreadable", text("{}: {}", file, std::strerror(errno)));
      if (got <= 0) break;
      used += static_cast<std::size_t>(got);
      if (used > kFileBytesMax) {
        status = fail(Kind::kExhausted, "config.too_large",
                      text("{}: found more than {} bytes, the most a file may have", file, kFileBytesMax));
        break;
      }
    }
    bytes.resize(used);
  }
  ::close(fd);
  TRY_OK(std::move(status));
  return parse_toml(bytes, file);
}

}  // namespace hanse::config
