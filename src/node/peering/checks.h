// Checks: which of the nodes that all know are connected with each other; what `hanse mesh check` asks. Frames of
// protocol kInfoProtocol: 1 ask, empty; 2 ids of the peers that both may know and the sender is connected with, 32
// bytes each. A state machine beside Reach. Threads: one. Limits: kInfoPeersMax ids of a frame. Errors: none.
#pragma once

#include <map>

#include "node/peering/mesh_node.h"

namespace hanse::peering {

constexpr std::uint64_t kInfoProtocol = 0x05;
constexpr std::size_t kInfoPeersMax = 512;

class Checks {
 public:
  Checks(reach::Reach& reach, std::vector<Known> known) : reach_(reach), known_(std::move(known)) {}

  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void ask(std::int64_t now_ns);  // anew; what was answered is forgotten
  // By what was answered. Asks again when that is a while ago: a question may be lost with a connection.
  MeshCheck judge(std::int64_t now_ns);

 private:
  bool is_known(const PeerId& peer) const;
  void ask_all(std::int64_t now_ns);

  reach::Reach& reach_;
  std::vector<Known> known_;
  std::map<PeerId, std::vector<PeerId>> answers_;  // to the last question
  std::int64_t asked_ns_ = 0;
};

}  // namespace hanse::peering
