// hanse-attest: the verbs of attestation that need a store (engines/tlog/log_verbs.h).
#include <unistd.h>

#include "cli/verbs/verbs.h"
#include "engines/tlog/log_verbs.h"

int main(int argc, char** argv) {
  namespace tlog = hanse::tlog;
  const std::vector<std::string> args(argv + 1, argv + argc);
  const auto verbs = tlog::log_verbs({.init = tlog::run_init,
                                      .append = tlog::run_append,
                                      .checkpoint = tlog::run_checkpoint,
                                      .proof = tlog::run_proof,
                                      .verify = tlog::run_verify,
                                      .witness = tlog::run_witness,
                                      .watch = tlog::run_watch});
  return hanse::cli::run_command_line(args, verbs, STDOUT_FILENO, STDERR_FILENO);
}
