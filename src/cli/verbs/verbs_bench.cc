// What a person feels: submit to receipt on a real network, what an idle node costs, how fast the command line starts.
// Starts the real programs beside this one; prints one JSON object a line.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <set>
#include <thread>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "base/crypto/keyfile.h"
#include "cli/verbs/network.h"
#include "exchange/gxf/job_file.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "exchange/market/view.h"
#include "node/client/client.h"

namespace hanse::cli {
namespace {

class Silent final : public plugin::Talk {
 public:
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

void row(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  const std::string line = text(
      "{{\"room\":\"verbs\",\"name\":\"{}\",\"value\":{:.4f},\"unit\":\"{}\",\"floor\":{:.4f},\"floor_what\":\"{}\","
      "\"ratio\":{:.4f}}}\n",
      name, value, unit, floor, floor_what, value / floor);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

double at(std::vector<double> samples, double share) {
  std::sort(samples.begin(), samples.end());
  return samples.at(static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1)));
}

double now_ms() { return static_cast<double>(system_clock().mono_ns()) / 1e6; }

// Median of one 4 KiB append with fdatasync, on the disk the network uses.
double raw_fdatasync_ms(const std::string& folder) {
  const int fd = ::open((folder + "/raw").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const Bytes block(4096, 1);
  std::vector<double> ms;
  for (int i = 0; i < 200; ++i) {
    const double start = now_ms();
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0) break;
    ms.push_back(now_ms() - start);
  }
  ::close(fd);
  return at(ms, 0.5);
}

// Times at which receipts were seen, by job, on a connection of its own.
class Receipts {
 public:
  Receipts(const std::string& address, Height from) {
    thread_ = std::jthread([this, address, from] {
      auto client = client::Client::connect(address, {});
      if (!client) return;
      const Status watched = (*client)->watch(
          from, "market.receipted",
          [this](const client::LedgerEvent& seen) {
            const auto event = market::decode_event(seen.event.topic, seen.event.data);
            const std::lock_guard lock(mutex_);
            if (event) seen_ms_.emplace(event->job_id, now_ms());
            changed_.notify_all();
            return !stop_;
          },
          [this] {
            const std::lock_guard lock(mutex_);
            return !stop_;
          });
      if (!watched) std::fprintf(stderr, "watch: %s\n", watched.error().str().c_str());
    });
  }
  ~Receipts() {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  double wait(const JobId& id) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return seen_ms_.contains(id); });
    return seen_ms_.at(id);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<JobId, double> seen_ms_;
  bool stop_ = false;
  std::jthread thread_;
};

Status submit_to_receipt(const Network& network) {
  const std::string address = text("unix:{}/validator-0/api.sock", network.dir);
  TRY(auto client, client::Client::connect(address, {}));
  TRY(const auto info, client->info());
  TRY(const auto seeds, crypto::open_key_file(network.dir + "/wallet.json", {}, {.allow_unencrypted = true}));
  TRY(const auto payer, seeds.identity());
  TRY(const auto draft, gxf::parse_job_file("kind: wasm/v1\nartifact: empty.wasm\nlimit: 1000000\n"
                                            "limits: {gas: 1M, memory: 4MiB, time: 5s, output: 1KiB}\n",
                                            "examples/wasm"));
  TRY(const Bytes module, gxf::read_upload(real_fs(), draft.uploads.at(0), 1 << 20));
  TRY(const BlobId blob, client->put_blob(module));
  Receipts receipts(address, info.height);
  std::vector<double> ms;
  constexpr int kWarm = 10, kJobs = 150;
  for (int i = 0; i < kWarm + kJobs; ++i) {
    TRY(const auto before, client->info());
    TRY(auto job,
        gxf::finish(draft, std::vector{gxf::UploadedBlob{.id = blob, .size_bytes = module.size()}},
                    {.network = info.network, .nonce = static_cast<std::uint64_t>(i + 1), .height = before.height}));
    TRY_OK(gxf::sign(job, payer, gxf::JobSigAlg::kHybrid));
    const Bytes bytes = gxf::encode(job);
    const double start = now_ms();
    TRY(const auto applied,
        client->submit({.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, bytes)}));
    if (applied.result.code != 0) return fail(Kind::kInternal, "verbs.bench", applied.result.message);
    const double end = receipts.wait(job.job_id);
    if (i >= kWarm) ms.push_back(end - start);
  }
  const double raw = raw_fdatasync_ms(network.dir);
  row("empty wasm job, submit to receipt, p50", at(ms, 0.5), "ms", raw,
      "raw fdatasync of 4 KiB in the same minute, p50, ms");
  row("empty wasm job, submit to receipt, p99", at(ms, 0.99), "ms", raw,
      "raw fdatasync of 4 KiB in the same minute, p50, ms");
  return {};
}

void pause_ms(int ms) { ::poll(nullptr, 0, ms); }

struct Usage {
  double rss_mb = 0, cpu_s = 0;
};

Result<Usage> usage_of(int pid) {
  TRY(const std::string status, read_system_file(text("/proc/{}/status", pid)));
  TRY(const std::string stat, read_system_file(text("/proc/{}/stat", pid)));
  Usage usage;
  if (const auto found = status.find("VmRSS:"); found != std::string::npos)
    usage.rss_mb = std::strtod(status.c_str() + found + 6, nullptr) / 1024;
  const char* field = stat.c_str() + stat.rfind(')') + 2;
  for (int i = 3; i < 14; ++i) field = std::strchr(field, ' ') + 1;
  char* next = nullptr;
  const double user = std::strtod(field, &next);
  usage.cpu_s = (user + std::strtod(next, nullptr)) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return usage;
}

// An idle network, so after all timeouts of the jobs above have passed.
Status idle(const Network& network) {
  constexpr double kSeconds = 8;
  pause_ms(3000);
  for (const auto& node : network.nodes) {
    TRY(const Process process, node_process(network, node));
    TRY(const Usage before, usage_of(process.pid));
    pause_ms(static_cast<int>(kSeconds * 1000));
    TRY(const Usage after, usage_of(process.pid));
    row(text("{} idle, resident memory", node.role), after.rss_mb, "MB", 60, "limit, MB");
    row(text("{} idle, processor", node.role), 100 * (after.cpu_s - before.cpu_s) / kSeconds, "percent", 1,
        "limit, percent of one core");
  }
  return {};
}

double run_ms(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const double start = now_ms();
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDOUT_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::waitpid(pid, nullptr, 0);
  return now_ms() - start;
}

void start_times() {
  std::vector<double> help, nothing;
  for (int i = 0; i < 41; ++i) {
    help.push_back(run_ms({program_folder() + "/hanse", "--help"}));
    nothing.push_back(run_ms({"/bin/true"}));
  }
  row("hanse --help, wall", at(help, 0.5), "ms", at(nothing, 0.5), "/bin/true, ms");
}

Status run() {
  std::string folder = "/tmp/hanse-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail(Kind::kUnavailable, "verbs.bench", "no temporary folder");
  Silent talk;
  start_times();
  TRY(const Network network, make_network(folder + "/net", {.providers = 1}));
  TRY_OK(start_network(network, talk));
  Status measured = submit_to_receipt(network);
  if (measured) measured = idle(network);
  TRY_OK(stop_network(network, 20'000, talk));
  return measured;
}

}  // namespace
}  // namespace hanse::cli

int main() {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that leaves early must not leave a network running
  const hanse::Status done = hanse::cli::run();
  if (!done) std::fprintf(stderr, "verbs_bench: %s\n", done.error().str().c_str());
  return done ? 0 : 1;
}
