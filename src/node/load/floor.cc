#include "node/load/floor.h"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <unordered_map>

#include "base/core/bytes.h"
#include "base/core/clock.h"
#include "base/core/text.h"

namespace hanse::load {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kJournalBlocks = 4096;  // 16 MiB, prewritten and written round and round
constexpr int kSocketBytes = 4 << 20;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kStuckMs = 10'000;

std::unexpected<Error> system_error(std::string_view what) {
  return fail(Kind::kInternal, "load.system", text("{}: {}", what, std::strerror(errno)));
}

// A file whose blocks exist before they are written, so that fdatasync has no metadata to write.
class Disk {
 public:
  Disk() = default;
  Disk(const Disk&) = delete;
  ~Disk() {
    if (fd_ >= 0) ::close(fd_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Status open(const std::string& path) {
    path_ = path;
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd_ < 0) return system_error("open " + path);
    const Bytes zeros(kBlock * 256);
    for (std::size_t i = 0; i < kJournalBlocks / 256; ++i)
      if (::write(fd_, zeros.data(), zeros.size()) != static_cast<ssize_t>(zeros.size()))
        return system_error("write " + path);
    if (::fsync(fd_) != 0) return system_error("fsync " + path);
    return {};
  }
  Status record() {
    block_[0] = static_cast<std::uint8_t>(next_);
    const auto at = static_cast<off_t>(next_++ % kJournalBlocks * kBlock);
    if (::pwrite(fd_, block_.data(), block_.size(), at) != static_cast<ssize_t>(block_.size()))
      return system_error("write the journal");
    if (::fdatasync(fd_) != 0) return system_error("sync the journal");
    return {};
  }

 private:
  int fd_ = -1;
  std::string path_;
  std::array<std::uint8_t, kBlock> block_{};
  std::size_t next_ = 0;
};

enum class Step : std::uint8_t { kPropose = 1, kPrepare = 2, kCommit = 3, kEnd = 4 };

struct Message {
  Step step = Step::kPropose;
  std::uint8_t from = 0;
  std::uint64_t slot = 0;
};

class Node {
 public:
  Node(const FloorOptions& options, std::uint32_t self, std::vector<int> sockets, std::vector<sockaddr_in> places)
      : options_(options), self_(self), socket_(sockets[self]), places_(std::move(places)) {
    for (std::size_t i = 0; i < sockets.size(); ++i)
      if (i != self) ::close(sockets[i]);
  }

  Status open() {
    if (!options_.sync) return {};
    return disk_.open(text("{}/floor-{}.journal", options_.dir, self_));
  }

  // The leader's until the time is over, everybody else's until the leader says so.
  Status run(Floor* out) {
    std::int64_t began = clock_.mono_ns();
    std::int64_t moved = began;
    bool warm = false, ended = false;
    while (!ended) {
      const std::int64_t at = clock_.mono_ns();
      if (self_ == 0) {
        if (!warm && out->slots.count() > 0) {  // everybody is there: what went before is not measured
          warm = true;
          *out = {};
          began = at;
        }
        if (warm && at >= began + static_cast<std::int64_t>(options_.seconds * 1e9)) break;
        while (open_slots() < options_.window) propose(at);
      }
      if (at - moved > kStuckMs * kNsPerMs)
        return fail(Kind::kInternal, "load.floor",
                    text("found nothing going on at node {} for {} ms", self_, kStuckMs));
      TRY_OK(flush());
      pollfd p{.fd = socket_, .events = POLLIN, .revents = 0};
      const int ready = ::poll(&p, 1, static_cast<int>(kResendMs));
      if (ready < 0 && errno != EINTR) return system_error("poll");
      if (ready <= 0) {
        if (self_ == 0) propose_again();
        continue;
      }
      while (auto message = receive()) {
        moved = at;
        if (message->step == Step::kEnd) ended = true;
        take(*message, out);
      }
    }
    if (out != nullptr) {
      out->slots_per_second =
          static_cast<double>(out->slots.count()) / (static_cast<double>(clock_.mono_ns() - began) / 1e9);
      for (int i = 0; i < 20; ++i) send({.step = Step::kEnd, .from = 0, .slot = 0});  // datagrams may be lost
    }
    return {};
  }

 private:
  struct Slot {
    std::uint64_t prepared = 0, committed = 0;  // who, as bits
    bool proposed = false, commit_sent = false, done = false;
    std::int64_t since_ns = 0;
  };

  std::uint32_t quorum() const { return options_.nodes - (options_.nodes - 1) / 3; }
  std::size_t open_slots() const { return static_cast<std::size_t>(next_ - low_); }
  Slot& slot(std::uint64_t number) { return slots_[number]; }

  void queue(Step step, std::uint64_t number) {
    outgoing_.push_back({.step = step, .from = static_cast<std::uint8_t>(self_), .slot = number});
  }
  void propose(std::int64_t at) {
    Slot& s = slot(next_);
    s.proposed = true;
    s.since_ns = at;
    s.prepared |= 1;
    queue(Step::kPropose, next_++);
  }
  void propose_again() {
    for (std::uint64_t n = low_; n < next_; ++n) {
      queue(Step::kPropose, n);
      if (slot(n).commit_sent) queue(Step::kCommit, n);
    }
  }

