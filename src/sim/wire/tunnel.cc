#include "sim/wire/tunnel.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::wire {
namespace {

std::unexpected<Error> refused(std::string_view step, std::string_view end) {
  return fail(Kind::kDenied, "wire.device",
              text("found \"{}\" on {}, expected device {}", std::strerror(errno), step, end));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<int> make_device(const std::string& name, Layer layer, std::string_view end) {
  Descriptor fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));  // belongs to the namespace of this moment
  if (fd.get() < 0) return refused("open /dev/net/tun", end);
  ifreq request{};
  request.ifr_flags = static_cast<short>((layer == Layer::kIp ? IFF_TUN : IFF_TAP) | IFF_NO_PI);
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return refused("make the device", end);
  return fd.release();
}

}  // namespace

Result<Tunnel> Tunnel::open(std::string_view end, Layer layer) {
  const std::size_t colon = end.rfind(':');
  const std::string name(colon == std::string_view::npos ? "" : end.substr(colon + 1));
  if (name.empty() || name.size() >= IFNAMSIZ)
    return fail(Kind::kInvalid, "wire.end",
                text("found \"{}\", expected NAMESPACE:DEVICE with a name of 1 to {} bytes", end, IFNAMSIZ - 1));
  std::string space(end.substr(0, colon));
  if (space.empty()) {
    TRY(const int own, make_device(name, layer, end));
    return Tunnel(own);
  }
  if (space.find('/') == std::string::npos) space.insert(0, "/run/netns/");
  const Descriptor home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const Descriptor there(::open(space.c_str(), O_RDONLY | O_CLOEXEC));
  if (home.get() < 0 || there.get() < 0) return refused("open the namespace", end);
  if (::setns(there.get(), CLONE_NEWNET) != 0) return refused("enter the namespace", end);
  auto fd = make_device(name, layer, end);
  if (::setns(home.get(), CLONE_NEWNET) != 0) return refused("leave the namespace", end);
  if (!fd) return std::unexpected(std::move(fd.error()));
  return Tunnel(*fd);
}

Tunnel::~Tunnel() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<Bytes> Tunnel::read() {
  std::uint8_t buffer[kPacketBytesMax];
  const ssize_t n = ::read(fd_, buffer, sizeof buffer);
  if (n <= 0) return std::nullopt;
  return Bytes(buffer, buffer + n);
}

bool Tunnel::write(ByteView packet) {
  return ::write(fd_, packet.data(), packet.size()) == static_cast<ssize_t>(packet.size());
}

}  // namespace hanse::wire
