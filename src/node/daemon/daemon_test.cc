#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "node/daemon/test_net.h"

namespace hanse::daemon {
namespace {

std::string http_get(std::uint16_t port, std::string_view target) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
  const std::string request = text("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
  EXPECT_GT(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), 0);
  std::string out;
  char buf[4096];
  for (ssize_t n; (n = ::read(fd, buf, sizeof buf)) > 0;) out.append(buf, static_cast<std::size_t>(n));
  ::close(fd);
  return out;
}

std::uint16_t http_port(const Child& child) {
  const auto ready = codec::parse_json(child.out());
  EXPECT_TRUE(ready) << child.out();
  return static_cast<std::uint16_t>(*ready->find("http_port")->as_u64("http_port"));
}

TEST(Daemon, runs_a_job_from_submission_to_a_settled_receipt) {
  TestNet net(1);
  Child validator = net.start_ready("v0");
  Child provider = net.start_ready("p0");
  const auto c = net.connect();
  ASSERT_TRUE(TestNet::standing(*c, 1));
  std::vector<JobId> jobs;
  for (const char* word : {"one", "two", "three"}) {
    const auto id = net.submit(*c, net.echo_job(*c, word));
    ASSERT_TRUE(id) << id.error().str();
    jobs.push_back(*id);
  }
  for (const auto& id : jobs)
    ASSERT_TRUE(wait_until([&] { return TestNet::job(*c, id).state == market::JobState::kSettled; }))
        << market::job_state_name(TestNet::job(*c, id).state);
  const auto done = TestNet::job(*c, jobs[1]);
  ASSERT_TRUE(done.result);
  EXPECT_EQ(done.result->status, market::RunStatus::kOk);
  ASSERT_EQ(done.result->outputs.size(), 1u);
  EXPECT_EQ(as_text(*c->get_blob(done.result->outputs[0].id)), "two");
  BlobId receipt;
  ASSERT_TRUE(BlobId::from(done.result->receipt_hash.view(), receipt));
  EXPECT_TRUE(c->get_blob(receipt)) << "the signed receipt is stored under its hash";
  EXPECT_GT(done.result->paid.value, 0u);
  net.expect_conserved(*c, 1);

  const auto port = http_port(validator);
  const auto document = http_get(port, "/api/v1/jobs/" + codec::to_hex(jobs[1].view()));
  EXPECT_NE(document.find("\"state\":\"settled\""), std::string::npos) << document;
  EXPECT_NE(http_get(port, "/api/v1/blocks/1").find("\"height\":1"), std::string::npos);
  EXPECT_NE(http_get(port, "/api/v1/blocks/999999999").find("roles.no_height"), std::string::npos);
  EXPECT_NE(http_get(port, "/health/ready").find("200 OK"), std::string::npos);
  EXPECT_NE(http_get(port, "/health/live").find("200 OK"), std::string::npos);
  EXPECT_NE(http_get(port, "/api/v1/consensus/finality/1").find("\"finality_type\":\"economic\""), std::string::npos);
  EXPECT_NE(http_get(port, "/metrics").find("hanse_ledger_height "), std::string::npos);

  provider.signal(SIGTERM);
  EXPECT_EQ(provider.wait(), 0) << provider.err();
  EXPECT_TRUE(TestNet::standing(*c, 0)) << "a clean stop withdraws the ask";
  validator.signal(SIGTERM);
  EXPECT_EQ(validator.wait(), 0) << validator.err();
  EXPECT_NE(::access((net.dir + "/v0/data/hansed.pid").c_str(), F_OK), 0);
  EXPECT_NE(::access((net.dir + "/v0/api.sock").c_str(), F_OK), 0);
}

TEST(Daemon, a_provider_killed_in_the_middle_loses_the_job_once_and_the_money_adds_up) {
  TestNet net(2);
  Child validator = net.start_ready("v0");
  Child p0 = net.start_ready("p0"), p1 = net.start_ready("p1");
  const auto c = net.connect();
  ASSERT_TRUE(TestNet::standing(*c, 2));
  const auto id = net.submit(*c, net.echo_job(*c, "spin", 1'500));
  ASSERT_TRUE(id) << id.error().str();
  ASSERT_TRUE(wait_until([&] { return TestNet::job(*c, *id).state == market::JobState::kStarted; }));
  const AccountId first = TestNet::job(*c, *id).provider;
  (first == net.key_of("p0").id() ? p0 : p1).signal(SIGKILL);
  ASSERT_TRUE(wait_until([&] { return TestNet::job(*c, *id).ended(); }));
  const auto ended = TestNet::job(*c, *id);
  EXPECT_EQ(ended.attempt, 1);
  EXPECT_NE(ended.provider, first);
  EXPECT_EQ(ended.state, market::JobState::kSettled);
  ASSERT_TRUE(ended.result);
  EXPECT_EQ(ended.result->status, market::RunStatus::kTimeout);
  net.expect_conserved(*c, 2);
}

TEST(Daemon, a_provider_started_again_goes_on_with_its_job) {
  TestNet net(1);
  Child validator = net.start_ready("v0");
  const auto c = net.connect();
  JobId id;
  {
    Child provider = net.start_ready("p0");
    ASSERT_TRUE(TestNet::standing(*c, 1));
    const auto submitted = net.submit(*c, net.echo_job(*c, "spin", 1'000));
    ASSERT_TRUE(submitted) << submitted.error().str();
    id = *submitted;
    ASSERT_TRUE(wait_until([&] { return TestNet::job(*c, id).state == market::JobState::kStarted; }));
    provider.signal(SIGKILL);
    provider.wait();
  }
  Child again = net.start_ready("p0");
  ASSERT_TRUE(wait_until([&] { return TestNet::job(*c, id).ended(); }));
  EXPECT_EQ(TestNet::job(*c, id).attempt, 0) << "the same provider finished it in time";
  EXPECT_EQ(TestNet::job(*c, id).state, market::JobState::kSettled);
}

TEST(Daemon, a_node_killed_and_started_again_keeps_acknowledged_jobs) {
  TestNet net(1);
  std::vector<JobId> acknowledged;
  Child provider = net.start("p0");  // before its node: it waits
  for (int round = 0; round < 3; ++round) {
    Child validator = net.start_ready("v0");
    const auto c = net.connect();
    for (const auto& id : acknowledged) EXPECT_EQ(TestNet::job(*c, id).bid.job_id, id);
    ASSERT_TRUE(TestNet::standing(*c, 1));
    for (int i = 0; i < 3; ++i) {
      const auto id = net.submit(*c, net.echo_job(*c, text("round {} job {}", round, i)));
      ASSERT_TRUE(id) << id.error().str();
      acknowledged.push_back(*id);
    }
    validator.signal(SIGKILL);
    validator.wait();
  }
  Child validator = net.start_ready("v0");
  const auto c = net.connect();
  for (const auto& id : acknowledged) EXPECT_TRUE(wait_until([&] { return TestNet::job(*c, id).ended(); }));
  net.expect_conserved(*c, 1);
}

TEST(Daemon, refuses_the_data_of_another_network) {
  TestNet one(1, "one"), two(1, "two");
  {
    Child v = one.start_ready("v0");
    Child p = one.start_ready("p0");
  }
  ASSERT_EQ(::rename((one.dir + "/v0/data").c_str(), (two.dir + "/v0/data").c_str()), 0);
  ASSERT_EQ(::rename((one.dir + "/p0/data").c_str(), (two.dir + "/p0/data").c_str()), 0);
  Child validator = two.start("v0");
  EXPECT_NE(validator.wait(), 0);
  EXPECT_NE(validator.err().find("ledger.other_network"), std::string::npos) << validator.err();
  Child provider = two.start("p0");
  EXPECT_EQ(provider.wait(), 1);
  EXPECT_NE(provider.err().find("daemon.other_network"), std::string::npos) << provider.err();
}

TEST(Daemon, names_the_nearest_key_of_a_typo_and_ends_with_2) {
  TestNet net(0);
  net.write("v0/node.toml", "[identity]\nallow_unencrypted = true\n[storage]\npth = \"x\"\n");
  Child child = net.start("v0");
  EXPECT_EQ(child.wait(), 2);
  EXPECT_NE(child.err().find("config.unknown_key"), std::string::npos) << child.err();
  EXPECT_NE(child.err().find("node.toml:4"), std::string::npos);
  EXPECT_NE(child.err().find("storage.path"), std::string::npos);
  Child usage(net.dir + "/usage.out", {program("hansed"), "--conf"});
  EXPECT_EQ(usage.wait(), 2);
  EXPECT_NE(usage.err().find("daemon.usage"), std::string::npos);
}

TEST(Daemon, names_a_port_that_is_taken) {
  TestNet net(0);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof in;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size), 0);
  for (const char* key : {"api.http", "api.grpc", "metrics.address"}) {
    Child child = net.start("v0", {"--set", text("{}=127.0.0.1:{}", key, ntohs(in.sin_port))});
    EXPECT_EQ(child.wait(), 1) << key;
    EXPECT_NE(child.err().find("api.port_in_use"), std::string::npos) << child.err();
  }
  ::close(fd);
}

TEST(Daemon, lets_one_process_into_a_data_folder) {
  TestNet net(0);
  Child first = net.start_ready("v0");
  Child second = net.start("v0", {"--set", "api.socket=other.sock"});
  EXPECT_EQ(second.wait(), 1);
  EXPECT_NE(second.err().find("daemon.running"), std::string::npos) << second.err();
  EXPECT_TRUE(net.connect()->info());
}

TEST(Daemon, refuses_a_data_folder_that_others_write) {
  TestNet net(0);
  ASSERT_EQ(::mkdir((net.dir + "/v0/data").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((net.dir + "/v0/data").c_str(), 0777), 0);
  Child child = net.start("v0");
  EXPECT_EQ(child.wait(), 4);
  EXPECT_NE(child.err().find("daemon.folder"), std::string::npos) << child.err();
}

TEST(Daemon, a_provider_is_not_ready_before_its_ask_stands) {
  TestNet net(1);
  Child provider = net.start("p0", {"--set", "api.http=127.0.0.1:0"});
  ASSERT_TRUE(wait_until([&] { return provider.out().ends_with("}\n"); })) << provider.err();
  const auto port = http_port(provider);
  EXPECT_NE(http_get(port, "/health/ready").find("daemon.not_standing"), std::string::npos);
  EXPECT_NE(http_get(port, "/health/live").find("200 OK"), std::string::npos);
  Child validator = net.start_ready("v0");
  EXPECT_TRUE(wait_until([&] { return http_get(port, "/health/ready").find("200 OK") != std::string::npos; }));
}

TEST(Daemon, prints_its_configuration_with_origins) {
  TestNet net(0);
  Child child = net.start("v0", {"--set", "logging.level=warn", "--print-config"});
  EXPECT_EQ(child.wait(), 0) << child.err();
  EXPECT_NE(child.out().find("level = \"warn\"  # flag logging.level"), std::string::npos) << child.out();
  EXPECT_NE(child.out().find("/v0/node.toml:2"), std::string::npos) << child.out();
  Child checked = net.start("v0", {"--check"});
  EXPECT_EQ(checked.wait(), 0);
}

TEST(Daemon, refuses_a_key_file_without_a_passphrase_unless_told) {
  TestNet net(0);
  Child child = net.start("v0", {"--set", "identity.allow_unencrypted=false"});
  EXPECT_EQ(child.wait(), 4);
  EXPECT_NE(child.err().find("crypto.keyfile_unencrypted"), std::string::npos) << child.err();
  net.write("v0/pass", "word\n");
  ::chmod((net.dir + "/v0/pass").c_str(), 0644);
  Child open_file = net.start("v0", {"--set", "identity.passphrase_file=pass"});
  EXPECT_EQ(open_file.wait(), 4);
  EXPECT_NE(open_file.err().find("daemon.passphrase"), std::string::npos) << open_file.err();
}

}  // namespace
}  // namespace hanse::daemon
