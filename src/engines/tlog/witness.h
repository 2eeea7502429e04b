// A witness (c2sp.org/tlog-witness): remembers the newest checkpoint of each log it knows and cosigns what continues
// it.
//   add-checkpoint   "old <size>\n", at most 63 hashes in base64, an empty line, the checkpoint's note
// Answers: 200 with signature lines; 400 another form, or old above the checkpoint's size; 403 no good signature of the
// log; 404 another origin; 409 old is not the size last cosigned, which is the body (text/x.tlog.size); 422 the
// checkpoint does not continue the last one.
// witness_step is the rule, without disk or clock. Witness keeps one note a log in <dir>/<SHA-256 of origin>/checkpoint
// and holds a lock from the comparison until the note is synced: two requests cannot take it back. Nothing is answered
// before that, and after an error of the disk nothing is cosigned that was not kept.
// Limits: 1024 logs, request kRequestMax bytes. Threads: Witness any; the rest values.
// Errors: tlog.request (invalid: another form), tlog.cosigner (invalid: a key of another type, or none),
// tlog.logs_limit (exhausted), tlog.path (not_found: latest of a log never cosigned), those of checkpoint.h and fs.h.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/crypto/merkle.h"
#include "engines/tlog/checkpoint.h"

namespace hanse::tlog {

constexpr std::size_t kRequestHashesMax = 63;
constexpr std::size_t kRequestMax = kNoteMax + 32 + kRequestHashesMax * 45;
constexpr std::size_t kWitnessLogsMax = 1024;

struct AddCheckpoint {
  std::uint64_t old_size = 0;
  crypto::Proof proof;
  std::string note;
};
Result<AddCheckpoint> parse_add_checkpoint(std::string_view body);
std::string format_add_checkpoint(const AddCheckpoint& request);

struct WitnessAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct WitnessLog {
  std::string origin;
  std::vector<NoteKey> keys;
};

struct WitnessStep {
  WitnessAnswer answer;
  TreeHead head;                    // to remember, when there is a note to keep
  std::optional<std::string> keep;  // the log's good signatures and ours
};
WitnessStep witness_step(const WitnessLog& log, const TreeHead& latest, const AddCheckpoint& request,
                         std::span<const NoteSigner> signers, std::uint64_t now_s);

std::string origin_hash(std::string_view origin);  // lower-case hex

class Witness {
 public:
  struct Parts {
    std::string dir;
    std::vector<NoteSigner> signers;  // of types 0x04 and 0x06
    std::vector<WitnessLog> logs;
    Fs* fs = &real_fs();
    Clock* clock = &system_clock();
  };
  static Result<std::unique_ptr<Witness>> open(Parts parts);

  // The error is the disk's: an HTTP server says 500.
  Result<WitnessAnswer> add_checkpoint(std::string_view body);
  Result<std::string> latest(std::string_view origin) const;  // the cosigned note
  TreeHead latest_head(std::string_view origin) const;        // of size 0 when there is none

 private:
  struct Known {
    WitnessLog log;
    TreeHead head = empty_head();
    std::string note;
  };
  explicit Witness(Parts parts) : parts_(std::move(parts)) {}

  Parts parts_;
  mutable std::mutex mutex_;  // logs_
  std::map<std::string, Known, std::less<>> logs_;
};

}  // namespace hanse::tlog
