#include "exchange/pilots/pilot.h"

#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/plugin/error_wire.h"
#include "exchange/pilots/detail/link.h"

namespace hanse::pilots {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

// A call under way. Its thread sets the answer and wakes the one that has the link.
struct Flight {
  std::uint64_t call = 0;
  runtime::RunControl control;
  std::thread thread;
  std::atomic<bool> over{false};
  std::optional<Result<runtime::RunOutcome>> result;
};

class Pilot {
 public:
  Pilot(runtime::Runner& runner, const PilotOptions& options, Link& link, Clock& clock)
      : runner_(runner), options_(options), link_(link), clock_(clock) {}
  ~Pilot() {
    for (Flight& one : flights_) one.control.request_stop();
    for (Flight& one : flights_) one.thread.join();
  }

  Status fly(const Ticket& ticket, const std::atomic<bool>& stop) {
    TRY(wake_, make_wake());
    link_.send(FrameType::kHello, 0,
               encode_hello({.version = options_.version,
                             .name = ticket.name,
                             .secret = ticket.secret,
                             .isolation = options_.isolation,
                             .kinds = runner_.kinds(),
                             .slots = options_.slots}));
    link_.set_frame_max(kFrameSizeMax);
    std::int64_t ping_ns = 0, busy_ns = clock_.mono_ns();
    while (!stop && !(ending_ && flights_.empty())) {
      const std::int64_t now_ns = clock_.mono_ns();
      if (now_ns - link_.heard_ns() > kSilentMsMax * kNsPerMs)
        return fail(Kind::kUnavailable, "pilots.closed", text("nothing came for {} ms", kSilentMsMax));
      if (!flights_.empty()) busy_ns = now_ns;
      if (options_.idle_ms_max > 0 && now_ns - busy_ns > options_.idle_ms_max * kNsPerMs) return {};
      if (welcome_ && now_ns >= ping_ns) {
        link_.send(FrameType::kPing, 0);
        ping_ns = now_ns + kPingMs * kNsPerMs;
      }
      Status moved = link_.turn(wake_.get(), static_cast<int>(kPingMs / 2));
      while (const auto frame = link_.take()) TRY_OK(hear(*frame));
      TRY_OK(std::move(moved));
      answer();
    }
    while (!stop && link_.unsent() > 0) TRY_OK(link_.turn(wake_.get(), 100));
    return {};
  }

 private:
  Status hear(const Frame& frame) {
    switch (frame.head.type) {
      case FrameType::kPing: return {};
      case FrameType::kWelcome: welcome_ = true; return {};
      case FrameType::kEnd: ending_ = true; return {};
      case FrameType::kRefused: {
        TRY(Error why, plugin::decode_error(frame.payload));
        return std::unexpected(std::move(why));
      }
      case FrameType::kStop:
        for (Flight& one : flights_)
          if (one.call == frame.head.call) one.control.request_stop();
        return {};
      case FrameType::kRun: return begin(frame);
      default:
        return fail(Kind::kCorrupt, "pilots.bad_frame",
                    text("found type {} from the daemon", static_cast<unsigned>(frame.head.type)));
    }
  }

  Status begin(const Frame& frame) {
    if (!welcome_ || ending_ || flights_.size() >= options_.slots || frame.payload.empty())
      return fail(Kind::kCorrupt, "pilots.bad_frame", text("call {} comes where none may", frame.head.call));
    const std::uint8_t isolation = frame.payload[0];
    TRY(auto request, runtime::decode_request(ByteView(frame.payload).subspan(1)));
    Flight& flight = flights_.emplace_back();
    flight.call = frame.head.call;
    flight.thread = std::thread([this, &flight, isolation, request = std::move(request)] {
      name_thread("flight");
      flight.result.emplace(runner_.run(request, isolation, flight.control));
      flight.over = true;
      wake(wake_.get());
    });
    return {};
  }

  void answer() {
    for (auto at = flights_.begin(); at != flights_.end();) {
      if (!at->over) {
        ++at;
        continue;
      }
      at->thread.join();
      if (*at->result)
        link_.send(FrameType::kDone, at->call, runtime::encode_outcome(**at->result));
      else
        link_.send(FrameType::kFailed, at->call, plugin::encode_error(at->result->error()));
      at = flights_.erase(at);
    }
  }

  runtime::Runner& runner_;
  const PilotOptions options_;
  Link& link_;
  Clock& clock_;
  Fd wake_;
  std::list<Flight> flights_;  // at most options_.slots
  bool welcome_ = false, ending_ = false;
};

}  // namespace

Status fly(const Ticket& ticket, runtime::Runner& runner, const PilotOptions& options, const std::atomic<bool>& stop,
           Clock& clock) {
  ignore_sigpipe();
  TRY(auto credentials, Credentials::pilot(ticket.pin));
  TRY(Fd socket, dial(ticket.address, options.dial_ms_max, clock));
  TRY(const auto link, Link::open(std::move(credentials), std::move(socket), clock));
  return Pilot(runner, options, *link, clock).fly(ticket, stop);
}

}  // namespace hanse::pilots
