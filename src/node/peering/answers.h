// Answers: works out what others ask an exit of the mix, on threads of its own, as that waits for a node's API.
// Threads: any. `done` is called on those threads; the destructor waits for the work under way.
// Limits: kAnswersThreads at once; kAnswersWaiting wait, one more is passed over and its caller asks again.
// Errors of start: those of exec::ThreadPool.
#pragma once

#include <functional>

#include "base/exec/thread_pool.h"
#include "exchange/router/message.h"

namespace hanse::peering {

constexpr std::size_t kAnswersThreads = 4, kAnswersWaiting = 64;

class Answers {
 public:
  using Answer = std::function<Bytes(ByteView question)>;
  using Done = std::function<void(const router::MessageId& id, Bytes answer)>;
  static Result<std::unique_ptr<Answers>> start(Answer answer, Done done) {
    TRY(auto pool, exec::ThreadPool::create({.threads = kAnswersThreads, .queue_max = kAnswersWaiting}));
    return std::unique_ptr<Answers>(new Answers(std::move(answer), std::move(done), std::move(pool)));
  }
  void work(const router::MessageId& id, Bytes question) {
    (void)pool_->post([this, id, q = std::move(question)] { done_(id, answer_(q)); });
  }

 private:
  Answers(Answer answer, Done done, std::unique_ptr<exec::ThreadPool> pool)
      : answer_(std::move(answer)), done_(std::move(done)), pool_(std::move(pool)) {}

  const Answer answer_;
  const Done done_;
  std::unique_ptr<exec::ThreadPool> pool_;
};

}  // namespace hanse::peering
