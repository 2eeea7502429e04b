// hanse-wire: joins two TUN or TAP devices, each in a network namespace, by a wire with delay, loss and a rate, or by a
// NAT that counts its ports. Speaks the commands of command.h on standard input, one a line, each answered by a line;
// the end of the input, SIGTERM and SIGINT end it. Prints {"ready":true,"seed":...} first and its counts last.
// Exit codes: 0 ok, 2 usage, 4 denied, 70 bug.
#include <arpa/inet.h>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/codec/json.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "sim/wire/command.h"
#include "sim/wire/counting_nat.h"
#include "sim/wire/tunnel.h"

namespace hanse::wire {
namespace {

constexpr std::string_view kHelp =
    "usage: hanse-wire NAMESPACE:DEVICE NAMESPACE:DEVICE [--tap] [--seed N] [--nat ADDRESS [--nat-delta N]] "
    "[COMMAND ...]\n"
    "Makes the devices a and b and carries packets between them until standard input ends.\n"
    "  --tap           Ethernet frames; without it IP packets (TUN)\n"
    "  --seed N        of all chances; printed, and drawn when not given\n"
    "  --nat ADDRESS   UDP from a leaves b as ADDRESS, each flow with the next port\n"
    "  --nat-delta N   distance of two ports, -8 to 8, not 0 (default 1)\n"
    "A COMMAND is one argument, or a line of the input: [a>b|b>a] NAME VALUE, at TIME COMMAND (arguments only),\n"
    "counts, stop. NAME: delay 25ms, jitter 5ms, loss 2%, burst 3, late 1%, late-by 10ms, twice 1%, rate 20mbit,\n"
    "queue 256k, mtu 1400, down, up. TIME counts from the ready line.\n";
constexpr int kPacketsATurn = 64;

struct Arguments {
  std::vector<std::string_view> ends;
  Layer layer = Layer::kIp;
  std::uint64_t seed = 0;
  std::optional<CountingNat::Options> nat;
  Pair links;
  Schedule schedule;
  bool help = false;
};

template <class T>
Status read_number(std::string_view s, T& out) {
  const auto [end, why] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (why != std::errc() || end != s.data() + s.size())
    return fail(Kind::kInvalid, "wire.usage", text("found \"{}\", expected a number", s));
  return {};
}

Status read_option(std::string_view name, std::string_view value, Arguments& out) {
  if (name == "--seed") return read_number(value, out.seed);
  if (!out.nat) out.nat.emplace();
  if (name == "--nat-delta") {
    TRY_OK(read_number(value, out.nat->delta));
    if (out.nat->delta == 0 || out.nat->delta < -8 || out.nat->delta > 8)
      return fail(Kind::kInvalid, "wire.usage", text("found delta {}, expected -8 to 8, not 0", value));
    return {};
  }
  in_addr ip{};
  if (::inet_pton(AF_INET, std::string(value).c_str(), &ip) != 1)
    return fail(Kind::kInvalid, "wire.usage", text("found \"{}\", expected an IPv4 address", value));
  out.nat->outside = ntohl(ip.s_addr);
  return {};
}

Status read_arguments(int argc, char** argv, Arguments& out) {
  out.seed = system_random().next_u64() >> 32;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      out.help = true;
    } else if (word == "--tap") {
      out.layer = Layer::kEthernet;
    } else if (word == "--seed" || word == "--nat" || word == "--nat-delta") {
      if (++i == argc) return fail(Kind::kInvalid, "wire.usage", text("found no value after {}", word));
      TRY_OK(read_option(word, argv[i], out));
    } else if (out.ends.size() < 2) {
      out.ends.push_back(word);
    } else if (word.starts_with("at ")) {
      TRY_OK(out.schedule.add(word));
    } else {
      TRY_OK(obey(word, out.links));
    }
  }
  if (out.help) return {};
  if (out.ends.size() != 2) return fail(Kind::kInvalid, "wire.usage", "found no two ends; see hanse-wire --help");
  if (out.nat && (out.nat->outside == 0 || out.layer != Layer::kIp))
    return fail(Kind::kInvalid, "wire.usage", "found a NAT without --nat ADDRESS or with --tap");
  for (LinkOptions& o : out.links) o.header_bytes = out.layer == Layer::kEthernet ? kEthernetHeader : 0;
  return {};
}

void say(const codec::Json& line) {
  const std::string out = line.dump() + "\n";
  if (::write(STDOUT_FILENO, out.data(), out.size()) < 0) std::raise(SIGTERM);  // nobody listens
}

codec::Json link_json(const LinkCounts& c) {
  return codec::Json::object()
      .set("in", c.in)
      .set("in_bytes", c.in_bytes)
      .set("out", c.out)
      .set("out_bytes", c.out_bytes)
      .set("down", c.down)
      .set("too_big", c.too_big)
      .set("lost", c.lost)
      .set("queue_full", c.queue_full)
      .set("late", c.late)
      .set("twice", c.twice);
}

