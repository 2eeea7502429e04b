// One stream of a connection: the segments that wait or are not acknowledged, and the reader of what comes.
// ngtcp2 keeps pointers into what it was given until it is acknowledged, so segments stay where they are.
// Threads: one. Errors: none.
#pragma once

#include <deque>
#include <memory>
#include <span>

#include "mesh/transport/transport.h"

namespace hanse::transport::detail {

struct Segment {  // a head of a few bytes, then a body that may be shared with other connections
  FrameHead head;
  std::shared_ptr<const Bytes> body;
  std::uint64_t begin = 0;  // offset on the stream
  std::uint64_t size() const { return head.size + (body != nullptr ? body->size() : 0); }
};

struct Slice {
  const std::uint8_t* data;
  std::size_t size;
};

struct Stream {
  Stream(StreamId given, FrameReader::Of of) : id(given), reader(of) {}

  StreamId id;
  std::uint64_t protocol = kControlProtocol;
  Priority priority = Priority::kControl;
  std::uint32_t frame_bytes_max = kControlBodyMax;

  // out
  bool opened = false;  // known to ngtcp2
  bool ready = false;   // stands in a queue of those that may write
  bool ended = false, end_sent = false, dead = false;
  std::deque<Segment> segments;
  std::size_t next = 0;  // the first segment that is not wholly written
  std::uint64_t queued = 0, written = 0, acked = 0;

  // in
  FrameReader reader;
  bool unread = false;  // what comes is dropped: cancelled, or of no protocol of ours

  bool wants_write() const { return opened && !dead && (written < queued || (ended && !end_sent)); }

  void push(FrameHead head, std::shared_ptr<const Bytes> body) {
    segments.push_back({.head = head, .body = std::move(body), .begin = queued});
    queued += segments.back().size();
  }
  // What follows `written`, at least bytes_min of it if there are so many; answers how many slices.
  std::size_t peek(std::span<Slice> out, std::size_t bytes_min) const {
    std::size_t count = 0, bytes = 0;
    for (std::size_t i = next; i < segments.size() && count + 2 <= out.size() && bytes < bytes_min; ++i) {
      const Segment& s = segments[i];
      std::uint64_t skip = written > s.begin ? written - s.begin : 0;
      if (skip < s.head.size) {
        out[count++] = {s.head.bytes.data() + skip, s.head.size - skip};
        bytes += s.head.size - skip;
        skip = s.head.size;
      }
      if (s.body == nullptr || skip - s.head.size >= s.body->size()) continue;
      out[count++] = {s.body->data() + (skip - s.head.size), s.body->size() - (skip - s.head.size)};
      bytes += s.body->size() - (skip - s.head.size);
    }
    return count;
  }
  void wrote(std::uint64_t bytes) {
    written += bytes;
    while (next < segments.size() && segments[next].begin + segments[next].size() <= written) ++next;
  }
  // Answers how many bytes may be forgotten.
  std::uint64_t acknowledge(std::uint64_t upto) {
    const std::uint64_t before = acked;
    while (!segments.empty() && segments.front().begin + segments.front().size() <= upto) {
      acked = segments.front().begin + segments.front().size();
      segments.pop_front();
      --next;
    }
    return acked - before;
  }
};

}  // namespace hanse::transport::detail
