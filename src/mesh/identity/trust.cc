#include "mesh/identity/trust.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::identity {

Status Trust::room(std::size_t used) const {
  if (used < kEntriesMax) return {};
  return fail(Kind::kExhausted, "identity.limit", text("found {} entries, expected fewer", used));
}

Status Trust::trust(const MachineId& machine) {
  TRY_OK(room(trusted_));
  ++trusted_;
  machines_.insert(machine);
  return {};
}

Status Trust::trust(std::string_view entry) {
  if (entry.starts_with("user:")) {
    TRY(const UserId user, parse_user(entry));
    TRY_OK(room(trusted_));
    users_.insert(user);
  } else if (entry.starts_with("agent:")) {
    const std::size_t at = entry.find('@');
    TRY(const AgentId agent, parse_agent(entry.substr(0, at)));
    TRY_OK(room(trusted_));
    if (at == entry.npos) {
      agents_.insert_or_assign(agent, std::set<MachineId>{});
    } else {
      TRY(const MachineId machine, parse_machine(entry.substr(at + 1)));
      const auto known = agents_.find(agent);
      if (known == agents_.end() || !known->second.empty()) agents_[agent].insert(machine);
    }
  } else {
    TRY(const MachineId machine, parse_machine(entry));
    return trust(machine);
  }
  ++trusted_;
  return {};
}

Status Trust::revoke(std::string_view entry) {
  TRY_OK(room(revoked_machines_.size() + revoked_users_.size() + revoked_agents_.size()));
  if (entry.starts_with("user:")) {
    TRY(const UserId user, parse_user(entry));
    revoked_users_.insert(user);
  } else if (entry.starts_with("agent:")) {
    TRY(const AgentId agent, parse_agent(entry));
    revoked_agents_.insert(agent);
  } else {
    TRY(const MachineId machine, parse_machine(entry));
    revoked_machines_.insert(machine);
  }
  return {};
}

bool Trust::asks() const {
  return admission == Admission::kTrusted || !revoked_agents_.empty() || !revoked_users_.empty() ||
         std::ranges::any_of(agents_, [](const auto& a) { return !a.second.empty(); });
}

Status Trust::judge(const MachineId& machine, const std::optional<Who>& who) const {
  std::string gone;
  if (revoked(machine)) gone = id_text(machine);
  if (who && revoked_agents_.contains(who->agent)) gone = id_text(who->agent);
  if (who && who->user && revoked_users_.contains(*who->user)) gone = id_text(*who->user);
  if (!gone.empty()) return fail(Kind::kDenied, "identity.revoked", text("found {}, which is revoked", gone));
  const auto agent = who ? agents_.find(who->agent) : agents_.end();
  if (agent != agents_.end() && !agent->second.empty() && !agent->second.contains(machine))
    return fail(Kind::kDenied, "identity.pinned",
                text("found {} on {}, expected it on {} other machines alone", id_text(who->agent), id_text(machine),
                     agent->second.size()));
  if (admission == Admission::kOpen || machines_.contains(machine)) return {};
  if (agent == agents_.end() && !(who && who->user && users_.contains(*who->user)))
    return fail(Kind::kDenied, "identity.not_trusted",
                text("found {} on {}, expected one of those in the list of trust",
                     who ? id_text(who->agent) : std::string("no agent"), id_text(machine)));
  if ((who->caps & kConnectCap) == 0)
    return fail(Kind::kDenied, "identity.caps",
                text("found {} without the capability to connect", id_text(who->agent)));
  return {};
}

}  // namespace hanse::identity
