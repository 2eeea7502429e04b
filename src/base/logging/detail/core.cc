#include "base/logging/detail/core.h"

#include "base/core/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace hanse::logging::detail {

namespace {

constexpr int kErrorTries = 50;  // of 100 us: an error waits 5 ms for room
constexpr std::int64_t kTryNs = 100'000;
constexpr std::int64_t kIdleMsMax = 20;  // the writer looks at least so often
constexpr std::int64_t kFlushMsMax = 10'000;
constexpr std::size_t kRingBytesMin = 16 * 1024;

thread_local Ring* t_ring = nullptr;
thread_local bool t_no_ring = false;
thread_local bool t_is_writer = false;

// Tells the writer that this thread's ring will not grow any more.
struct ThreadEnd {
  ~ThreadEnd() {
    if (t_ring != nullptr) t_ring->closed.store(true, std::memory_order_release);
    t_ring = nullptr;
    t_no_ring = true;
  }
};

void pause_ns(std::int64_t ns) {
  const timespec t{.tv_sec = 0, .tv_nsec = ns};
  nanosleep(&t, nullptr);
}

// Counters with one writer: a plain add instead of a locked one.
void bump(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n <= 0) return;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

std::size_t fill_max(Level level, std::size_t size) {
  switch (level) {
    case Level::kTrace: return size / 2;
    case Level::kDebug: return size / 4 * 3;
    case Level::kInfo: return size / 8 * 7;
    case Level::kWarn:
    case Level::kError: break;
  }
  return size;
}

}  // namespace

Core& Core::get() {
  static Core* const core = [] {
    auto* made = new Core;
    pthread_atfork(nullptr, nullptr, [] { Core::get().forget_threads(); });
    return made;
  }();
  return *core;
}

Status Core::start(const Options& options) {
  if (running_) return fail(Kind::kConflict, "logging.started", "logging was started already");
  TRY(auto sink, open_sink(options));
  {
    const std::lock_guard lock(sink_mutex_);
    sink_ = std::move(sink);
  }
  clock_ = options.clock != nullptr ? options.clock : &system_clock();
  format_ = options.format;
  ring_bytes_ = kRingBytesMin;
  while (ring_bytes_ < options.ring_bytes) ring_bytes_ *= 2;
  time_base_ = {.wall_ms = clock_->wall_ms(), .mono_ns = clock_->mono_ns()};
  const std::size_t name = options.file.copy(crash_file_, sizeof crash_file_ - 1);
  crash_file_[name] = '\0';
  stop_asked_ = false;
  flush_asked_ = flush_done_ = 0;
  running_ = true;
  writer_ = std::thread([this] { run_writer(); });
  return {};
}

void Core::stop() {
  if (!running_) return;
  {
    const std::lock_guard lock(wait_mutex_);
    stop_asked_ = true;
  }
  wake_writer_.notify_one();
  writer_.join();
  running_ = false;
  const std::lock_guard lock(sink_mutex_);
  sink_.reset();
}

Status Core::flush() {
  if (!running_) return {};
  std::unique_lock lock(wait_mutex_);
  const std::uint64_t asked = ++flush_asked_;
  wake_writer_.notify_one();
  if (flushed_.wait_for(lock, std::chrono::milliseconds(kFlushMsMax), [&] { return flush_done_ >= asked; })) return {};
  return fail(Kind::kTimeout, "logging.flush", text("the log was not written within {} ms", kFlushMsMax));
}

Ring* Core::ring_of_thread() {
  if (t_ring != nullptr || t_no_ring) return t_ring;
  thread_local ThreadEnd end;
  (void)end;
  const std::lock_guard lock(rings_mutex_);
  for (auto& slot : rings_) {
    if (slot.load(std::memory_order_relaxed) != nullptr) continue;
    t_ring = new Ring(ring_bytes_);
    slot.store(t_ring, std::memory_order_release);
    return t_ring;
  }
  t_no_ring = true;
  return nullptr;
}

