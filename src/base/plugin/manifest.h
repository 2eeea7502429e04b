// What a plug-in says of itself: lines of `key = "value"`, blank lines and # comments. A small subset of TOML, strict:
//   id            required, [a-z][a-z0-9_-]*, at most 32 bytes
//   version       required, MAJOR.MINOR.PATCH, each 0 to 999999 without leading zeros (semver.org 2.0.0 item 2)
//   abi           required, decimal
//   capabilities  optional, names [a-z][a-z0-9._/-]* with commas between, at most kCapabilitiesMax
//   needs         optional, `id >= MAJOR.MINOR.PATCH` with commas between; the same major version is needed
//   name, author, description   optional text
// No escapes: a value holds neither quote nor backslash nor control character.
// Errors: plugin.bad_manifest (Kind::kInvalid), saying line, found and expected.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace hanse::plugin {

constexpr std::size_t kManifestSizeMax = 8 * 1024;
constexpr std::size_t kCapabilitiesMax = 64;
constexpr std::size_t kNeedsMax = 16;

struct Version {
  std::uint32_t major = 0, minor = 0, patch = 0;
  std::string str() const;
  friend auto operator<=>(const Version&, const Version&) = default;
};
Result<Version> parse_version(std::string_view text);

struct Need {
  std::string id;
  Version version_min;
  bool met_by(const Version& found) const { return found.major == version_min.major && found >= version_min; }
};

struct Manifest {
  std::string id;
  Version version;
  std::uint32_t abi = 0;
  std::vector<std::string> capabilities;
  std::vector<Need> needs;
  std::string name, author, description;
};

Result<Manifest> parse_manifest(std::string_view text);

// The order in which to load, every need before its user; positions into `manifests`. Needs that are not among them
// are left to the loader. Error: plugin.cycle (Kind::kInvalid) naming the ring, e.g. "a -> b -> a".
Result<std::vector<std::size_t>> load_order(const std::vector<Manifest>& manifests);

}  // namespace hanse::plugin
