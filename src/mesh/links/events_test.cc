// Waiting, for the tests of this room.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "mesh/links/detail/test_net.h"

namespace hanse::links::detail {
namespace {

constexpr std::chrono::seconds kPatience{20};

}  // namespace

bool Events::wait(const std::function<bool()>& done) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kPatience, done);
}

bool eventually(const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace hanse::links::detail
