#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/sign.h"
#include "cli/verbs/process.h"
#include "cli/verbs/render.h"
#include "cli/verbs/verbs.h"
#include "exchange/runtime/isolation.h"

namespace hanse::cli {

namespace {

struct Fact {
  std::string name, value;
  std::string remedy;  // what to do about it; "" when all is well
  bool essential = false;
};

std::string first_line_with(const std::string& path, std::string_view word) {
  auto content = read_system_file(path);
  if (!content) return {};
  std::string_view rest = *content;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (line.starts_with(word)) return std::string(line);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return {};
}

std::string after(const std::string& line, char mark) {
  const auto at = line.find(mark);
  if (at == std::string::npos) return "unknown";
  std::string value = line.substr(at + 1);
  std::erase(value, '"');
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.erase(0, 1);
  return value;
}

Fact cpu_fact() {
  std::string features;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) features += " avx2";
  if (__builtin_cpu_supports("avx512f")) features += " avx512f";
  if (__builtin_cpu_supports("avx512vnni")) features += " avx512vnni";
#endif
  return {
      .name = "processor",
      .value = text("{} x {}{}{}", sysconf(_SC_NPROCESSORS_ONLN),
                    after(first_line_with("/proc/cpuinfo", "model name"), ':'), features.empty() ? "" : ",", features),
      .remedy = {}};
}

Fact disk_fact(const std::string& dir) {
  struct statvfs disk{};
  if (statvfs(dir.c_str(), &disk) != 0) return {.name = "disk", .value = "unknown", .remedy = {}};
  const std::uint64_t free_mib = disk.f_bavail * disk.f_frsize >> 20;
  return {.name = "disk",
          .value = text("{} MiB free at {}", free_mib, dir),
          .remedy = free_mib < 1024 ? "make room: a node wants at least 1024 MiB" : ""};
}

// Median of 21 synced appends of 4 KiB: what every acknowledged transaction waits for at least once.
Fact fsync_fact(const std::string& dir) {
  const std::string path = text("{}/.hanse-doctor-{}", dir, getpid());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return {.name = "fsync", .value = text("cannot write to {}", dir), .remedy = "choose a folder with --dir"};
  const Bytes block(4096, 0x5a);
  std::vector<std::int64_t> ns;
  bool good = true;
  for (int i = 0; i < 21 && good; ++i) {
    const std::int64_t start = system_clock().mono_ns();
    good = ::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size()) && ::fdatasync(fd) == 0;
    ns.push_back(system_clock().mono_ns() - start);
  }
  ::close(fd);
  ::unlink(path.c_str());
  if (!good)
    return {.name = "fsync", .value = "fdatasync fails here", .remedy = "choose another disk", .essential = true};
  std::nth_element(ns.begin(), ns.begin() + 10, ns.end());
  return {.name = "fsync",
          .value = text("{:.3f} ms median of 21 appends of 4 KiB", static_cast<double>(ns[10]) / 1e6),
          .remedy = {}};
}

Fact clock_fact() {
  timex t{};
  const bool synced = adjtimex(&t) != TIME_ERROR;
  return {.name = "clock", .value = synced ? "synchronised" : "not synchronised by the kernel's account", .remedy = {}};
}

Fact crypto_fact() {
  const auto identity = crypto::Identity::generate(system_random());
  const Bytes message = to_bytes("doctor");
  const Bytes signature = identity.mldsa().sign("hanse/doctor/1", message);
  const bool good = crypto::verify(identity.mldsa().public_key(), "hanse/doctor/1", message, signature).has_value();
  return {.name = "signatures",
          .value = good ? "ML-DSA-65 and Ed25519 work" : "ML-DSA-65 fails its own check",
          .remedy = good ? "" : "install OpenSSL 3.5 or newer",
          .essential = !good};
}

void isolation_facts(std::vector<Fact>& facts) {
  const runtime::Isolation found = runtime::probe();
  facts.push_back({.name = "isolation",
                   .value = text("level {} of {}", found.level, runtime::kIsolationMax),
                   .remedy = found.missing});
  facts.push_back({.name = "landlock", .value = text("ABI {}", found.landlock_abi), .remedy = {}});
  facts.push_back({.name = "cgroups", .value = found.cgroups, .remedy = {}});
}

void plugin_facts(std::vector<Fact>& facts) {
  const std::string folder = program_folder() + "/../lib/hanse";
  for (const auto& [name, kinds, remedy] :
       {std::tuple{"wasm", "wasm jobs", "./dev setup wasm && ./dev build (package libwasmedge-dev)"},
        std::tuple{"onnx", "ONNX models", "./dev setup onnx && ./dev build (package libonnxruntime-dev)"},
        std::tuple{"tensor", "int8 matrix and MLP jobs", "./dev build tensor"},
        std::tuple{"proof", "MLP jobs with a proof", "./dev build proof"}}) {
    const bool there = ::access(text("{}/{}.so", folder, name).c_str(), R_OK) == 0;
    facts.push_back({.name = text("kind {}", name), .value = there ? kinds : "absent", .remedy = there ? "" : remedy});
  }
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string dir(args.get("dir", "."));
  std::vector<Fact> facts;
  isolation_facts(facts);  // first: it forks, and wants one thread
  utsname kernel{};
  uname(&kernel);
  facts.insert(facts.begin(), {.name = "kernel", .value = kernel.release, .remedy = {}});
  facts.insert(
      facts.begin(),
      {.name = "system", .value = after(first_line_with("/etc/os-release", "PRETTY_NAME="), '='), .remedy = {}});
  facts.push_back(cpu_fact());
  facts.push_back({.name = "memory", .value = after(first_line_with("/proc/meminfo", "MemTotal"), ':'), .remedy = {}});
  facts.push_back(disk_fact(dir));
  facts.push_back(fsync_fact(dir));
  facts.push_back(clock_fact());
  facts.push_back(crypto_fact());
  plugin_facts(facts);

  codec::Json list = codec::Json::array();
  std::vector<std::vector<std::string>> rows;
  bool bad = false;
  for (const auto& fact : facts) {
    bad = bad || (fact.essential && !fact.remedy.empty());
    codec::Json one = codec::Json::object();
    one.set("name", fact.name).set("value", fact.value).set("remedy", fact.remedy);
    list.push(std::move(one));
    rows.push_back({fact.name, fact.value, fact.remedy});
  }
  codec::Json json = codec::Json::object();
  json.set("facts", std::move(list));
  return plugin::Answer{.json = std::move(json), .text = table({"what", "found", "to do"}, rows), .exit = bad ? 1 : 0};
}

}  // namespace

plugin::Verb doctor_verb() {
  return {
      .name = "doctor",
      .summary = "what this machine can do for Hanse, and what to install",
      .details = "Exit code 1 when something essential is missing.",
      .options = {{.name = "--dir", .value = "DIR", .help = "where the disk is measured (default .)", .fallback = {}}},
      .run = run};
}

}  // namespace hanse::cli
