#include "chain/backup/names.h"

#include "base/core/text.h"

namespace hanse::backup {
namespace {

constexpr std::size_t kDigitsMax = 18;

// Decimal digits that end at `end`; takes them and the end from s.
std::optional<std::uint64_t> take_number(std::string_view& s, char end) {
  const auto at = end == '\0' ? s.size() : s.find(end);
  if (at == s.npos || at == 0 || at > kDigitsMax + 2) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : s.substr(0, at)) {
    if (c < '0' || c > '9' || value > 99'999'999'999'999'999) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  s.remove_prefix(end == '\0' ? at : at + 1);
  return value;
}

}  // namespace

std::string backup_id(const BackupName& name) {
  return text("{}{}-{}", kBackupPrefix, name.height.value, name.created_ms);
}

std::optional<BackupName> parse_backup_id(std::string_view id) {
  const std::string_view whole = id;
  if (!id.starts_with(kBackupPrefix)) return std::nullopt;
  id.remove_prefix(kBackupPrefix.size());
  const auto height = take_number(id, '-');
  const auto created = height ? take_number(id, '\0') : std::nullopt;
  if (!created) return std::nullopt;
  const BackupName name{.height = Height{*height}, .created_ms = static_cast<std::int64_t>(*created)};
  if (backup_id(name) != whole) return std::nullopt;
  return name;
}

std::string cuts_name(Height first, Height last) {
  return text("{}{:020}-{:020}", kCutsFolder, first.value, last.value);
}

std::optional<Span> parse_cuts_name(std::string_view name) {
  const std::string_view whole = name;
  if (!name.starts_with(kCutsFolder)) return std::nullopt;
  name.remove_prefix(kCutsFolder.size());
  const auto first = take_number(name, '-');
  const auto last = first ? take_number(name, '\0') : std::nullopt;
  if (!last || *last < *first || *first == 0 || cuts_name(Height{*first}, Height{*last}) != whole) return std::nullopt;
  return Span{.first = Height{*first}, .last = Height{*last}, .name = std::string(whole)};
}

}  // namespace hanse::backup
