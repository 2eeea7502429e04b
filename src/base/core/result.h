// Result<T>, Status and Error: how every fallible function in Hanse answers.
//
// Error is one owning pointer (8 bytes, null only after a move), so the happy path stays cheap and the error may be
// rich: a kind (decides retry, exit code and wire status), a stable id "room.what", a message that says what was
// found, what was expected and where, an optional numeric code and path (job validation), and a chain of contexts.
// Threads: values, no sharing. Errors of this header: none of its own.
// Includes nothing heavy on purpose: almost every file reads this one.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace hanse {

enum class Kind : std::uint8_t {
  kInvalid,      // the caller's input is wrong; retrying the same input is pointless
  kNotFound,     // the named thing does not exist
  kConflict,     // it exists already, or the state does not allow the step
  kDenied,       // not permitted: keys, modes, signatures of the caller
  kUnavailable,  // cannot be reached or not ready; retrying may help
  kTimeout,      // the deadline passed; the outcome may be unknown
  kExhausted,    // a limit, quota or budget is used up
  kCorrupt,      // stored or received bytes contradict their checks
  kUnsupported,  // well-formed, but this build or machine cannot do it
  kInternal,     // our own bug
};

std::string_view kind_name(Kind kind);              // "invalid", "not_found", ...
bool parse_kind(std::string_view name, Kind& out);  // inverse of kind_name
int exit_code(Kind kind);                           // 1 negative, 2 usage, 3 unreachable, 4 denied, 5 corrupt, 70 bug

class [[nodiscard]] Error {
 public:
  Error(Kind kind, std::string_view id, std::string_view message);
  Error(Error&& other) noexcept : rep_(other.rep_) { other.rep_ = nullptr; }
  Error& operator=(Error&& other) noexcept;
  Error(const Error&) = delete;
  Error& operator=(const Error&) = delete;
  ~Error();

  Error clone() const;

  Kind kind() const;
  std::string_view id() const;
  std::string_view message() const;
  std::uint32_t code() const;                       // 0 when the error has no number
  std::string_view path() const;                    // "" or where in the document, e.g. "nodes[2].limits.gas"
  const std::vector<std::string>& context() const;  // innermost first

  Error&& with(std::string_view context) &&;  // what was being done, e.g. "open wallet /home/a/w.key"
  Error&& coded(std::uint32_t code) &&;
  Error&& at(std::string_view path) &&;

  std::string str() const;  // "id: message at path (while inner; outer)"

 private:
  struct Rep;
  Rep* rep_;
};
static_assert(sizeof(Error) == sizeof(void*));

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

// return fail(Kind::kCorrupt, "receipt.bad_leaf", text("leaf {} hashes to {}, root needs {}", i, got, want));
[[nodiscard]] std::unexpected<Error> fail(Kind kind, std::string_view id, std::string_view message);

// Adds a context line to a failed result and passes it on.
template <class T>
[[nodiscard]] std::expected<T, Error> with_context(std::expected<T, Error> result, std::string_view context) {
  if (!result) return std::unexpected(std::move(result).error().with(context));
  return result;
}

}  // namespace hanse

#define HANSE_TRY_CAT2(a, b) a##b
#define HANSE_TRY_CAT(a, b) HANSE_TRY_CAT2(a, b)
#define HANSE_TRY_DECL(tmp, decl, ...)              \
  auto tmp = (__VA_ARGS__);                         \
  if (!tmp) [[unlikely]]                            \
    return std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)

// TRY(auto bytes, read_file(path));   declares bytes, or returns the error
#define TRY(decl, ...) HANSE_TRY_DECL(HANSE_TRY_CAT(hanse_try_, __LINE__), decl, __VA_ARGS__)
// TRY_OK(file.sync());                for a Status (or a Result whose value is not wanted)
#define TRY_OK(...)                                                      \
  do {                                                                   \
    if (auto hanse_status_ = (__VA_ARGS__); !hanse_status_) [[unlikely]] \
      return std::unexpected(std::move(hanse_status_).error());          \
  } while (false)
