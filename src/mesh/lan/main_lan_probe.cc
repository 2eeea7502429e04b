// For tests: a node's mDNS on the interfaces of the network it is started in, until its input ends. usage: lan_probe
// PEER NETWORK PORT SEED, the first two a byte that is repeated. Prints a line whenever the claim, the name or the
// hints change: {"claim", "instance", "hints": [{"peer", "network", "instance", "addresses"}]}.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "mesh/lan/driver.h"

namespace {

using namespace hanse;  // NOLINT: one small program

std::string facts(const lan::Driver& driver) {
  std::string instance, claim = "none", hints;
  for (std::uint32_t index = 1; index < 64; ++index) {
    if (driver.lan().instance(index).empty()) continue;
    instance = driver.lan().instance(index);
    claim = driver.lan().claim(index) == lan::Claim::kHeld ? "held" : "wanted";
  }
  for (const lan::Hint& hint : driver.lan().hints()) {
    std::string addresses;
    for (const lan::Address& a : hint.addresses)
      addresses += text("{}\"{}\"", addresses.empty() ? "" : ",", discovery::address_text(a));
    hints += text("{}{{\"peer\":\"{}\",\"network\":\"{}\",\"instance\":\"{}\",\"addresses\":[{}]}}",
                  hints.empty() ? "" : ",", hint.peer, codec::to_hex(hint.network), hint.instance, addresses);
  }
  return text("{{\"claim\":\"{}\",\"instance\":\"{}\",\"hints\":[{}]}}\n", claim, instance, hints);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  SeededRandom random(number(4));
  lan::DriverOptions options{.lan = {.port = static_cast<std::uint16_t>(number(3))}, .random = &random};
  options.lan.peer.data.fill(static_cast<std::uint8_t>(number(1)));
  options.lan.network.data.fill(static_cast<std::uint8_t>(number(2)));
  auto driver = lan::Driver::open(std::move(options));
  if (!driver) {
    std::fprintf(stderr, "%s\n", driver.error().str().c_str());
    return 1;
  }
  std::string last;
  for (pollfd fds[2] = {{0, POLLIN, 0}, {(*driver)->fd(), POLLIN, 0}};;) {
    if (const std::string now = facts(**driver); now != last) {
      std::fputs(now.c_str(), stdout);
      std::fflush(stdout);
      last = now;
    }
    const std::int64_t wait_ns = (*driver)->next_ns() - system_clock().mono_ns();
    ::poll(fds, 2, static_cast<int>(std::clamp<std::int64_t>(wait_ns / 1'000'000 + 1, 0, 1000)));
    char byte;
    if (fds[0].revents != 0 && ::read(0, &byte, 1) <= 0) break;
    if (const Status turned = (*driver)->turn(0); !turned) return 1;
  }
  (*driver)->leave();
  return 0;
}