class Wire {
 public:
  Wire(Arguments& args, Tunnel& a, Tunnel& b)
      : args_(args),
        ends_{&a, &b},
        links_{Link(args.links[0], args.seed, "a>b"), Link(args.links[1], args.seed, "b>a")} {
    if (args.nat) {
      args.nat->first = static_cast<std::uint16_t>(2000 + SeededRandom(args.seed, "nat").below(60'000));
      nat_.emplace(*args.nat);
    }
  }

  void run(int signals) {
    start_ns_ = system_clock().mono_ns();
    while (!over_) {
      pollfd fds[] = {
          {ends_[0]->fd(), POLLIN, 0}, {ends_[1]->fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}};
      const std::int64_t wait_ns = std::max<std::int64_t>(next_ns() - system_clock().mono_ns(), 0);
      const timespec wait{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
      if (::ppoll(fds, 4, &wait, nullptr) < 0 && errno != EINTR) return;
      const std::int64_t now_ns = system_clock().mono_ns();
      while (const auto due = args_.schedule.take(now_ns - start_ns_)) (void)change(*due);
      for (std::size_t i : {0u, 1u})
        if (fds[i].revents != 0) take(i, now_ns);
      for (std::size_t i : {0u, 1u}) deliver(i, system_clock().mono_ns());
      if (fds[2].revents != 0) listen();
      if (fds[3].revents != 0) over_ = true;
    }
  }

  codec::Json counts() const {
    codec::Json out = codec::Json::object();
    out.set("seed", args_.seed).set("a>b", link_json(links_[0].counts())).set("b>a", link_json(links_[1].counts()));
    if (nat_) {
      const NatCounts& c = nat_->counts();
      out.set("nat", codec::Json::object()
                         .set("mapped", c.mapped)
                         .set("out", c.out)
                         .set("in", c.in)
                         .set("foreign", c.foreign)
                         .set("unasked", c.unasked)
                         .set("full", c.full)
                         .set("expired", c.expired));
    }
    return out.set("refused", refused_);
  }

 private:
  std::int64_t next_ns() const {
    std::int64_t next = system_clock().mono_ns() + 3'600'000'000'000;
    for (const Link& link : links_) next = std::min(next, link.next_ns().value_or(next));
    return std::min(next, start_ns_ + args_.schedule.next_ns().value_or(next));
  }

  void take(std::size_t from, std::int64_t now_ns) {
    for (int i = 0; i < kPacketsATurn; ++i) {
      auto packet = ends_[from]->read();
      if (!packet) return;
      if (nat_ && !(from == 0 ? nat_->outward(now_ns, *packet) : nat_->inward(now_ns, *packet))) continue;
      links_[from].send(now_ns, std::move(*packet));
    }
  }

  void deliver(std::size_t from, std::int64_t now_ns) {
    while (const auto packet = links_[from].receive(now_ns)) refused_ += ends_[1 - from]->write(*packet) ? 0 : 1;
  }

  Result<Verb> change(std::string_view command) {
    TRY(const Verb verb, obey(command, args_.links));
    for (std::size_t i : {0u, 1u}) links_[i].set(args_.links[i]);
    over_ |= verb == Verb::kStop;
    return verb;
  }

  void listen() {
    char buffer[1024];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0) {
      over_ = true;
      return;
    }
    heard_.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end; (end = heard_.find('\n')) != std::string::npos; heard_.erase(0, end + 1)) answer(end);
    if (heard_.size() > kCommandBytesMax) answer(heard_.size()), heard_.clear();
  }

  void answer(std::size_t bytes) {
    const auto verb = change(std::string_view(heard_).substr(0, bytes));
    if (!verb)
      say(codec::Json::object().set("error", verb.error().str()));
    else if (*verb == Verb::kCounts)
      say(counts());
    else if (*verb == Verb::kSet)
      say(codec::Json::object().set("ok", true));
  }

  Arguments& args_;
  std::array<Tunnel*, 2> ends_;
  std::array<Link, 2> links_;
  std::optional<CountingNat> nat_;
  std::int64_t start_ns_ = 0;
  std::uint64_t refused_ = 0;  // by a device that is down or full
  std::string heard_;
  bool over_ = false;
};

Status run(Arguments& args) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_TIMERSLACK, 1000);  // a delay is meant to the microsecond
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  TRY(Tunnel a, Tunnel::open(args.ends[0], args.layer));
  TRY(Tunnel b, Tunnel::open(args.ends[1], args.layer));
  Wire wire(args, a, b);
  say(codec::Json::object().set("ready", true).set("seed", args.seed));
  wire.run(signals);
  say(wire.counts());
  return {};
}

}  // namespace
}  // namespace hanse::wire

int main(int argc, char** argv) {
  hanse::wire::Arguments args;
  hanse::Status status = hanse::wire::read_arguments(argc, argv, args);
  if (status && args.help) {
    const bool told = ::write(STDOUT_FILENO, hanse::wire::kHelp.data(), hanse::wire::kHelp.size()) >= 0;
    return told ? 0 : 70;
  }
  if (status) status = hanse::wire::run(args);
  if (status) return 0;
  const std::string why = hanse::text("hanse-wire: {}\n", status.error().str());
  if (::write(STDERR_FILENO, why.data(), why.size()) < 0) return 70;
  return hanse::exit_code(status.error().kind());
}
