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
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(work);
  }
  wake_.notify_one();
}

void Signer::run() {
  name_thread("signer");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const Work work = queue_.front();
    queue_.pop_front();
    lock.unlock();
    const auto* attest = std::get_if<consensus::SignAttest>(&work);
    if (attest == nullptr || attest->checkpoint)
      if (const Status synced = callbacks_.sync(); !synced) return callbacks_.failed(synced.error());
    if (attest != nullptr) {
      callbacks_.attested(attest->seq, oracle_.sign(consensus::Oracle::Purpose::kAttest, attest->block.view()));
    } else {
      callbacks_.release(std::get<std::uint64_t>(work));
    }
    lock.lock();
  }
}

}  // namespace hanse::replica
