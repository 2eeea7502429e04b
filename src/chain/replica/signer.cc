#include "chain/replica/signer.h"

#include "base/core/thread_name.h"

namespace hanse::replica {

void Signer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Signer::put(Work work) {
  const bool check = std::holds_alternative<Check>(work);
  {
    const std::lock_guard lock(mutex_);
    (check ? checks_ : queue_).push_back(std::move(work));
  }
  wake_.notify_one();
}

void Signer::run() {
  name_thread("signer");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !checks_.empty(); });
    if (stopping_) return;
    std::deque<Work>& from = queue_.empty() ? checks_ : queue_;
    Work work = std::move(from.front());
    from.pop_front();
    lock.unlock();
    if (const Status done = carry_out(std::move(work)); !done) return callbacks_.failed(done.error());
    lock.lock();
  }
}

Status Signer::carry_out(Work work) {
  if (const auto* attest = std::get_if<consensus::SignAttest>(&work)) {
    if (attest->checkpoint) TRY_OK(callbacks_.sync());
    callbacks_.attested(*attest, oracle_.sign(consensus::Purpose::kAttest, attest->message()));
  } else if (auto* own = std::get_if<consensus::Statement>(&work)) {
    own->signature = oracle_.sign(own->purpose, consensus::statement_message(*own));
    callbacks_.stated(std::move(*own));
  } else if (auto* check = std::get_if<Check>(&work)) {
    const consensus::Statement& s = check->what.statement;
    const bool good = check->seats->oracle->verify(s.replica, s.purpose, consensus::statement_message(s), s.signature);
    callbacks_.checked(std::move(check->what), good ? consensus::Signature::kGood : consensus::Signature::kBad);
  } else if (auto* tx = std::get_if<ledger::Tx>(&work)) {
    callbacks_.bring(std::move(*tx));
  } else {
    TRY_OK(callbacks_.sync());
    callbacks_.release(std::get<std::uint64_t>(work));
  }
  return {};
}

}  // namespace hanse::replica
