#include "node/overlay/overlay.h"

namespace hanse::overlay {

std::vector<transport::Protocol> protocols() {
  using transport::Priority;
  return {{.id = kRecordProtocol, .frame_bytes_max = kGiveBytesMax, .priority = Priority::kDirect},
          {.id = kFindProtocol, .frame_bytes_max = kFindBytesMax, .priority = Priority::kDirect}};
}

Overlay::Overlay(reach::Reach& reach, const OverlayOptions& options, Book book)
    : self_(reach.id()),
      random_(options.random != nullptr ? *options.random : system_random()),
      book_(std::move(book)),
      holds_(reach, options.known),
      company_(reach, holds_, book_, random_),
      finder_(reach, holds_, book_, random_),
      seeker_(reach, holds_, book_, finder_) {}

Result<std::unique_ptr<Overlay>> Overlay::create(reach::Reach& reach, const OverlayOptions& options) {
  TRY(Book book, Book::open(reach, options));
  return std::unique_ptr<Overlay>(new Overlay(reach, options, std::move(book)));
}

void Overlay::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  book_.handle(event, now_ns);
  company_.handle(event, now_ns);
  finder_.handle(event, now_ns);
  seeker_.handle(event, now_ns);
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
  }
  seeker_.pump(now_ns);
}

std::int64_t Overlay::next_ns() const {
  return std::min({book_.next_ns(), company_.next_ns(), finder_.next_ns(), seeker_.next_ns()});
}

void Overlay::stop() { book_.stop(); }

Status Overlay::want(const PeerId& peer, Places places, std::int64_t now_ns) {
  return seeker_.want(peer, Hold::kOperator, std::move(places), now_ns);
}

}  // namespace hanse::overlay
