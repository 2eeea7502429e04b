// The verbs `hanse backup ...`: declared here, done by the program hanse-backup (main_backup.cc), which hanse becomes.
// What they link, a store and an HTTP client, would make every start of hanse slower.
// Errors: plugin.no_program (unavailable); of the program: rescue.no_chain (not_found: no ledger in the folder given),
// rescue.scratch (denied), cli.number, and those of backup and archive.
#pragma once

#include <string_view>
#include <vector>

#include "base/plugin/verb.h"

namespace hanse::rescue {

using Run = Result<plugin::Answer> (*)(const plugin::VerbArgs&, plugin::Talk&);

struct Runs {
  Run create, list, verify, restore, erase, prune;
};
std::vector<plugin::Verb> backup_verbs(const Runs& runs);

// The same verbs, each of which becomes the program hanse-backup beside this one.
std::vector<plugin::Verb> forwarded_backup_verbs();

}  // namespace hanse::rescue
