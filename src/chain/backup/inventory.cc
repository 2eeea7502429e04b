#include <algorithm>

#include "base/core/text.h"
#include "chain/backup/backup.h"
#include "chain/backup/names.h"

namespace hanse::backup {
namespace {

Listed describe(archive::Target& target, const std::string& id, const BackupName& name) {
  Listed out{.id = id, .height = name.height, .created_ms = name.created_ms, .manifest = {}, .damage = {}};
  const auto read = [&]() -> Result<Manifest> {
    TRY(const Bytes bytes, target.get_bytes(text("{}/{}", id, kManifestName), kManifestBytesMax));
    return decode_manifest(bytes);
  };
  auto manifest = read();
  if (manifest) {
    out.manifest = std::move(*manifest);
  } else {
    out.damage = manifest.error().str();
  }
  return out;
}

}  // namespace

Result<std::vector<Listed>> list(archive::Target& target) {
  TRY(const auto entries, target.list(std::string(kBackupPrefix)));
  std::vector<Listed> out;
  for (const auto& entry : entries) {
    const auto slash = entry.name.find('/');
    if (slash == entry.name.npos || entry.name.substr(slash + 1) != kManifestName) continue;
    const std::string id = entry.name.substr(0, slash);
    if (const auto name = parse_backup_id(id)) out.push_back(describe(target, id, *name));
  }
  std::ranges::sort(out, {}, [](const Listed& one) { return std::pair(one.height, one.created_ms); });
  return out;
}

Status erase(archive::Target& target, const std::string& id) {
  if (!parse_backup_id(id))
    return fail(Kind::kNotFound, "backup.not_found", text("found '{}', expected backup-HEIGHT-MILLISECONDS", id));
  TRY(const auto entries, target.list(id + "/"));
  if (entries.empty()) return fail(Kind::kNotFound, "backup.not_found", text("found no {} in {}", id, target.shown()));
  TRY_OK(target.erase(text("{}/{}", id, kManifestName)));  // first: without it there is no backup
  for (const auto& entry : entries) TRY_OK(target.erase(entry.name));
  return {};
}

Result<Pruned> prune(archive::Target& target, std::uint64_t retention_days, const Clock& clock) {
  constexpr std::uint64_t kDaysMax = 36'500;
  TRY(const auto all, list(target));
  Pruned out;
  const Listed* newest = nullptr;  // readable, by the time it was taken
  for (const Listed& one : all)
    if (one.manifest && (newest == nullptr || one.created_ms >= newest->created_ms)) newest = &one;
  if (newest == nullptr) return out;  // nothing is known to be good, so nothing goes
  const std::int64_t oldest_ms =
      clock.wall_ms() - static_cast<std::int64_t>(std::min(retention_days, kDaysMax)) * kDayMs;
  Height needed = newest->height;  // blocks above the lowest base stay
  for (const Listed& one : all) {
    if (&one == newest || one.created_ms >= oldest_ms) {
      needed = std::min(needed, one.height);
      continue;
    }
    TRY_OK(erase(target, one.id));
    out.backups.push_back(one.id);
  }
  TRY(const auto entries, target.list(std::string(kCutsFolder)));
  Height archived;
  for (const auto& entry : entries)
    if (const auto span = parse_cuts_name(entry.name)) archived = std::max(archived, span->last);
  for (const auto& entry : entries) {
    const auto span = parse_cuts_name(entry.name);
    // The newest segment says how far the archive goes.
    if (!span || span->last > needed || span->last == archived) continue;
    TRY_OK(target.erase(span->name));
    out.segments += 1;
  }
  return out;
}

}  // namespace hanse::backup
