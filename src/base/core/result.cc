#include "base/core/result.h"

#include <array>
#include <utility>

namespace hanse {

namespace {
constexpr std::array<std::string_view, 10> kKindNames = {"invalid",     "not_found", "conflict",  "denied",
                                                         "unavailable", "timeout",   "exhausted", "corrupt",
                                                         "unsupported", "internal"};
constexpr std::array<int, 10> kExitCodes = {2, 1, 1, 4, 3, 3, 1, 5, 1, 70};
}  // namespace

struct Error::Rep {
  Kind kind;
  std::uint32_t code = 0;
  std::string id;
  std::string message;
  std::string path;
  std::vector<std::string> context;
};

std::string_view kind_name(Kind kind) { return kKindNames.at(static_cast<std::size_t>(kind)); }

bool parse_kind(std::string_view name, Kind& out) {
  for (std::size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames[i] != name) continue;
    out = static_cast<Kind>(i);
    return true;
  }
  return false;
}

int exit_code(Kind kind) { return kExitCodes.at(static_cast<std::size_t>(kind)); }

Error::Error(Kind kind, std::string_view id, std::string_view message)
    : rep_(new Rep{.kind = kind, .id = std::string(id), .message = std::string(message), .path = {}, .context = {}}) {}

Error& Error::operator=(Error&& other) noexcept {
  std::swap(rep_, other.rep_);
  return *this;
}

Error::~Error() { delete rep_; }

Error Error::clone() const {
  Error copy(rep_->kind, rep_->id, rep_->message);
  *copy.rep_ = *rep_;
  return copy;
}

Kind Error::kind() const { return rep_->kind; }
std::string_view Error::id() const { return rep_->id; }
std::string_view Error::message() const { return rep_->message; }
std::uint32_t Error::code() const { return rep_->code; }
std::string_view Error::path() const { return rep_->path; }
const std::vector<std::string>& Error::context() const { return rep_->context; }

Error&& Error::with(std::string_view context) && {
  rep_->context.emplace_back(context);
  return std::move(*this);
}

Error&& Error::coded(std::uint32_t code) && {
  rep_->code = code;
  return std::move(*this);
}

Error&& Error::at(std::string_view path) && {
  rep_->path = path;
  return std::move(*this);
}

std::string Error::str() const {
  std::string out = rep_->id + ": " + rep_->message;
  if (!rep_->path.empty()) out += " at " + rep_->path;
  for (std::size_t i = 0; i < rep_->context.size(); ++i) out += (i == 0 ? " (while " : "; ") + rep_->context[i];
  if (!rep_->context.empty()) out += ')';
  return out;
}

std::unexpected<Error> fail(Kind kind, std::string_view id, std::string_view message) {
  return std::unexpected(Error(kind, id, message));
}

}  // namespace hanse
