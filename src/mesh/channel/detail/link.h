// One connection: socket, TLS, frames in and out. Knows nothing of peers' rights; detail/core.h judges.
// Threads: the one inside. Errors: those of tls.h and frame.h, channel.closed (unavailable).
#pragma once

#include <memory>

#include "mesh/channel/detail/socket.h"
#include "mesh/channel/detail/tls.h"
#include "mesh/channel/frame.h"

namespace hanse::channel::detail {

// What one pump or drain does at most before other peers have their turn.
constexpr std::size_t kTurnBytesMax = 512 << 10;
// Sealed and not yet sent; a record with bulk is sent at once, so bulk ahead of a vote is at most one record here, one
// that was refused by the system and kUnsentMax in the system.
constexpr std::size_t kSealedMax = 64 << 10;

struct Link {
  enum class State : std::uint8_t { kConnecting, kHandshake, kHello, kWaiting, kUp };

  Link(std::uint64_t number, Fd socket, bool dials, const FrameLimits& limits)
      : id(number), fd(std::move(socket)), outbound(dials), reader(limits) {}

  const std::uint64_t id;
  Fd fd;
  const bool outbound;
  State state = State::kConnecting;
  std::unique_ptr<TlsSession> tls;
  std::uint16_t peer = kNobody;  // by key: known once TLS has checked it (and before, when we dialed)
  bool own_key = false;          // the peer proved our own key
  bool knock = false;            // from the higher index: asks to be dialed and never comes up
  Bytes hello;                   // what has come of it
  Nonce nonce;                   // of the peer's process, from its hello
  std::int64_t began_ns = 0, up_ns = 0, heard_ns = 0, pinged_ns = 0;
  FrameReader reader;
  FrameWriter writer;
  std::uint64_t records = 0;  // under the present key
  bool wants_write = false;   // as epoll knows it

  bool authenticated() const { return state >= State::kHello; }
  bool blocked() const { return !tls->out().empty(); }

  // Sends what is sealed; the rest stays in tls->out() until the socket is writable.
  Status flush();

  struct Pumped {
    std::array<std::uint64_t, kPriorities> frames{}, body_bytes{};
    bool more = false;  // the turn ended before the queues did
  };
  // Seals and sends what the writer holds until the socket is full. refill() is asked before each record for frames
  // that came meanwhile.
  template <class Refill>
  Status pump(ByteSpan scratch, std::uint64_t rekey_records, Refill refill, Pumped& pumped) {
    std::size_t turn = 0;
    TRY_OK(flush());
    while (!blocked()) {
      if (turn >= kTurnBytesMax) {
        pumped.more = true;
        return {};
      }
      bool bulk = false;
      while (!bulk && tls->out().size() < kSealedMax) {
        refill();
        const FrameWriter::Filled filled = writer.fill(scratch);
        if (filled.size == 0) break;
        if (++records > rekey_records) {
          records = 1;
          TRY_OK(tls->rekey());
        }
        TRY_OK(tls->write(scratch.first(filled.size)));
        turn += filled.size;
        bulk = filled.bulk;
        for (std::size_t p = 0; p < kPriorities; ++p) {
          pumped.frames[p] += filled.frames[p];
          pumped.body_bytes[p] += filled.body_bytes[p];
        }
      }
      if (!blocked()) return {};  // nothing was left to seal
      TRY_OK(flush());
    }
    return {};
  }
};

}  // namespace hanse::channel::detail