bool Core::enqueue(Ring& ring, Level level, std::string_view event, Fields fields, const std::source_location& where) {
  const std::size_t size = record_size(event, fields);
  std::byte* const to = ring.reserve(size, fill_max(level, ring.size()));
  if (to == nullptr) return false;
  write_record(to, size, level, event, fields, clock_->mono_ns(), where.file_name(), where.line());
  ring.publish(size);
  if (ring.used() > ring.size() / 2) wake();
  return true;
}

void Core::issue(Level level, std::string_view event, Fields fields, const std::source_location& where) {
  const auto l = static_cast<std::size_t>(level);
  if (!running_.load(std::memory_order_acquire)) return write_directly(level, event, fields, where);
  Ring* const ring = ring_of_thread();
  if (ring == nullptr) {
    if (level == Level::kError) return write_directly(level, event, fields, where);
    direct_.issued[l].fetch_add(1, std::memory_order_relaxed);
    direct_.lost[l].fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (enqueue(*ring, level, event, fields, where)) return bump(ring->issued[l]);
  if (level != Level::kError) {
    bump(ring->issued[l]);
    return bump(ring->lost[l]);
  }
  for (int i = 0; i < kErrorTries; ++i) {
    wake();
    pause_ns(kTryNs);
    if (enqueue(*ring, level, event, fields, where)) return bump(ring->issued[l]);
  }
  write_directly(level, event, fields, where);
}

void Core::write_directly(Level level, std::string_view event, Fields fields, const std::source_location& where) {
  const auto l = static_cast<std::size_t>(level);
  direct_.issued[l].fetch_add(1, std::memory_order_relaxed);
  alignas(8) std::byte record[kRecordMax];
  const Clock& clock = running_ ? *clock_ : system_clock();
  const TimeBase base{.wall_ms = clock.wall_ms(), .mono_ns = clock.mono_ns()};
  write_record(record, record_size(event, fields), level, event, fields, base.mono_ns, where.file_name(), where.line());
  const std::unique_ptr<char[]> buffer(new char[kLineMax + 1]);
  const std::string_view line = format_line(record, running_ ? format_ : Format::kPretty, base, buffer.get());
  bool written = true;
  if (running_) {
    const std::lock_guard lock(sink_mutex_);
    written = sink_ != nullptr && sink_->write(level, line);
    if (written) sink_->flush();
  } else {
    buffer[line.size()] = '\n';
    write_all(STDERR_FILENO, buffer.get(), line.size() + 1);
  }
  (written ? direct_.written : direct_.lost)[l].fetch_add(1, std::memory_order_relaxed);
}

void Core::wake() {
  if (asleep_.load(std::memory_order_relaxed)) wake_writer_.notify_one();
}

void Core::write_line(const std::byte* record, char* line) {
  RecordHead head;
  std::memcpy(&head, record, sizeof head);
  const auto level = static_cast<Level>(head.level);
  const std::string_view text = format_line(record, format_, time_base_, line);
  bool written;
  {
    const std::lock_guard lock(sink_mutex_);
    written = sink_->write(level, text);
  }
  (written ? direct_.written : direct_.lost)[head.level].fetch_add(1, std::memory_order_relaxed);
}

// Takes out what the rings held when it began, oldest first, to the sink or to crash_fd (>= 0).
std::size_t Core::drain(char* line, int crash_fd) {
  struct Source {
    Ring* ring;
    std::uint64_t head;
    const std::byte* front;
    std::int64_t mono_ns;
  };
  Source sources[kThreadsMax];
  std::size_t count = 0, done = 0;
  const auto look = [](Source& s) {
    s.front = s.ring->front(s.head);
    if (s.front != nullptr) std::memcpy(&s.mono_ns, s.front + offsetof(RecordHead, mono_ns), sizeof s.mono_ns);
    return s.front != nullptr;
  };
  for (const auto& slot : rings_) {
    Ring* const ring = slot.load(std::memory_order_acquire);
    if (ring == nullptr) continue;
    Source s{.ring = ring, .head = ring->head(), .front = nullptr, .mono_ns = 0};
    if (look(s)) sources[count++] = s;
  }
  while (count > 0) {
    Source& first = *std::ranges::min_element(sources, sources + count, {}, &Source::mono_ns);
    if (crash_fd >= 0) {
      const std::string_view text = format_line(first.front, format_, time_base_, line);
      line[text.size()] = '\n';
      write_all(crash_fd, line, text.size() + 1);
    } else {
      write_line(first.front, line);
    }
    first.ring->pop(first.front);
    ++done;
    if (!look(first)) first = sources[--count];
  }
  return done;
}

// Frees the empty rings of threads that have ended and keeps their counts.
void Core::retire_rings() {
  const std::lock_guard lock(rings_mutex_);
  for (auto& slot : rings_) {
    Ring* const ring = slot.load(std::memory_order_relaxed);
    if (ring == nullptr || !ring->closed.load(std::memory_order_acquire) || ring->used() != 0) continue;
    for (std::size_t l = 0; l < kLevels; ++l) {
      retired_issued_[l] += ring->issued[l];
      retired_lost_[l] += ring->lost[l];
    }
    slot.store(nullptr, std::memory_order_release);
    delete ring;
  }
}

void Core::run_writer() {
  t_is_writer = true;
  const std::unique_ptr<char[]> line(new char[kLineMax + 1]);
  std::int64_t idle_ms = 1;
  std::unique_lock lock(wait_mutex_);
  for (;;) {
    const std::uint64_t asked = flush_asked_;
    const bool ending = stop_asked_;
    lock.unlock();
    while (draining_.test_and_set(std::memory_order_acquire)) pause_ns(kTryNs);
    const std::size_t done = drain(line.get(), -1);
    retire_rings();
    draining_.clear(std::memory_order_release);
    if (done > 0) {
      const std::lock_guard sink_lock(sink_mutex_);
      sink_->flush();
    }
    lock.lock();
    if (flush_done_ != asked) {
      flush_done_ = asked;
      flushed_.notify_all();
    }
    if (ending && done == 0) return;
    if (done > 0) {
      idle_ms = 1;
      continue;
    }
    asleep_ = true;
    wake_writer_.wait_for(lock, std::chrono::milliseconds(idle_ms),
                          [&] { return stop_asked_ || flush_asked_ != flush_done_ || !asleep_; });
    asleep_ = false;
    idle_ms = std::min(idle_ms * 2, kIdleMsMax);
  }
}

Stats Core::stats() {
  Stats out;
  const std::lock_guard lock(rings_mutex_);
  for (std::size_t l = 0; l < kLevels; ++l) {
    out.issued[l] = retired_issued_[l] + direct_.issued[l];
    out.lost[l] = retired_lost_[l] + direct_.lost[l];
    out.written[l] = direct_.written[l];
    for (const auto& slot : rings_)
      if (const Ring* ring = slot.load(std::memory_order_relaxed)) {
        out.issued[l] += ring->issued[l];
        out.lost[l] += ring->lost[l];
      }
  }
  return out;
}

void Core::crash_flush() {
  static char line[kLineMax + 1];
  if (!running_) return;
  // The writer may be at it: give it 200 ms, unless it is the writer that crashed and will never finish.
  for (int i = 0; i < 2000 && draining_.test_and_set(std::memory_order_acquire) && !t_is_writer; ++i) {
    if (i == 1999) return;
    pause_ns(kTryNs);
  }
  const int fd = crash_file_[0] == '\0' ? STDERR_FILENO : ::open(crash_file_, O_WRONLY | O_APPEND | O_CLOEXEC);
  drain(line, fd >= 0 ? fd : STDERR_FILENO);
}

void Core::forget_threads() {
  running_ = false;
  level_min = static_cast<std::uint8_t>(Level::kWarn);
}

}  // namespace hanse::logging::detail
