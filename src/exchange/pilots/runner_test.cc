#include "exchange/pilots/runner.h"

#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <poll.h>

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/plugin/error_wire.h"
#include "exchange/pilots/detail/link.h"
#include "exchange/pilots/pilot.h"
#include "exchange/runtime/pool.h"

namespace hanse::pilots {
namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

RunRequest request(std::string_view word) {
  RunRequest q;
  q.kind = "echo/v1";
  q.inputs = {to_bytes(word)};
  q.limits = {.gas = 1000, .mem_pages = 16, .wall_ms = 10'000, .out_bytes = 1 << 20};
  return q;
}

// Echoes; "hold" waits until it is let go or stopped, "big" says more than it may.
class FakeRunner final : public runtime::Runner {
 public:
  Result<RunOutcome> run(const RunRequest& q, std::uint8_t isolation, RunControl& control) override {
    const std::string word(as_text(q.inputs.at(0)));
    std::unique_lock lock(mutex);
    ++begun;
    changed.notify_all();
    if (isolation > 2) return fail(Kind::kUnsupported, "runtime.isolation", "found 2, needed 3");
    RunOutcome out;
    if (word == "hold") {
      while (!released && !control.stop()) changed.wait_for(lock, std::chrono::milliseconds(5));
      if (!released) {
        ++stopped;
        out.status = RunStatus::kCancelled;
        return out;
      }
    }
    out.outputs = {word == "big" ? Bytes((1 << 20) + 1) : to_bytes(word)};
    return out;
  }
  std::vector<std::string> kinds() const override { return kinds_; }
  void await_begun(int n) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return begun >= n; });
  }
  void release() {
    const std::lock_guard lock(mutex);
    released = true;
    changed.notify_all();
  }

  std::vector<std::string> kinds_ = {"echo/v1"};
  std::mutex mutex;
  std::condition_variable changed;
  int begun = 0, stopped = 0;
  bool released = false;
};

struct Flying {
  Flying(const std::string& ticket, FakeRunner& runner, PilotOptions options = {.slots = 1, .isolation = 2})
      : ended(std::async(std::launch::async, [this, ticket, &runner, options] {
          return fly(*parse_ticket(ticket), runner, options, stop);
        })) {}
  std::atomic<bool> stop{false};
  std::future<Status> ended;
  ~Flying() { stop = true; }
};

