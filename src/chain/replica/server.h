// Server: answers what others ask of the past, from the store, on a thread of its own: never in a turn of the replica.
// Budget: kServeQueueMax requests wait, kServePeerMax of one peer; an answer ends after kServeBytesMax, and where the
// network does not take more: who asked asks again from where it got to.
// Private to the room. Threads: ask from any. Errors: none; what cannot be read is not answered and counted.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>

#include "chain/consensus/replica.h"
#include "chain/ledger/ledger.h"
#include "chain/replica/net.h"
#include "store/kv/kv.h"

namespace hanse::replica {

constexpr std::size_t kServeQueueMax = 1'024;
constexpr std::size_t kServePeerMax = 256;
constexpr std::size_t kServeBytesMax = 8u << 20;

class Server {
 public:
  using Request =
      std::variant<consensus::ServeVertex, consensus::ServeSlots, consensus::ServeProposal, consensus::ServeHandover>;

  // `ledger`: whose store it is, for what is certified; nothing: no handovers.
  Server(const kv::Store& store, Net& net, const ledger::Ledger* ledger = nullptr)
      : store_(store), net_(net), ledger_(ledger), thread_([this] { run(); }) {}
  ~Server();                  // stop()
  void ask(Request request);  // its `to` is a PeerNumber
  void stop();

  struct Stats {
    std::uint64_t answered = 0, refused = 0, failed = 0;
  };
  Stats stats() const;

 private:
  void run();
  Status serve(const consensus::ServeVertex& request);
  Status serve(const consensus::ServeSlots& request);
  Status serve(const consensus::ServeProposal& request);
  Status serve(const consensus::ServeHandover& request);

  const kv::Store& store_;
  Net& net_;
  const ledger::Ledger* ledger_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> queue_;
  Stats stats_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::replica
