// The command line: every verb Hanse has, the parser over them, and what all verbs share.
// Results go to stdout, talk to stderr; --json prints one object, and errors as {"error":{id,code,message,path}}.
// Exit codes: 0 ok, 1 negative answer, 2 usage, 3 unreachable, 4 denied, 5 corrupt, 70 bug.
// Errors: cli.usage, cli.number, cli.network_folder, cli.started, cli.not_started, cli.start_failed, cli.no_receipt,
// cli.no_proof.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/plugin/verb.h"

namespace hanse::cli {

std::vector<plugin::Verb> all_verbs();

// Parses, runs and prints; returns the exit code. Writes to the two descriptors only.
int run_command_line(std::span<const std::string> args, const std::vector<plugin::Verb>& verbs, int out_fd, int err_fd);

// One verb a file; each returns its declaration.
plugin::Verb up_verb();
plugin::Verb down_verb();
plugin::Verb keygen_verb();
plugin::Verb wallet_show_verb();
plugin::Verb provider_list_verb();
plugin::Verb submit_verb();
plugin::Verb status_verb();
plugin::Verb cancel_verb();
plugin::Verb challenge_verb();
plugin::Verb receipt_get_verb();
plugin::Verb receipt_show_verb();
plugin::Verb genesis_show_verb();
plugin::Verb light_verify_verb();
plugin::Verb node_run_verb();
plugin::Verb node_keygen_verb();   // keygen under the folder of node
plugin::Verb node_version_verb();  // version, likewise
plugin::Verb doctor_verb();
plugin::Verb explain_verb();
plugin::Verb version_verb();
plugin::Verb completion_verb();

}  // namespace hanse::cli