struct PilotRunnerTest : testing::Test {
  std::unique_ptr<PilotRunner> start(RunnerOptions o = {}) {
    o.isolation = 2;
    o.kinds = {"echo/v1"};
    auto runner = PilotRunner::start(std::move(o));
    EXPECT_TRUE(runner) << runner.error().str();
    return std::move(*runner);
  }
  static std::future<Result<RunOutcome>> go(PilotRunner& runner, std::string word, RunControl* control = nullptr) {
    return std::async(std::launch::async, [&runner, word, control] {
      RunControl own;
      return runner.run(request(word), 2, control != nullptr ? *control : own);
    });
  }
  // A pilot made by hand: what it sends is the test's.
  struct Hand {
    explicit Hand(const std::string& ticket_text) : ticket(*parse_ticket(ticket_text)) {
      ignore_sigpipe();
      link = std::move(*Link::open(*Credentials::pilot(ticket.pin),
                                   std::move(*dial(ticket.address, 5'000, system_clock())), system_clock()));
    }
    void hello(std::uint32_t version = kVersion) {
      link->send(FrameType::kHello, 0,
                 encode_hello({.version = version,
                               .name = ticket.name,
                               .secret = ticket.secret,
                               .isolation = 2,
                               .kinds = {"echo/v1"},
                               .slots = 1}));
      link->set_frame_max(kFrameSizeMax);
    }
    std::optional<Frame> next(FrameType type) {
      for (;;) {
        const Status moved = link->turn(-1, 100);
        while (auto frame = link->take())
          if (frame->head.type == type) return frame;
        if (!moved) return std::nullopt;
      }
    }
    Ticket ticket;
    std::unique_ptr<Link> link;
  };
};

TEST_F(PilotRunnerTest, a_pilot_runs_what_waits_for_it_and_what_comes_later) {
  const auto runner = start();
  FakeRunner work;
  auto early = go(*runner, "early");
  Flying pilot(*runner->issue("p-1"), work);
  EXPECT_EQ(early.get()->outputs.at(0), to_bytes(std::string_view("early")));
  for (int i = 0; i < 20; ++i) {
    const auto out = go(*runner, text("word {}", i)).get();
    ASSERT_TRUE(out) << out.error().str();
    EXPECT_EQ(out->outputs.at(0), to_bytes(text("word {}", i)));
  }
  EXPECT_EQ(runner->counters().let_in, 1u);
  EXPECT_EQ(runner->counters().lost, 0u);
}

TEST_F(PilotRunnerTest, slots_are_used_side_by_side_and_no_more_than_there_are) {
  const auto runner = start();
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work, {.slots = 2, .isolation = 2});
  auto a = go(*runner, "hold"), b = go(*runner, "hold"), c = go(*runner, "hold");
  work.await_begun(2);
  while (runner->snapshot().queued + runner->snapshot().running < 3) {
  }
  EXPECT_EQ(runner->snapshot().queued, 1u);
  EXPECT_EQ(runner->snapshot().pilots.at(0).idle_ms, 0);
  work.release();
  EXPECT_TRUE(a.get() && b.get() && c.get());
}

TEST_F(PilotRunnerTest, a_call_of_a_lost_pilot_goes_to_another_a_bounded_number_of_times) {
  const auto runner = start({.attempts_max = 2});
  FakeRunner first, second;
  auto call = go(*runner, "hold");
  {
    Flying pilot(*runner->issue("p-1"), first);
    first.await_begun(1);
  }
  second.release();
  Flying pilot(*runner->issue("p-2"), second);
  EXPECT_EQ(call.get()->status, RunStatus::kOk);
  EXPECT_EQ(runner->counters().given_again, 1u);

  const auto other = start({.attempts_max = 2});
  auto doomed = go(*other, "hold");
  for (const std::string name : {"p-1", "p-2"}) {
    FakeRunner work;
    Flying one(*other->issue(name), work);
    work.await_begun(1);
  }
  const auto error = doomed.get();
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().id(), "runtime.worker_crashed");
  EXPECT_EQ(other->counters().lost, 2u);
}

TEST_F(PilotRunnerTest, a_call_of_a_lost_pilot_waits_for_another_no_longer_than_it_may) {
  auto runner = start({.wait_ms_max = 200});
  FakeRunner work;
  std::future<Result<RunOutcome>> call;
  {
    Flying pilot(*runner->issue("p-1"), work);
    while (runner->snapshot().pilots.empty()) {
    }
    call = go(*runner, "hold");
    work.await_begun(1);
  }
  EXPECT_EQ(call.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(runner->snapshot().queued, 0u);
  runner.reset();  // ends it in any case
  EXPECT_EQ(call.get().error().id(), "runtime.no_worker");
}

TEST_F(PilotRunnerTest, a_ticket_is_good_once_and_only_with_its_name_and_secret) {
  const auto runner = start();
  FakeRunner work;
  const std::string ticket = *runner->issue("p-1");
  auto wrong = *parse_ticket(ticket);
  wrong.secret.data[5] ^= 1;
  {
    Flying liar(write_ticket(wrong), work);
    EXPECT_EQ(liar.ended.get().error().id(), "pilots.bad_ticket");
  }
  Flying pilot(ticket, work);
  ASSERT_TRUE(go(*runner, "x").get());
  Flying twin(ticket, work);
  EXPECT_EQ(twin.ended.get().error().id(), "pilots.bad_ticket");
  auto renamed = *parse_ticket(*runner->issue("p-2"));
  renamed.name = "p-3";
  Flying thief(write_ticket(renamed), work);
  EXPECT_EQ(thief.ended.get().error().id(), "pilots.bad_ticket");
  const std::string gone = *runner->issue("p-4");
  runner->withdraw("p-4");
  Flying late(gone, work);
  EXPECT_EQ(late.ended.get().error().id(), "pilots.bad_ticket");
  EXPECT_EQ(runner->counters().refused, 4u);
  EXPECT_EQ(runner->snapshot().pilots.size(), 1u);
}

TEST_F(PilotRunnerTest, one_stranger_more_than_the_most_is_closed_at_once_and_the_pilots_stay) {
  const auto runner = start({.hello_ms_max = 60'000});
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work);
  EXPECT_TRUE(go(*runner, "x").get());
  const std::string address = parse_ticket(*runner->issue("p-2"))->address;
  std::vector<Fd> strangers;
  for (std::size_t i = 0; i < kHandshakesMax + 1; ++i)
    strangers.push_back(std::move(*dial(address, 5'000, system_clock())));
  pollfd wait{.fd = strangers.back().get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&wait, 1, 10'000), 1);
  wait.fd = strangers[kHandshakesMax - 1].get();
  EXPECT_EQ(::poll(&wait, 1, 0), 0);
  EXPECT_TRUE(go(*runner, "y").get());
}

TEST_F(PilotRunnerTest, one_pilot_more_than_the_most_is_told_so_and_no_two_have_a_name) {
  const auto runner = start();
  std::vector<std::unique_ptr<Hand>> hands;
  for (std::size_t i = 0; i < kPilotsMax; ++i) {
    hands.push_back(std::make_unique<Hand>(*runner->issue(text("p-{}", i))));
    hands.back()->hello();
    ASSERT_TRUE(hands.back()->next(FrameType::kWelcome)) << i;
  }
  EXPECT_EQ(runner->issue("p-3").error().id(), "pilots.bad_ticket");
  Hand more(*runner->issue("more"));
  more.hello();
  const auto refused = more.next(FrameType::kRefused);
  ASSERT_TRUE(refused);
  EXPECT_EQ(plugin::decode_error(refused->payload)->id(), "pilots.full");
  EXPECT_EQ(runner->snapshot().pilots.size(), kPilotsMax);
}

TEST_F(PilotRunnerTest, addresses_that_cannot_be_listened_on_or_reached_are_said) {
  EXPECT_EQ(PilotRunner::start({.listen = "nowhere"}).error().id(), "pilots.address");
  EXPECT_EQ(PilotRunner::start({.listen = "192.0.2.1:0"}).error().id(), "pilots.address");
  auto runner = start({.address = "head.example:0"});
  const auto ticket = *parse_ticket(*runner->issue("p-1"));
  EXPECT_TRUE(ticket.address.starts_with("head.example:")) << ticket.address;
  EXPECT_FALSE(ticket.address.ends_with(":0"));
  EXPECT_EQ(dial("127.0.0.1:1", 1'000, system_clock()).error().id(), "pilots.address");
}

TEST_F(PilotRunnerTest, another_daemon_in_its_place_is_not_believed) {
  const auto runner = start(), other = start();
  FakeRunner work;
  auto ticket = *parse_ticket(*runner->issue("p-1"));
  ticket.address = parse_ticket(*other->issue("p-1"))->address;
  Flying pilot(write_ticket(ticket), work);
  EXPECT_EQ(pilot.ended.get().error().id(), "pilots.tls");
}

TEST_F(PilotRunnerTest, a_pilot_of_another_version_less_isolation_or_fewer_kinds_is_told_why) {
  const auto runner = start();
  FakeRunner work, poor;
  poor.kinds_ = {"other/v1"};
  Flying old(*runner->issue("p-1"), work, {.slots = 1, .isolation = 2, .version = 0});
  EXPECT_EQ(old.ended.get().error().id(), "pilots.version");
  Flying bare(*runner->issue("p-2"), work, {.slots = 1, .isolation = 1});
  EXPECT_EQ(bare.ended.get().error().id(), "pilots.isolation");
  Flying few(*runner->issue("p-3"), poor);
  EXPECT_EQ(few.ended.get().error().id(), "pilots.kinds");
}

TEST_F(PilotRunnerTest, a_job_that_wants_more_isolation_is_refused_at_once) {
  const auto runner = start();
  RunControl control;
  EXPECT_EQ(runner->run(request("x"), 3, control).error().id(), "runtime.isolation");
}

TEST_F(PilotRunnerTest, the_pilots_own_refusal_reaches_the_caller_and_is_not_tried_elsewhere) {
  RunnerOptions o;
  o.isolation = 3;
  o.kinds = {"echo/v1"};
  const auto runner = std::move(*PilotRunner::start(o));
  FakeRunner work;  // has level 2, whatever its pilot says
  Flying pilot(*runner->issue("p-1"), work, {.slots = 1, .isolation = 3});
  RunControl control;
  EXPECT_EQ(runner->run(request("x"), 3, control).error().id(), "runtime.isolation");
  EXPECT_EQ(work.begun, 1);
  EXPECT_EQ(runner->counters().lost, 0u);
}

TEST_F(PilotRunnerTest, a_stop_reaches_the_pilot_and_one_in_the_queue_ends_there) {
  const auto runner = start();
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work);
  RunControl control, waiting;
  auto call = go(*runner, "hold", &control);
  work.await_begun(1);
  auto queued = go(*runner, "hold", &waiting);
  waiting.request_stop();
  EXPECT_EQ(queued.get()->status, RunStatus::kCancelled);
  EXPECT_EQ(work.begun, 1);
  control.request_stop();
  EXPECT_EQ(call.get()->status, RunStatus::kCancelled);
  EXPECT_EQ(work.stopped, 1);
  EXPECT_TRUE(go(*runner, "after").get());
}

TEST_F(PilotRunnerTest, a_pilot_that_ignores_a_stop_is_cut_off_and_its_caller_is_not_kept) {
  const auto runner = start({.cancel_ms_max = 50});
  Hand hand(*runner->issue("p-1"));
  hand.hello();
  RunControl control;
  auto call = go(*runner, "x", &control);
  ASSERT_TRUE(hand.next(FrameType::kRun));
  control.request_stop();
  ASSERT_TRUE(hand.next(FrameType::kStop));
  EXPECT_EQ(call.get()->status, RunStatus::kCancelled);
  EXPECT_FALSE(hand.next(FrameType::kRun));  // closed
  EXPECT_EQ(runner->counters().given_again, 0u);
}

TEST_F(PilotRunnerTest, garbage_lies_and_half_an_answer_end_a_pilot_and_not_the_call) {
  const auto runner = start({.attempts_max = 9});
  auto call = go(*runner, "x");
  std::uint64_t lost = 0;
  const auto give = [&](const std::string& name, const std::function<void(Hand&, std::uint64_t id)>& act) {
    Hand hand(*runner->issue(name));
    hand.hello();
    const auto run = hand.next(FrameType::kRun);
    ASSERT_TRUE(run) << name;
    act(hand, run->head.call);
    (void)hand.link->turn(-1, 0);
    if (name != "half") {
      EXPECT_FALSE(hand.next(FrameType::kEnd)) << name;
    }
    hand.link.reset();
    while (runner->counters().lost == lost) {
    }
    ++lost;
  };
  give("garbage", [](Hand& h, auto id) { h.link->send(FrameType::kDone, id, as_bytes("\xff\xff")); });
  give("bad-error", [](Hand& h, auto id) { h.link->send(FrameType::kFailed, id, as_bytes("\xff")); });
  give("other-call",
       [](Hand& h, auto id) { h.link->send(FrameType::kDone, id + 1, runtime::encode_outcome(RunOutcome())); });
  give("its-own-frame", [](Hand& h, auto id) { h.link->send(FrameType::kRun, id); });
  give("too-much", [](Hand& h, auto id) {
    RunOutcome out;
    out.gas = 1001;  // one more than the request allows
    h.link->send(FrameType::kDone, id, runtime::encode_outcome(out));
  });
  give("half", [](Hand& h, auto id) {
    Bytes big = runtime::encode_outcome(RunOutcome());
    big.resize(8 << 20);  // more than the sockets hold, so the connection ends within it
    h.link->send(FrameType::kDone, id, big);
  });
  FakeRunner work;
  Flying pilot(*runner->issue("good"), work);
  EXPECT_EQ(call.get()->outputs.at(0), to_bytes(std::string_view("x")));
  EXPECT_EQ(runner->counters().given_again, 6u);
}

TEST_F(PilotRunnerTest, who_says_no_hello_speaks_no_tls_or_talks_too_long_is_dropped) {
  const auto runner = start({.hello_ms_max = 100});
  Hand silent(*runner->issue("p-1"));
  EXPECT_FALSE(silent.next(FrameType::kWelcome));
  Hand wrong(*runner->issue("p-2"));
  wrong.link->send(FrameType::kDone, 0);
  EXPECT_TRUE(wrong.next(FrameType::kRefused));
  Hand large(*runner->issue("p-3"));
  large.link->send(FrameType::kHello, 0, Bytes(kHelloSizeMax + 1));
  EXPECT_FALSE(large.next(FrameType::kWelcome));
  Fd plain = *dial(silent.ticket.address, 5'000, system_clock());
  ASSERT_EQ(::write(plain.get(), "GET / HTTP/1.1\r\n\r\n", 18), 18);
  char byte;
  pollfd wait{.fd = plain.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&wait, 1, 10'000), 1);
  while (::read(plain.get(), &byte, 1) > 0) {
  }
  FakeRunner work;
  Flying pilot(*runner->issue("p-4"), work);
  EXPECT_TRUE(go(*runner, "x").get());
}

TEST_F(PilotRunnerTest, a_pilot_that_answers_too_late_is_lost) {
  const auto runner = start({.attempts_max = 1, .overhead_ms_max = 20});
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work);
  auto q = request("hold");
  q.limits.wall_ms = 10;
  RunControl control;
  EXPECT_EQ(runner->run(q, 2, control).error().id(), "runtime.worker_crashed");
}

TEST_F(PilotRunnerTest, the_queue_is_bounded_and_so_is_the_wait) {
  const auto runner = start({.queue_max = 1, .wait_ms_max = 300});
  auto first = go(*runner, "x");
  while (runner->snapshot().queued == 0) {
  }
  RunControl control;
  EXPECT_EQ(runner->run(request("y"), 2, control).error().id(), "runtime.busy");
  EXPECT_EQ(first.get().error().id(), "runtime.no_worker");
  for (std::size_t i = 0; i < kPilotsMax; ++i) ASSERT_TRUE(runner->issue(text("p-{}", i)));
  EXPECT_EQ(runner->issue("one-more").error().id(), "pilots.full");
  EXPECT_EQ(runner->issue("No Name").error().id(), "pilots.bad_ticket");
}

TEST_F(PilotRunnerTest, a_retired_pilot_ends_after_its_calls_and_takes_no_other) {
  const auto runner = start();
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work);
  auto call = go(*runner, "hold");
  work.await_begun(1);
  runner->retire("p-1");
  auto next = go(*runner, "next");
  work.release();
  EXPECT_TRUE(call.get());
  const Status ended = pilot.ended.get();
  EXPECT_TRUE(ended) << ended.error().str();
  EXPECT_EQ(work.begun, 1);
  Flying other(*runner->issue("p-2"), work);
  EXPECT_TRUE(next.get());
  EXPECT_EQ(runner->counters().lost, 0u);
}

TEST_F(PilotRunnerTest, a_pilot_whose_daemon_ends_stops_its_work_and_ends) {
  auto runner = start();
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work);
  auto call = go(*runner, "hold");
  work.await_begun(1);
  runner.reset();
  EXPECT_FALSE(call.get());
  EXPECT_EQ(pilot.ended.get().error().id(), "pilots.closed");
  EXPECT_EQ(work.stopped, 1);
}

TEST_F(PilotRunnerTest, an_idle_pilot_leaves_when_it_was_told_how_long) {
  const auto runner = start();
  FakeRunner work;
  Flying pilot(*runner->issue("p-1"), work, {.slots = 1, .isolation = 2, .idle_ms_max = 20});
  EXPECT_TRUE(pilot.ended.get());
}

TEST_F(PilotRunnerTest, a_real_pool_behind_a_real_pilot_with_a_request_of_many_frames) {
  const char* bin = std::getenv("HANSE_BIN_DIR");
  const std::filesystem::path dir = bin != nullptr ? bin : "build/bin";
  runtime::PoolOptions o;
  o.worker_path = (dir / "hanse-worker").string();
  o.plugins = {(dir / "../lib/hanse-test/kind_echo.so").string()};
  auto pool = runtime::Pool::start(o);
  ASSERT_TRUE(pool) << pool.error().str();
  RunnerOptions options;
  options.isolation = (*pool)->level();
  options.kinds = (*pool)->kinds();
  auto runner = PilotRunner::start(options);
  ASSERT_TRUE(runner);
  std::atomic<bool> stop{false};
  auto ended = std::async(std::launch::async, [&, ticket = *(*runner)->issue("p-1")] {
    return fly(*parse_ticket(ticket), **pool, {.slots = 2, .isolation = (*pool)->level()}, stop);
  });
  auto q = request("");
  q.inputs = {Bytes(20 << 20, 0x5a)};
  q.limits.out_bytes = 32 << 20;
  RunControl control;
  const auto out = (*runner)->run(q, (*pool)->level(), control);
  ASSERT_TRUE(out) << out.error().str();
  EXPECT_EQ(out->outputs.at(0), q.inputs.at(0));
  EXPECT_TRUE((*runner)->verify(q, *out, (*pool)->level(), control));
  (*runner)->retire("p-1");
  EXPECT_TRUE(ended.get());
}

}  // namespace
}  // namespace hanse::pilots
