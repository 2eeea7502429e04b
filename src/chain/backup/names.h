// Names of objects on a target. Private to the room.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/units.h"

namespace hanse::backup {

constexpr std::string_view kManifestName = "manifest";
constexpr std::string_view kDataName = "data.tar.zst";
constexpr std::string_view kCutsFolder = "cuts/";
constexpr std::string_view kBackupPrefix = "backup-";

struct BackupName {
  Height height;
  std::int64_t created_ms = 0;
};
std::string backup_id(const BackupName& name);
std::optional<BackupName> parse_backup_id(std::string_view id);

struct Span {
  Height first, last;
  std::string name;
};
std::string cuts_name(Height first, Height last);
std::optional<Span> parse_cuts_name(std::string_view name);

}  // namespace hanse::backup
