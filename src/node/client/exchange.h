// Exchange: a Client of a node's public services (proto/hanse/services/v1), over TLS from anywhere. What a wallet or a
// provider asks of a node goes through them too: jobs to the auction or the router service, signed calls of the market
// to the service that takes them, blobs, proofs and events. What they do not offer: consensus(), certified(), other
// applications than the market, sealed bids (client.not_carried, unsupported).
// A door file says where they are, who must answer there, and what opens them: JSON, mode 0600:
//   {"format": 1, "server": "hanse1...", "router": "127.0.0.1:50051", "auction": "...", "execution": "...",
//    "token": "hanse_...",           a token, or
//    "key_file": "wallet.json",      the key of the certificate to show, with "passphrase_file" when it is sealed
//    "orders": "auction"}            or "router": by which service jobs are ordered
// Relative paths are taken from the door's folder. Connections are made when first needed, one a service, and again
// when they are lost; nothing is sent to another server than the one named.
// Threads: any. Errors: client.door (invalid, denied: open to others), those of gate::Line, of key files and of Client.
#pragma once

#include <array>
#include <string>

#include "node/client/client.h"

namespace hanse::client {

constexpr std::string_view kDoorScheme = "tls:";  // Client::connect("tls:FILE")
constexpr std::size_t kDoorFileMax = 16 * 1024;

struct DoorFile {
  AccountId server;
  std::array<std::string, 3> addresses;  // router, auction, execution
  std::string token{};
  std::string key_file{}, passphrase_file{};
  bool by_router = false;
};
std::string encode_door(const DoorFile& door);
Result<DoorFile> decode_door(std::string_view json);
Result<DoorFile> read_door(const std::string& path);

struct RouterStats {
  std::uint64_t routed = 0;
  std::array<std::uint64_t, 2> lanes{}, active{};  // 0 Flash, 1 Deep
};
struct AuctionStats {
  std::uint64_t matches = 0, volume_ut = 0, live = 0, settled = 0, closed = 0, escrow_ut = 0, auctions = 0,
                unmatched = 0;
};
struct Offered {
  JobId job_id;
  std::string provider;  // shown form
  std::uint64_t price_ut = 0;
  std::uint32_t lane = 0;
  bool ordered = false;
  std::vector<std::string> route;
};
struct Routed {
  JobId job_id;
  std::uint32_t lane = 0;
  std::string way;  // "direct", "flash" or "deep"
  std::uint64_t height = 0;
};
struct JobUpdate {
  std::string state, status, reason, provider;
  std::uint64_t price_ut = 0, gas = 0, paid_ut = 0, height = 0;
  bool ended = false;
};

class Exchange : public Client {
 public:
  static Result<std::unique_ptr<Exchange>> open(const std::string& door_path, Options options = {});
  static Result<std::unique_ptr<Exchange>> open(const DoorFile& door, const std::string& folder, Options options = {});

  virtual Result<RouterStats> router_stats() = 0;
  virtual Result<AuctionStats> auction_stats() = 0;
  virtual Result<Offered> run_auction(ByteView job, std::uint32_t priority) = 0;
  virtual Result<Routed> route(ByteView job) = 0;
  virtual Result<JobUpdate> execute_job(ByteView job, std::int64_t wait_ms) = 0;
  virtual Result<JobUpdate> job(const JobId& id) = 0;
  virtual Status watch_job(const JobId& id, const std::function<bool(const JobUpdate&)>& visit) = 0;
};

}  // namespace hanse::client
