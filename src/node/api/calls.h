// What the gRPC servers of this room share: places for calls that run, refusals, counting. Their .cc files alone
// include it. Threads: any. Errors: api.busy (exhausted), api.bad_request (invalid).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace grpc {
class ServerContext;
class Status;
}  // namespace grpc

namespace hanse::api {

constexpr std::size_t kPieceBytes = 256 * 1024;  // of a blob
constexpr std::size_t kEventsPage = 256;

// Counts what runs; a place is free again when the Seat ends.
class Seats {
 public:
  explicit Seats(std::uint32_t max) : max_(max) {}
  bool take() {
    if (used_.fetch_add(1) < max_) return true;
    used_.fetch_sub(1);
    return false;
  }
  void leave() { used_.fetch_sub(1); }
  std::uint32_t max() const { return max_; }

 private:
  const std::uint32_t max_;
  std::atomic<std::uint32_t> used_{0};
};

class Seat {
 public:
  explicit Seat(Seats& seats) : seats_(seats), taken_(seats.take()) {}
  ~Seat() {
    if (taken_) seats_.leave();
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  explicit operator bool() const { return taken_; }

 private:
  Seats& seats_;
  const bool taken_;
};

std::unexpected<Error> busy(const Seats& seats, std::string_view what);
std::unexpected<Error> bad_request(std::string_view message);
Result<BlobId> blob_id(const std::string& bytes);
// Of a call's deadline, at most `most`, which is also what a call without one gets.
std::int64_t wait_ms(const grpc::ServerContext& context, std::int64_t most);
// Counts the call and gives its status.
grpc::Status counted(std::string_view method, const Status& status);

}  // namespace hanse::api
