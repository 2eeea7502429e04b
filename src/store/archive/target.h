// Target: a place that keeps named objects: a folder, a bucket of S3 or of a service that speaks it, a container of
// Azure Blob Storage. For backups, so it has only what they need: put, get, head, list, erase.
// A name is at most one folder and one file, each of [A-Za-z0-9._-] and not beginning with a dot, 200 bytes in all.
// put leaves the whole object or none: a folder's file is synced and then renamed, an upload of many parts is aborted
// when one fails, and afterwards the target is asked for size and checksum. put of the same name replaces.
// What failed for want of a server (5xx, 429, broken connections) is tried again kAttemptsMax times with growing waits.
//
// Where it is, as text (open_target):
//   dir:/backups/a   or a path                   credentials: none
//   s3://BUCKET/PREFIX?region=R&endpoint=URL     AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//   gs://BUCKET/PREFIX                           GS_ACCESS_KEY_ID, GS_SECRET_ACCESS_KEY (HMAC keys)
//   az://ACCOUNT/CONTAINER/PREFIX                AZURE_STORAGE_KEY
// Options after '?': endpoint, region, path_style=0|1, credentials=FILE (lines KEY = VALUE with the names above; the
// file must not be readable by others). Secrets are never part of the text, of an error or of a log.
// TLS certificates are always verified; plain http is taken for loopback endpoints only.
//
// Threads: one at a time for one Target. A Target borrows the ports of its Context.
// Errors: archive.url (invalid), archive.name (invalid), archive.credentials (denied), archive.plain_http (denied),
// archive.not_found (not_found), archive.denied (denied: 401 and 403, with the service's own word), archive.refused
// (invalid: another 4xx), archive.unavailable (unavailable), archive.timeout (timeout), archive.tls (denied),
// archive.reply (corrupt: an answer that is not the protocol's), archive.mismatch (corrupt: the object kept is not the
// one sent), archive.too_large (exhausted), archive.list_max (exhausted), and core.fs_*.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "store/archive/http.h"

namespace hanse::archive {

constexpr std::size_t kNameMax = 200;
constexpr std::size_t kListMax = 200'000;
constexpr std::uint64_t kObjectBytesMax = 640ull << 30;
constexpr int kAttemptsMax = 5;

// Bytes to send, read at any offset and more than once (a part is sent again after a failure).
struct Source {
  std::uint64_t size_bytes = 0;
  std::function<Status(std::uint64_t offset, ByteSpan out)> read;
};
Source bytes_source(ByteView bytes);  // borrows
Result<Source> file_source(Fs& fs, const std::string& path);

struct Entry {
  std::string name;
  std::uint64_t size_bytes = 0;
  friend bool operator==(const Entry&, const Entry&) = default;
};

class Target {
 public:
  virtual ~Target() = default;
  virtual Status put(const std::string& name, const Source& source) = 0;
  // In pieces; an error of the sink ends it. More than size_max bytes: archive.too_large.
  virtual Status get(const std::string& name, std::uint64_t size_max, const Sink& sink) = 0;
  virtual Result<Entry> head(const std::string& name) = 0;
  virtual Result<std::vector<Entry>> list(const std::string& prefix) = 0;  // ascending names
  virtual Status erase(const std::string& name) = 0;                       // fine when there is none
  virtual std::string shown() const = 0;                                   // where it is, without secrets

  Result<Bytes> get_bytes(const std::string& name, std::uint64_t size_max);
};

Status check_name(std::string_view name);

struct Context {
  Fs* fs = nullptr;                                                 // nullptr: real_fs()
  Clock* clock = nullptr;                                           // nullptr: system_clock()
  Random* random = nullptr;                                         // nullptr: system_random()
  Http* http = nullptr;                                             // nullptr: a libcurl of its own
  std::function<std::string(const std::string&)> environment = {};  // empty: the process's
  std::function<void(std::int64_t)> wait_ms = {};                   // between attempts; empty: the thread waits
};
Result<std::unique_ptr<Target>> open_target(const std::string& url, const Context& context);

}  // namespace hanse::archive
