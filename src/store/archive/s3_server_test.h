// The S3 server of tests/e2e/s3_server.py, for the tests of every room that writes to one. Absent when Debian's
// python3-moto is not installed. Not for programs.
#pragma once

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/codec/json.h"

namespace hanse::archive {

class S3Server {
 public:
  // Nothing when it cannot be had; the reason is on stderr.
  static std::unique_ptr<S3Server> start() {
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) return nullptr;
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execl("/usr/bin/python3", "python3", "tests/e2e/s3_server.py", static_cast<char*>(nullptr));
      ::_exit(77);
    }
    ::close(in[0]);
    ::close(out[1]);
    std::unique_ptr<S3Server> server(new S3Server(pid, in[1]));
    std::string line;
    for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(out[0]);
    const auto facts = codec::parse_json(line);
    if (!facts) return nullptr;
    server->endpoint = *facts->find("endpoint")->as_text("endpoint");
    server->id = *facts->find("id")->as_text("id");
    server->secret = *facts->find("secret")->as_text("secret");
    server->bucket = *facts->find("bucket")->as_text("bucket");
    return server;
  }
  ~S3Server() {
    ::close(input_);  // its end of input
    ::waitpid(pid_, nullptr, 0);
  }
  S3Server(const S3Server&) = delete;

  std::string url(const std::string& prefix) const { return "s3://" + bucket + "/" + prefix + "?endpoint=" + endpoint; }
  // The environment of a process that may use it.
  std::string environment(const std::string& name) const {
    return name == "AWS_ACCESS_KEY_ID" ? id : name == "AWS_SECRET_ACCESS_KEY" ? secret : std::string();
  }

  std::string endpoint, id, secret, bucket;

 private:
  S3Server(pid_t pid, int input) : pid_(pid), input_(input) {}
  pid_t pid_;
  int input_;
};

}  // namespace hanse::archive
