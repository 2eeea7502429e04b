#include "chain/replica/server.h"

#include <algorithm>

#include "chain/replica/dag.h"
#include "chain/replica/seats.h"

namespace hanse::replica {
namespace {

consensus::Index asker(const Server::Request& request) {
  return std::visit([](const auto& r) { return r.to; }, request);
}
consensus::Frame shared(Bytes bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }

}  // namespace

Server::~Server() { stop(); }

void Server::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Server::ask(Request request) {
  {
    const std::lock_guard lock(mutex_);
    const auto same = std::ranges::count_if(queue_, [&](const Request& r) { return asker(r) == asker(request); });
    if (queue_.size() >= kServeQueueMax || static_cast<std::size_t>(same) >= kServePeerMax) {
      ++stats_.refused;
      return;
    }
    queue_.push_back(std::move(request));
  }
  wake_.notify_one();
}

Server::Stats Server::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Server::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const Request request = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const Status served = std::visit([this](const auto& r) { return serve(r); }, request);
    lock.lock();
    ++(served ? stats_.answered : stats_.failed);
  }
}

Status Server::serve(const consensus::ServeVertex& request) {
  Hash32 id = request.id;
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < request.vertices_max && bytes < request.bytes_max; ++n) {
    TRY(auto bytes_of, read_vertex(store_, id));
    if (!bytes_of) return {};
    consensus::Frame frame = shared(*std::move(bytes_of));
    TRY(const auto v, consensus::decode_vertex(frame));
    if (net_.send(request.to, consensus::Type::kVertex, frame) != Net::Sent::kYes) return {};
    if (v.vertex.height <= request.above + 1) return {};
    bytes += frame->size();
    id = v.vertex.parents[0];
  }
  return {};
}

Status Server::serve(const consensus::ServeSlots& request) {
  std::size_t bytes = 0;
  for (consensus::Seq seq = request.first; seq <= request.last && bytes < kServeBytesMax; ++seq) {
    TRY(const auto slot, read_slot(store_, seq));
    if (!slot) return {};
    if (request.vertices) {
      TRY(auto frames, read_slot_vertices(store_, seq));
      for (Bytes& frame : frames) {
        bytes += frame.size();
        if (net_.send(request.to, consensus::Type::kVertex, shared(std::move(frame))) != Net::Sent::kYes) return {};
      }
    }
    consensus::Frame body = shared(consensus::encode(*slot));
    bytes += body->size();
    if (net_.send(request.to, consensus::Type::kSlot, body) != Net::Sent::kYes) return {};
  }
  return {};
}

Status Server::serve(const consensus::ServeProposal& request) {
  TRY(const auto slot, read_slot(store_, request.seq));
  if (slot && !slot->null && consensus::digest_of(slot->proposal) == request.digest)
    net_.send(request.to, consensus::Type::kProposal, shared(consensus::encode(slot->proposal)));
  return {};
}

Status Server::serve(const consensus::ServeHandover& request) {
  TRY(const auto end, read_epoch_end(store_, request.epoch));
  if (!end || ledger_ == nullptr) return {};
  TRY(const ledger::View view, ledger_->view());
  TRY(const auto certificate, certificate_of(view, *end));
  if (certificate)
    net_.send(request.to, consensus::Type::kHandover,
              shared(consensus::encode(consensus::Handover{.epoch = request.epoch, .certificate = *certificate})));
  return {};
}

}  // namespace hanse::replica
