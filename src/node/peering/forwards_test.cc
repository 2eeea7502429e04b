// Two ends joined by memory: what one sends the other handles.
#include "node/peering/forwards.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/core/fd.h"

namespace hanse::peering {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId out;
  out.data[0] = n;
  return out;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/hanse-forward-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

sockaddr_un where(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::strncpy(out.sun_path, path.c_str(), sizeof out.sun_path - 1);
  return out;
}

Fd caller(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un at = where(path);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  return fd;
}

std::string read_all(int fd) {
  std::string out;
  char buffer[65536];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
  return out;
}
void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(n, 0);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// An "API" that answers every connection with what it got, once that has ended, twice over.
class Echo {
 public:
  explicit Echo(const std::string& path) : listen_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    const sockaddr_un at = where(path);
    EXPECT_EQ(::bind(listen_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listen_.get(), 32), 0);
    thread_ = std::thread([this] {
      while (true) {
        Fd fd(::accept(listen_.get(), nullptr, nullptr));
        if (!fd) return;
        served_.emplace_back([one = std::move(fd)] {
          const std::string got = read_all(one.get());
          const std::string twice = got + got;  // a caller that is gone hears none of it
          for (std::size_t at = 0; at < twice.size();) {
            const ssize_t n = ::send(one.get(), twice.data() + at, twice.size() - at, MSG_NOSIGNAL);
            if (n <= 0) return;
            at += static_cast<std::size_t>(n);
          }
        });
      }
    });
  }
  ~Echo() {
    ::shutdown(listen_.get(), SHUT_RDWR);
    thread_.join();
    for (auto& one : served_) one.join();
  }

 private:
  Fd listen_;
  std::thread thread_;
  std::vector<std::thread> served_;
};

struct Ends {
  explicit Ends(bool allowed = true) : echo(folder.path + "/api.sock") {
    a = std::move(*Forwards::start({.send = [this](ForwardFrame f) -> Status {
      most = std::max<std::size_t>(most, f.body.size());
      opened += f.type == 1 ? 1 : 0;
      if (b) b->handle(id_of(1), f.type, std::move(f.body));
      return {};
    }}));
    b = std::move(*Forwards::start({.api = folder.path + "/api.sock",
                                    .allowed = allowed ? std::set<PeerId>{id_of(1)} : std::set<PeerId>{},
                                    .send = [this](ForwardFrame f) -> Status {
                                      a->handle(id_of(2), f.type, std::move(f.body));
                                      return {};
                                    }}));
    EXPECT_TRUE(a->listen(id_of(2), path()));
  }
  ~Ends() {
    b->stop();
    a->stop();
  }
  std::string path() const { return folder.path + "/there.sock"; }
  Folder folder;
  Echo echo;
  std::unique_ptr<Forwards> a, b;
  std::atomic<std::size_t> most{0}, opened{0};
};

TEST(Forwards, carry_bytes_both_ways_and_ends) {
  Ends ends;
  const Fd fd = caller(ends.path());
  std::string sent;
  for (int i = 0; i < 400'000; ++i) sent += std::to_string(i);  // several windows
  std::thread writer([&] {
    write_all(fd.get(), sent);
    ::shutdown(fd.get(), SHUT_WR);
  });
  EXPECT_EQ(read_all(fd.get()), sent + sent);
  writer.join();
  EXPECT_LE(ends.most, kForwardFrameMax);
}

TEST(Forwards, carry_many_streams_at_once_and_refuse_one_more) {
  Ends ends;
  std::vector<Fd> fds;
  for (std::size_t i = 0; i < kStreamsMax; ++i) fds.push_back(caller(ends.path()));
  for (std::size_t i = 0; i < fds.size(); ++i) write_all(fds[i].get(), std::string(1000, static_cast<char>('a' + i)));
  const Fd over = caller(ends.path());
  EXPECT_EQ(read_all(over.get()), "") << "closed at once";
  for (std::size_t i = 0; i < fds.size(); ++i) {
    ::shutdown(fds[i].get(), SHUT_WR);
    EXPECT_EQ(read_all(fds[i].get()), std::string(2000, static_cast<char>('a' + i)));
  }
}

TEST(Forwards, open_the_api_to_nobody_who_is_not_allowed) {
  Ends ends(false);
  const Fd fd = caller(ends.path());
  EXPECT_EQ(read_all(fd.get()), "");
}

TEST(Forwards, end_when_the_peer_is_gone) {
  Ends ends;
  const Fd fd = caller(ends.path());
  write_all(fd.get(), "half");
  ends.a->down(id_of(2));
  EXPECT_EQ(read_all(fd.get()), "");
}

TEST(Forwards, end_a_stream_that_breaks_the_rules_and_no_other) {
  Ends ends;
  const Fd good = caller(ends.path()), bad = caller(ends.path());
  write_all(good.get(), "good");
  while (ends.opened < 2) std::this_thread::yield();
  Bytes flood{1, 0, 0, 0, 2};  // of the second stream: more credit than a window has
  append_be(flood, kWindow + 1);
  ends.a->handle(id_of(2), 3, flood);
  ends.a->handle(id_of(2), 2, Bytes{});               // too short
  ends.a->handle(id_of(2), 2, Bytes{9, 0, 0, 0, 1});  // no such side
  EXPECT_EQ(read_all(bad.get()), "");
  ::shutdown(good.get(), SHUT_WR);
  EXPECT_EQ(read_all(good.get()), "goodgood");
}

TEST(Forwards, listen_on_so_many_sockets_and_where_there_is_place) {
  Ends ends;
  EXPECT_EQ(ends.a->listen(id_of(2), "/nowhere/x.sock").error().id(), "peering.listen");
  EXPECT_EQ(ends.a->listen(id_of(2), ends.path()).error().id(), "peering.listen") << "it is taken";
  for (std::size_t i = 1; i < kListensMax; ++i)
    ASSERT_TRUE(ends.a->listen(id_of(2), ends.folder.path + "/" + std::to_string(i)));
  EXPECT_EQ(ends.a->listen(id_of(2), ends.folder.path + "/x").error().id(), "peering.limit");
}

}  // namespace
}  // namespace hanse::peering
