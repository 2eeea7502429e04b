// The wallet of a verb: --wallet FILE, else wallet.json in the network's folder. An encrypted wallet asks for its
// passphrase on the terminal, or reads it from --passphrase-fd; a development network's wallet has none.
// Errors: cli.passphrase (invalid) when there is nobody to ask, and those of crypto/keyfile.h.
#pragma once

#include <string>

#include "base/crypto/keyfile.h"
#include "cli/verbs/session.h"
#include "exchange/market/calls.h"

namespace hanse::cli {

plugin::VerbOption wallet_option();
plugin::VerbOption passphrase_option();

std::string wallet_path(const plugin::VerbArgs& args, const std::string& dir);
Result<AccountId> wallet_account(const plugin::VerbArgs& args, const Session& session);  // needs no passphrase
Result<crypto::KeySeeds> open_wallet(const plugin::VerbArgs& args, const std::string& path);

enum class Prompt : std::uint8_t { kOnce, kTwice };
Result<std::string> read_passphrase(const plugin::VerbArgs& args, std::string_view what, Prompt prompt);

}  // namespace hanse::cli
