// Trust: which machines, agents and users a node has to do with. What is decided on is the pair of agent and machine.
//   revoked    refused always
//   pinned     an agent that is trusted on some machines is refused on any other, also where everybody is let in
//   admission  open: everybody else is let in; trusted: who is named, or is an agent of a user who is named, and was
//              given kConnectCap by its papers; a machine that is named needs no papers
// Entries as text: "agent:ID" (on any machine), "agent:ID@MACHINE", "user:ID", "MACHINE"; revoked ones without "@".
// Values; any thread. Limits: kEntriesMax entries of each list.
// Errors: identity.id (invalid), identity.limit (exhausted); of judge, all denied: identity.revoked, identity.pinned,
// identity.not_trusted, identity.caps.
#pragma once

#include <map>
#include <set>

#include "mesh/identity/identity.h"

namespace hanse::identity {

constexpr std::size_t kEntriesMax = 1'024;

enum class Admission : std::uint8_t { kOpen, kTrusted };

class Trust {
 public:
  Admission admission = Admission::kOpen;

  Status trust(std::string_view entry);
  Status trust(const MachineId& machine);
  Status revoke(std::string_view entry);

  bool revoked(const MachineId& machine) const { return revoked_machines_.contains(machine); }
  // Nothing may be taken of a peer before it has said who it is.
  bool asks() const;
  Status judge(const MachineId& machine, const std::optional<Who>& who) const;

 private:
  Status room(std::size_t used) const;
  std::set<MachineId> machines_, revoked_machines_;
  std::set<UserId> users_, revoked_users_;
  std::map<AgentId, std::set<MachineId>> agents_;  // pinned to these; none: on any machine
  std::set<AgentId> revoked_agents_;
  std::size_t trusted_ = 0;
};

}  // namespace hanse::identity
