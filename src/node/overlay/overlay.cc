#include "node/overlay/overlay.h"

#include <algorithm>

namespace hanse::overlay {

std::vector<transport::Protocol> protocols(const OverlayOptions& options) {
  using transport::Priority;
  std::vector<transport::Protocol> out{
      {.id = kRecordProtocol, .frame_bytes_max = kToldBytesMax, .priority = Priority::kDirect},
      {.id = kFindProtocol, .frame_bytes_max = kFindBytesMax, .priority = Priority::kDirect},
      {.id = kAgentProtocol, .frame_bytes_max = kThereBytesMax, .priority = Priority::kDirect}};
  if (!options.gossip) return out;
  const auto add = [&](gossip::Protocol id, Priority priority) {
    out.push_back(
        {.id = static_cast<std::uint64_t>(id), .frame_bytes_max = gossip::kFrameBytesMax, .priority = priority});
  };
  add(gossip::Protocol::kMembership, Priority::kMembership);
  add(gossip::Protocol::kGossip, Priority::kGossip);
  add(gossip::Protocol::kReconcile, Priority::kBulk);
  return out;
}

std::uint64_t caps(const OverlayOptions& options) { return options.gossip ? kGossipCap : 0; }

Overlay::Overlay(reach::Reach& reach, const OverlayOptions& options, Book book)
    : self_(reach.id()),
      random_(options.random != nullptr ? *options.random : system_random()),
      book_(std::move(book)),
      holds_(reach, options.known),
      company_(reach, holds_, book_, random_),
      finder_(reach, holds_, book_, random_, options.directory),
      seeker_(reach, holds_, book_, finder_) {}

Result<std::unique_ptr<Overlay>> Overlay::create(reach::Reach& reach, const OverlayOptions& options,
                                                 std::int64_t now_ns) {
  TRY(Book book, Book::open(reach, options));
  std::unique_ptr<Overlay> out(new Overlay(reach, options, std::move(book)));
  TRY(out->agents_, Agents::open({.reach = &reach, .seeker = &out->seeker_, .book = &out->book_}, options));
  if (!options.gossip) return out;
  TRY(out->topics_, Topics::open({.reach = &reach,
                                  .seeker = &out->seeker_,
                                  .holds = &out->holds_,
                                  .book = &out->book_,
                                  .random = &out->random_},
                                 options, now_ns));
  out->book_.judge_by(
      [topics = out->topics_.get()](const PeerId& peer, std::int64_t now) { return topics->score(peer, now); });
  return out;
}

Result<Topics*> Overlay::topics() {
  if (topics_ != nullptr) return topics_.get();
  return fail(Kind::kUnsupported, "overlay.no_gossip", "found gossip switched off, expected mesh.gossip");
}

void Overlay::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  book_.handle(event, now_ns);
  company_.handle(event, now_ns);
  finder_.handle(event, now_ns);
  seeker_.handle(event, now_ns);
  agents_->handle(event, now_ns);
  if (topics_) topics_->handle(event, now_ns);
}

void Overlay::pump(std::int64_t now_ns) {
  book_.pump(now_ns);
  company_.pump(now_ns);
  finder_.pump(now_ns);
  for (const PeerId& peer : book_.take_learned()) {
    if (peer == self_)
      finder_.publish_soon(now_ns);
    else
      seeker_.learned();
    if (topics_) topics_->learned(peer, now_ns);
  }
  seeker_.pump(now_ns);
  agents_->pump(now_ns);
  if (topics_) topics_->pump(now_ns);
}

std::int64_t Overlay::next_ns() const {
  const std::int64_t next =
      std::min({book_.next_ns(), company_.next_ns(), finder_.next_ns(), seeker_.next_ns(), agents_->next_ns()});
  return topics_ ? std::min(next, topics_->next_ns()) : next;
}

void Overlay::stop(std::int64_t now_ns) {
  agents_->stop(now_ns);
  book_.stop();
}

Status Overlay::want(const PeerId& peer, Places places, std::int64_t now_ns) {
  return seeker_.want(peer, Hold::kOperator, std::move(places), now_ns);
}

}  // namespace hanse::overlay
