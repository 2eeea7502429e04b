#include "cli/rescue/rescue_verbs.h"
#include "cli/verbs/verbs.h"
#include "sim/world/sim_verbs.h"

namespace hanse::cli {

std::vector<plugin::Verb> all_verbs() {
  std::vector<plugin::Verb> verbs = {up_verb(),          down_verb(),         submit_verb(),       status_verb(),
                                     cancel_verb(),      keygen_verb(),       wallet_show_verb(),  provider_list_verb(),
                                     receipt_get_verb(), receipt_show_verb(), genesis_show_verb(), light_verify_verb(),
                                     node_run_verb(),    doctor_verb(),       explain_verb(),      completion_verb(),
                                     version_verb()};
  for (plugin::Verb& verb : rescue::forwarded_backup_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : sim::sim_verbs()) verbs.push_back(std::move(verb));
  return verbs;
}

}  // namespace hanse::cli
