// For tests: asks the router of the network it is started in, until its input ends; then releases. usage: portmap_probe
// PORT LIFETIME_S PROTOCOL... Prints a line whenever what it has changes: {"protocol", "ip", "port", "lifetime_s",
// "renewals", "failure"}, and at the end {"stopped": id of the error or ""}.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/core/text.h"
#include "mesh/portmap/portmap.h"

namespace {

using namespace hanse;  // NOLINT: one small program

std::string facts(const portmap::PortMapper& mapper) {
  const auto mapping = mapper.mapping();
  const auto failure = mapper.failure();
  return text(
      "{{\"protocol\":\"{}\",\"ip\":\"{}\",\"port\":{},\"lifetime_s\":{},\"renewals\":{},\"failure\":\"{}\"}}\n",
      mapping ? portmap::protocol_name(mapping->protocol) : "none", mapping ? mapping->ip : "",
      mapping ? mapping->port : 0, mapping ? mapping->lifetime_s : 0, mapper.renewals(), failure ? failure->str() : "");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  portmap::GatewayOptions gateway{.protocols = {}};
  for (int i = 3; i < argc; ++i)
    for (const auto p : {portmap::Protocol::kPcp, portmap::Protocol::kNatPmp, portmap::Protocol::kUpnp})
      if (portmap::protocol_name(p) == argv[i]) gateway.protocols.push_back(p);
  auto mapper = portmap::PortMapper::start({.wanted = {.port = static_cast<std::uint16_t>(std::atoi(argv[1])),
                                                       .lifetime_s = static_cast<std::uint32_t>(std::atoi(argv[2]))}},
                                           portmap::gateway_routers(gateway));
  if (!mapper) {
    std::fprintf(stderr, "%s\n", mapper.error().str().c_str());
    return 1;
  }
  std::string last;
  for (pollfd input{0, POLLIN, 0};;) {
    if (const std::string now = facts(**mapper); now != last) {
      std::fputs(now.c_str(), stdout);
      std::fflush(stdout);
      last = now;
    }
    ::poll(&input, 1, 20);
    char byte;
    if (input.revents != 0 && ::read(0, &byte, 1) <= 0) break;
  }
  const Status stopped = (*mapper)->stop();
  std::printf("{\"stopped\":\"%s\"}\n", stopped ? "" : std::string(stopped.error().id()).c_str());
  return 0;
}
