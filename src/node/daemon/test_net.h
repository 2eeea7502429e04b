// A network of real processes in a temporary folder, for the tests of this room. Includes GoogleTest.
// Programs are taken from $HANSE_BIN_DIR, else build/bin of the working directory. Blocks come every 20 ms.
#pragma once

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "chain/ledger/accounts.h"
#include "chain/reputation/reputation.h"
#include "chain/light/genesis.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/calls.h"
#include "exchange/market/view.h"
#include "node/client/client.h"

#include <gtest/gtest.h>

namespace hanse::daemon {

inline std::string program(std::string_view name) {
  const char* bin = std::getenv("HANSE_BIN_DIR");
  return std::string(bin != nullptr ? bin : "build/bin") + "/" + std::string(name);
}

// A child process with its standard output and error in files; ended with the object.
class Child {
 public:
  Child(std::string out, std::vector<std::string> words) : out_(std::move(out)) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::unlink(out_.c_str());  // what an earlier process of that name said is not about this one
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that dies leaves nothing running
      const int o = ::open(out_.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
      const int e = ::open((out_ + ".err").c_str(), O_CREAT | O_APPEND | O_WRONLY, 0600);
      ::dup2(o, 1);
      ::dup2(e, 2);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  Child(Child&& other) noexcept : out_(std::move(other.out_)), pid_(other.pid_), status_(other.status_) {
    other.pid_ = -1;
  }
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  void signal(int number) const { ::kill(pid_, number); }
  int wait() {  // exit code, or 128 + signal
    if (pid_ > 0) {
      ::waitpid(pid_, &status_, 0);
      pid_ = -1;
    }
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }
  bool ended() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ < 0;
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string out() const { return content(out_); }
  std::string err() const { return content(out_ + ".err"); }
  int pid() const { return pid_; }

 private:
  std::string out_;
  int pid_ = -1;
  int status_ = 0;
};

template <class Check>
bool wait_until(Check&& check, int seconds = 60) {
  const std::int64_t end_ns = system_clock().mono_ns() + seconds * 1'000'000'000ll;
  while (system_clock().mono_ns() < end_ns) {
    if (check()) return true;
    ::poll(nullptr, 0, 5);
  }
  return false;
}

class TestNet {
 public:
  explicit TestNet(int providers, std::string_view name = "test") {
    std::string pattern = testing::TempDir() + "hansed_XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    dir = pattern;
    std::vector<std::pair<AccountId, Amount>> funds = {{payer.id(), Amount{1'000'000'000}}};
    make_node("v0");
    for (int i = 0; i < providers; ++i) funds.emplace_back(make_node(text("p{}", i)), Amount{1'000'000'000});
    light::Genesis genesis;
    genesis.name = name;
    genesis.time_ms = 1'700'000'000'000;
    genesis.params.interval_ms = 20;
    genesis.validators =
        light::sorted_set({{.key = key_of("v0").mldsa().public_key(), .power_bp = light::kPowerTotalBp}});
    std::sort(funds.begin(), funds.end());
    genesis.apps[ledger::kAccountsApp] = ledger::encode_accounts_genesis(funds);
    market::Params params;
    params.start_timeout = 200;
    params.run_timeout = 200;
    params.settle_window = 1;
    genesis.apps[market::kMarketApp] = market::encode_params(params);
    genesis.apps[reputation::kReputationApp] = reputation::encode_reputation_genesis();
    network = light::network_id(genesis);
    EXPECT_TRUE(replace_file(real_fs(), dir + "/genesis.cbor", light::encode(genesis)));
    write("v0/node.toml",
          "[identity]\nallow_unencrypted = true\n[network]\ngenesis = \"../genesis.cbor\"\n"
          "[roles]\nenabled = [\"validator\", \"gateway\"]\n[api]\nhttp = \"127.0.0.1:0\"\n"
          "[storage]\njournal_segment_bytes = 65536\n");
    for (int i = 0; i < providers; ++i)
      write(text("p{}/node.toml", i),
            text("[identity]\nallow_unencrypted = true\n[network]\ngenesis = \"../genesis.cbor\"\n"
                 "[roles]\nenabled = [\"provider\"]\n[provider]\nnode = \"unix:../v0/api.sock\"\nworkers = 1\n"
                 "recheck_ms = 500\ndrain_ms = 2000\nbase_price_ut = {}\nplugin_dir = \"{}\"\n",
                 1000 + 100 * i, ::realpath((program("..") + "/lib/hanse-test").c_str(), nullptr)));
  }
  ~TestNet() {
    if (!testing::Test::HasFailure()) return;
    for (const auto& name : started)
      std::fprintf(stderr, "--- %s\n%s", name.c_str(), Child::content(dir + "/" + name + ".out.err").c_str());
  }

  AccountId make_node(const std::string& name) {
    EXPECT_EQ(::mkdir((dir + "/" + name).c_str(), 0700), 0);
    auto seeds = crypto::KeySeeds::generate(system_random());
    EXPECT_TRUE(crypto::write_key_file(dir + "/" + name + "/key.json", seeds, {}, system_random(),
                                       {.allow_unencrypted = true}));
    return seeds.identity()->id();
  }
  crypto::Identity key_of(const std::string& name) const {
    return *crypto::open_key_file(dir + "/" + name + "/key.json", {}, {.allow_unencrypted = true})->identity();
  }
  void write(const std::string& name, std::string_view content) const {
    EXPECT_TRUE(replace_file(real_fs(), dir + "/" + name, as_bytes(content)));
  }

  Child start(const std::string& name, std::vector<std::string> more = {}) {
    started.push_back(name);
    std::vector<std::string> words = {program("hansed"), "--config", dir + "/" + name + "/node.toml"};
    words.insert(words.end(), more.begin(), more.end());
    return Child(dir + "/" + name + ".out", words);
  }
  Child start_ready(const std::string& name) {
    Child child = start(name);
    EXPECT_TRUE(wait_until([&] { return child.out().ends_with("}\n") || child.ended(); })) << child.err();
    EXPECT_FALSE(child.ended()) << child.err();
    return child;
  }
  std::unique_ptr<client::Client> connect() {
    auto c = client::Client::connect("unix:" + dir + "/v0/api.sock", {});
    EXPECT_TRUE(c) << c.error().str();
    return c ? std::move(*c) : nullptr;
  }

  gxf::Job echo_job(client::Client& c, std::string_view word, std::uint32_t wall_ms = 5'000) {
    const auto account = market::decode_account_view(*c.query(market::kMarketApp, "account", payer.id().view()));
    const auto blob = c.put_blob(as_bytes(word));
    EXPECT_TRUE(blob) << blob.error().str();
    gxf::Job job;
    job.network = network;
    job.nonce = account->nonce + 1;
    job.priority = 200;
    job.not_before = Height{0};
    job.expires = c.info()->height.plus(100'000);
    job.lane = gxf::Lane::kFlash;
    job.region_mask = ~std::uint64_t{0};
    job.limit_total = Amount{1'000'000};
    gxf::Node node;
    node.kind = gxf::NodeKind::kEngine;
    node.shape = {.level = 0, .seq = 1, .batch = 1, .tokens = 0, .dims = {}};
    node.limits = {.gas = 1'000, .mem_pages = 16, .wall_ms = wall_ms, .out_bytes = 4096};
    node.params[gxf::kParamKindName] = to_bytes(std::string_view("echo/v1"));
    job.nodes.push_back(node);
    job.inputs.push_back({.id = *blob, .size_bytes = word.size(), .node = 0, .in_ix = 0});
    job.outputs.push_back({.node = 0, .out_ix = 0});
    gxf::sign(job, payer, gxf::JobSigAlg::kMlDsa65);
    return job;
  }
  // Submits and gives the id of a job that the ledger acknowledged.
  Result<JobId> submit(client::Client& c, const gxf::Job& job) {
    TRY(const auto applied,
        c.submit({.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, gxf::encode(job))}));
    if (applied.result.code != 0) return fail(Kind::kConflict, applied.result.error_id, applied.result.message);
    return job.job_id;
  }
  static market::Job job(client::Client& c, const JobId& id) {
    const auto answer = c.query(market::kMarketApp, "job", id.view());
    EXPECT_TRUE(answer) << answer.error().str();
    return answer ? *market::decode_job(*answer) : market::Job{};
  }
  // Waits until every provider has an ask.
  static bool standing(client::Client& c, std::size_t providers) {
    return wait_until([&] {
      const auto answer = c.query(market::kMarketApp, "asks", market::encode_query(market::AsksQuery{}));
      return answer && market::decode_asks(*answer)->size() == providers;
    });
  }
  // Accounts and what the market holds, against the supply of the genesis.
  void expect_conserved(client::Client& c, int providers) {
    const auto totals = *market::decode_totals(*c.query(market::kMarketApp, "totals", {}));
    std::uint64_t sum = totals.escrow.value + totals.bonds.value + totals.treasury.value + totals.burned.value;
    std::vector<AccountId> who = {payer.id(), key_of("v0").id()};
    for (int i = 0; i < providers; ++i) who.push_back(key_of(text("p{}", i)).id());
    for (const auto& id : who)
      sum += market::decode_account_view(*c.query(market::kMarketApp, "account", id.view()))->balance.value;
    EXPECT_EQ(sum, 1'000'000'000ull * (1 + static_cast<std::uint64_t>(providers)));
  }

  std::string dir;
  NetworkId network;
  crypto::Identity payer = crypto::Identity::generate(system_random());
  std::vector<std::string> started;
};

}  // namespace hanse::daemon
