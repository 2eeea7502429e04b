// Surroundings: who else of our network is on the local one (mesh/lan, multicast DNS), and whether the router lets our
// port in (mesh/portmap). Both are hints for Reach; neither is believed.
// Threads: start, turn and stop on the mesh's thread; the router is asked on a thread of its own, whose answers are
// posted there. Errors: none; what cannot be had is left out, and said in failure().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mesh/lan/driver.h"
#include "mesh/portmap/portmap.h"
#include "mesh/reach/reach.h"
#include "mesh/transport/sockets.h"

namespace hanse::peering {

struct SurroundingsOptions {
  NetworkId network;
  std::uint16_t port = 0;  // ours, IPv4
  bool lan = true, port_mapping = true;
};

class Surroundings {
 public:
  Surroundings(const SurroundingsOptions& options, reach::Reach& reach, transport::Sockets& sockets);
  ~Surroundings();
  void turn(std::int64_t now_ns);
  std::int64_t next_ns() const { return lan_ ? lan_->next_ns() : INT64_MAX; }
  void leave();                 // goodbye, and the mapping is given back
  std::string mapping() const;  // "pcp 192.0.2.1:12000", or why not
  std::size_t neighbours() const { return neighbours_; }

 private:
  void on_hints(const std::vector<lan::Hint>& hints);

  SurroundingsOptions options_;
  reach::Reach& reach_;
  transport::Sockets& sockets_;
  std::unique_ptr<lan::Driver> lan_;
  std::unique_ptr<portmap::PortMapper> mapper_;
  std::size_t neighbours_ = 0;
};

}  // namespace hanse::peering