  void take(const Message& m, Floor* out) {
    if (m.slot < low_) {  // a repeat for a slot that is over here: the sender may lack our votes
      if (m.step == Step::kPropose) {
        queue(Step::kPrepare, m.slot);
        queue(Step::kCommit, m.slot);
      }
      return;
    }
    Slot& s = slot(m.slot);
    const std::uint64_t mine = std::uint64_t{1} << self_, theirs = std::uint64_t{1} << m.from;
    if (m.step == Step::kPropose) {
      s.proposed = true;
      s.prepared |= theirs | mine;
      queue(Step::kPrepare, m.slot);
      if (s.commit_sent) queue(Step::kCommit, m.slot);
    } else if (m.step == Step::kPrepare) {
      s.prepared |= theirs;
    } else if (m.step == Step::kCommit) {
      s.committed |= theirs;
    }
    if (s.proposed && !s.commit_sent && static_cast<std::uint32_t>(std::popcount(s.prepared)) >= quorum()) {
      s.commit_sent = true;
      s.committed |= mine;
      queue(Step::kCommit, m.slot);
    }
    if (s.commit_sent && !s.done && static_cast<std::uint32_t>(std::popcount(s.committed)) >= quorum()) {
      s.done = true;
      finished_.push_back(m.slot);
    }
    settle(out);
  }

  // Own votes count once their record is durable, so a slot of one's own is over after the sync.
  void settle(Floor* out) {
    if (options_.sync && !outgoing_.empty()) return;
    const std::int64_t at = clock_.mono_ns();
    for (const std::uint64_t number : finished_)
      if (out != nullptr) out->slots.add(at - slot(number).since_ns);
    finished_.clear();
    for (auto it = slots_.find(low_); it != slots_.end() && it->second.done; it = slots_.find(low_)) {
      slots_.erase(it);
      ++low_;
    }
    if (next_ < low_) next_ = low_;
  }

  Status flush() {
    if (outgoing_.empty()) return {};
    if (options_.sync) TRY_OK(disk_.record());
    std::vector<Message> now;
    now.swap(outgoing_);
    for (const Message& m : now) send(m);
    settle(floor_);
    return {};
  }

  void send(const Message& m) {
    std::array<std::uint8_t, kFloorMessageBytes> bytes{};
    bytes[0] = static_cast<std::uint8_t>(m.step);
    bytes[1] = m.from;
    store_le(bytes.data() + 8, m.slot);
    for (std::size_t i = 0; i < places_.size(); ++i)
      if (i != self_)
        (void)::sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&places_[i]),
                       sizeof places_[i]);
  }

  std::optional<Message> receive() {
    std::array<std::uint8_t, kFloorMessageBytes> bytes{};
    const ssize_t n = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n != static_cast<ssize_t>(bytes.size()) || bytes[0] < 1 || bytes[0] > 4 || bytes[1] >= options_.nodes)
      return std::nullopt;
    return Message{
        .step = static_cast<Step>(bytes[0]), .from = bytes[1], .slot = load_le<std::uint64_t>(bytes.data() + 8)};
  }

 public:
  Floor* floor_ = nullptr;  // the leader's

 private:
  const FloorOptions& options_;
  const std::uint32_t self_;
  const int socket_;
  const std::vector<sockaddr_in> places_;
  Clock& clock_ = system_clock();
  Disk disk_;
  std::unordered_map<std::uint64_t, Slot> slots_;
  std::uint64_t low_ = 0, next_ = 0;  // slots below low_ are over, the leader proposed those below next_
  std::vector<Message> outgoing_;
  std::vector<std::uint64_t> finished_;
};

Status open_sockets(std::uint32_t nodes, std::vector<int>& sockets, std::vector<sockaddr_in>& places) {
  for (std::uint32_t i = 0; i < nodes; ++i) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return system_error("socket");
    sockets.push_back(fd);
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&place), size) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&place), &size) != 0)
      return system_error("bind");
    places.push_back(place);
  }
  return {};
}

}  // namespace

Result<Floor> run_floor(const FloorOptions& options) {
  std::vector<int> sockets;
  std::vector<sockaddr_in> places;
  if (const Status opened = open_sockets(options.nodes, sockets, places); !opened) {
    for (const int fd : sockets) ::close(fd);
    return std::unexpected(opened.error().clone());
  }
  std::vector<pid_t> children;
  const pid_t parent = ::getpid();
  for (std::uint32_t i = 1; i < options.nodes; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      bool good = false;
      {
        Node node(options, i, sockets, places);
        Status ran = node.open();
        if (ran) ran = node.run(nullptr);
        good = ran.has_value();
      }
      ::_exit(good ? 0 : 1);
    }
    if (child > 0) children.push_back(child);
  }
  Floor floor;
  Status ran;
  {
    Node leader(options, 0, sockets, places);
    leader.floor_ = &floor;
    ran = children.size() + 1 == options.nodes ? leader.open() : Status(system_error("fork"));
    if (ran) ran = leader.run(&floor);
  }
  ::close(sockets[0]);
  for (const pid_t child : children) {
    if (!ran) ::kill(child, SIGKILL);
    int status = 0;
    if (::waitpid(child, &status, 0) == child && status != 0 && ran)
      ran = fail(Kind::kInternal, "load.floor", text("process {} ended with status {}", child, status));
  }
  if (!ran) return std::unexpected(std::move(ran).error());
  return floor;
}

Result<RawDisk> run_raw_disk(const std::string& dir, double seconds) {
  Disk disk;
  TRY_OK(disk.open(dir + "/raw.journal"));
  Clock& clock = system_clock();
  RawDisk out;
  const auto until = clock.mono_ns() + static_cast<std::int64_t>(seconds * 1e9);
  for (std::int64_t at = clock.mono_ns(); at < until;) {
    TRY_OK(disk.record());
    const std::int64_t now = clock.mono_ns();
    out.syncs.add(now - at);
    at = now;
  }
  return out;
}

}  // namespace hanse::load
