#include "cli/verbs/wallet.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/core/text.h"

namespace hanse::cli {

namespace {

constexpr std::size_t kPassphraseMax = 1024;

// Up to a newline or the end.
Result<std::string> read_line(int fd) {
  std::string line;
  char c = 0;
  while (line.size() <= kPassphraseMax) {
    const ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Kind::kInvalid, "cli.passphrase", text("cannot read the passphrase from descriptor {}", fd));
    if (n == 0 || c == '\n') return line;
    line += c;
  }
  return fail(Kind::kInvalid, "cli.passphrase", text("the passphrase is longer than {} bytes", kPassphraseMax));
}

// Asks on the terminal itself, so that stdin and stdout stay free for data; typed text is not shown.
Result<std::string> ask(int terminal, std::string_view question) {
  termios before{};
  tcgetattr(terminal, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(terminal, TCSAFLUSH, &silent);
  const bool asked = ::write(terminal, question.data(), question.size()) == static_cast<ssize_t>(question.size());
  auto answer = read_line(terminal);
  tcsetattr(terminal, TCSAFLUSH, &before);
  const bool ended = ::write(terminal, "\n", 1) == 1;
  if (!asked || !ended) return fail(Kind::kInvalid, "cli.passphrase", "the terminal is gone");
  return answer;
}

}  // namespace

plugin::VerbOption wallet_option() {
  return {.name = "--wallet",
          .value = "FILE",
          .help = "key file (default wallet.json in the network's folder)",
          .fallback = {}};
}

plugin::VerbOption passphrase_option() {
  return {.name = "--passphrase-fd", .value = "N", .help = "read the passphrase from this descriptor", .fallback = {}};
}

std::string wallet_path(const plugin::VerbArgs& args, const std::string& dir) {
  return args.has("wallet") ? std::string(args.get("wallet")) : dir + "/wallet.json";
}

Result<AccountId> wallet_account(const plugin::VerbArgs& args, const Session& session) {
  const std::string dir = session.dir.empty() ? network_dir(args) : session.dir;
  TRY(const auto info, crypto::read_key_file(wallet_path(args, dir)));
  return info.account;
}

Result<std::string> read_passphrase(const plugin::VerbArgs& args, std::string_view what, Prompt prompt) {
  if (args.has("passphrase-fd")) {
    TRY(const std::uint64_t fd, args.number("passphrase-fd", 0, 1023));
    return read_line(static_cast<int>(fd));
  }
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0)
    return fail(Kind::kInvalid, "cli.passphrase",
                text("{} needs a passphrase and there is no terminal to ask; use --passphrase-fd", what));
  auto first = ask(terminal, text("passphrase of {}: ", what));
  if (first && prompt == Prompt::kTwice) {
    auto second = ask(terminal, "again: ");
    if (second && *second != *first) first = fail(Kind::kInvalid, "cli.passphrase", "the two passphrases differ");
    if (!second) first = std::move(second);
  }
  ::close(terminal);
  return first;
}

Result<crypto::KeySeeds> open_wallet(const plugin::VerbArgs& args, const std::string& path) {
  TRY(const auto info, crypto::read_key_file(path));
  std::string passphrase;
  if (info.encrypted) {
    TRY(passphrase, read_passphrase(args, path, Prompt::kOnce));
  }
  return crypto::open_key_file(path, passphrase, {.allow_unencrypted = true});
}

}  // namespace hanse::cli
