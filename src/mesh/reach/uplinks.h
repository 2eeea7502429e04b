// The addresses of this machine's interfaces, and word of their changes (rtnetlink(7)).
// Loopback and link-local addresses are left out unless there is no other, so that nodes on one machine find each
// other. Threads: plain values; a watch belongs to one thread. Errors: reach.system (internal).
#pragma once

#include <vector>

#include "base/core/fd.h"
#include "base/core/result.h"
#include "mesh/transport/address.h"

namespace hanse::reach {

constexpr std::size_t kUplinksMax = 16;

Result<std::vector<transport::Address>> local_addresses();  // port 0, at most kUplinksMax

class UplinkWatch {
 public:
  static Result<UplinkWatch> open();
  int fd() const { return fd_.get(); }  // readable when something changed
  void drain();                         // what it says is not looked at: local_addresses() says what is true now

 private:
  explicit UplinkWatch(int fd) : fd_(fd) {}
  Fd fd_;
};

}  // namespace hanse::reach
