#include "exchange/pilots/cluster.h"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/codec/json.h"
#include "base/core/text.h"
#include "store/archive/http.h"

namespace hanse::pilots {
namespace {

using codec::Json;

TEST(Squeue, jobs_that_are_not_over_are_listed_with_their_names) {
  const auto jobs =
      parse_squeue("12|RUNNING|hanse-a-1\n13|PENDING|hanse-a-2\n14|COMPLETING|hanse-a-3\n15|PENDING|(null)\n");
  ASSERT_TRUE(jobs) << jobs.error().str();
  EXPECT_EQ(*jobs, (std::vector<Listed>{{"12", "hanse-a-1"}, {"13", "hanse-a-2"}, {"15", ""}}));
  EXPECT_TRUE(parse_squeue("")->empty());
}

TEST(Squeue, anything_else_is_refused) {
  for (const std::string bad : {"12|RUNNING", "12|RUNNING|n", "x|RUNNING|n\n", "012|RUNNING|n\n", "12|LAZY|n\n", "\n",
                                "12_3|RUNNING|n\n", "99999999999|RUNNING|n\n", "|RUNNING|n\n"})
    EXPECT_EQ(parse_squeue(bad).error().id(), "pilots.cluster") << bad;
  std::string many;
  for (std::size_t i = 0; i < kListedMax; ++i) many += "7|RUNNING|n\n";
  EXPECT_EQ(parse_squeue(many)->size(), kListedMax);
  EXPECT_FALSE(parse_squeue(many + "7|RUNNING|n\n"));
}

TEST(Sbatch, says_one_id_perhaps_with_its_cluster) {
  EXPECT_EQ(*parse_sbatch("41\n"), "41");
  EXPECT_EQ(*parse_sbatch("41;blue\n"), "41");
  for (const std::string bad : {"", "Submitted batch job 41\n", "41\n42\n", "-1\n", "0\n"})
    EXPECT_EQ(parse_sbatch(bad).error().id(), "pilots.cluster") << bad;
}

TEST(Slurm, the_script_quotes_every_word) {
  EXPECT_EQ(slurm_script({"/opt/h p", "--x", "a'b$(id)"}), "#!/bin/sh\nexec '/opt/h p' '--x' 'a'\\''b$(id)'\n");
}

// Commands that write down what they were given and say what the test wants.
struct FakeSlurm : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/hanse-slurm-XXXXXX";
    folder = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  void command(const std::string& name, const std::string& body) {
    std::ofstream(folder + "/" + name) << "#!/bin/sh\n" << body << "\n";
    ::chmod((folder + "/" + name).c_str(), 0700);
  }
  std::string told(const std::string& file) {
    std::ifstream in(folder + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::unique_ptr<Cluster> slurm() {
    return make_slurm(
        {.shape = {.group = "hanse-ab", .argv = {"/bin/pilot"}, .cpus = 2, .memory_mib = 64, .minutes = 9},
         .folder = folder,
         .partition = "part",
         .account = "acc",
         .command_ms_max = 5'000});
  }
  std::string folder;
};

TEST_F(FakeSlurm, the_ticket_is_in_the_environment_and_never_among_the_words) {
  command("sbatch",
          text("printf '%s\\n' \"$@\" >{0}/words; echo \"$HANSE_PILOT_TICKET\" >{0}/ticket; cat >{0}/script; echo 5",
               folder));
  const auto id = slurm()->start("hanse-ab-1", "the secret");
  ASSERT_TRUE(id) << id.error().str();
  EXPECT_EQ(*id, "5");
  EXPECT_EQ(told("ticket"), "the secret\n");
  EXPECT_EQ(told("script"), "#!/bin/sh\nexec '/bin/pilot'\n");
  EXPECT_EQ(told("words"),
            "--parsable\n--no-requeue\n--job-name=hanse-ab\n--comment=hanse-ab-1\n--nodes=1\n--ntasks=1\n"
            "--cpus-per-task=2\n--mem=64M\n--time=9\n--chdir=/\n--output=/dev/null\n--export=HANSE_PILOT_TICKET\n"
            "--partition=part\n--account=acc\n");
}

TEST_F(FakeSlurm, lists_and_cancels_and_says_what_the_commands_said) {
  command("squeue", text("printf '%s\\n' \"$@\" >{}/words; echo '5|RUNNING|hanse-ab-1'", folder));
  command("scancel", text("echo \"$@\" >{}/cancelled", folder));
  EXPECT_EQ(slurm()->list()->at(0).name, "hanse-ab-1");
  EXPECT_EQ(told("words"), "--me\n--noheader\n--name=hanse-ab\n--format=%i|%T|%k\n");
  EXPECT_TRUE(slurm()->cancel("5"));
  EXPECT_EQ(told("cancelled"), "5\n");
  EXPECT_FALSE(slurm()->cancel("5; id"));
  command("scancel", "echo 'scancel: error: Kill job error on job id 5: Invalid job id specified' >&2; exit 1");
  EXPECT_TRUE(slurm()->cancel("5"));
  command("scancel", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
  const auto gone = slurm()->cancel("5");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().id(), "pilots.cluster");
  EXPECT_NE(gone.error().str().find("Unable to contact"), std::string::npos);
  command("sbatch",
          "echo 'sbatch: error: Batch job submission failed: Invalid account or account/partition combination' >&2; "
          "exit 1");
  EXPECT_EQ(slurm()->start("hanse-ab-1", "t").error().id(), "pilots.cluster_denied");
  EXPECT_EQ(make_slurm({.shape = {}, .folder = folder + "/nowhere"})->list().error().id(), "pilots.cluster");
}

// An API that holds each request against what it must be and answers in the words of a kube-apiserver.
class FakeApi final : public archive::Http {
 public:
  struct Turn {
    std::string method, path;
    int status;
    std::string body;
  };
  std::deque<Turn> turns;
  std::vector<std::string> bodies;

  Result<archive::HttpAnswer> send(const archive::HttpRequest& request) override {
    if (turns.empty()) return fail(Kind::kUnavailable, "archive.unavailable", "nobody listens");
    const Turn turn = turns.front();
    turns.pop_front();
    EXPECT_EQ(request.method, turn.method);
    EXPECT_EQ(request.url, "https://api:6443" + turn.path);
    EXPECT_EQ(request.ca_file, "/ca.pem");
    EXPECT_EQ(request.ms_max, 30'000);
    bool authorized = false;
    for (const auto& [name, value] : request.headers) authorized |= name == "authorization" && value == "Bearer tok";
    EXPECT_TRUE(authorized);
    bodies.emplace_back(as_text(request.body));
    archive::HttpAnswer out;
    out.status = turn.status;
    out.body = to_bytes(turn.body);
    return out;
  }
};

std::string status_of(int code, const std::string& reason, const std::string& message) {
  return text(R"({{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{}","reason":"{}",)"
              R"("details":{{}},"code":{}}})",
              message, reason, code);
}

struct KubernetesTest : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/hanse-token-XXXXXX";
    const int fd = ::mkstemp(name);
    token = name;
    ASSERT_EQ(::write(fd, "tok\n", 4), 4);
    ::close(fd);
    options.shape = {
        .group = "hanse-ab", .argv = {"/bin/pilot", "--slots", "2"}, .cpus = 2, .memory_mib = 64, .minutes = 9};
    options.url = "https://api:6443";
    options.space = "jobs";
    options.token_file = token;
    options.ca_file = "/ca.pem";
    options.image = "registry/hanse:1";
    auto http = std::make_unique<FakeApi>();
    api = http.get();
    cluster = make_kubernetes(options, std::move(http));
  }
  void TearDown() override { ::unlink(token.c_str()); }
  static Json at(const std::string& body, std::initializer_list<std::string_view> path) {
    Json json = *codec::parse_json(body);
    for (const auto key : path) {
      const Json* next = json.type() == Json::Type::kArray ? &json.items().at(0) : &json;
      next = next->find(key);
      if (next == nullptr) return Json("(absent)");
      const Json copy = *next;
      json = copy;
    }
    return json;
  }
  static constexpr const char* kJobs = "/apis/batch/v1/namespaces/jobs/jobs";
  static constexpr const char* kList =
      "/apis/batch/v1/namespaces/jobs/jobs?labelSelector=hanse.dev%2Fprovider%3Dhanse-ab&limit=250";
  std::string token;
  KubernetesOptions options;
  FakeApi* api = nullptr;
  std::unique_ptr<Cluster> cluster;
};

TEST_F(KubernetesTest, a_pilot_is_a_job_and_a_secret_that_the_job_owns) {
  api->turns = {
      {"POST", kJobs, 201, R"({"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"hanse-ab-1","uid":"u-1"}})"},
      {"POST", "/api/v1/namespaces/jobs/secrets", 201, R"({"kind":"Secret","apiVersion":"v1"})"}};
  const auto id = cluster->start("hanse-ab-1", "the secret");
  ASSERT_TRUE(id) << id.error().str();
  EXPECT_EQ(*id, "hanse-ab-1");
  ASSERT_EQ(api->bodies.size(), 2u);
  const std::string &job = api->bodies[0], &secret = api->bodies[1];
  EXPECT_EQ(job.find("the secret"), std::string::npos);
  EXPECT_EQ(at(job, {"apiVersion"}).dump(), "\"batch/v1\"");
  EXPECT_EQ(at(job, {"metadata", "labels", "hanse.dev/provider"}).dump(), "\"hanse-ab\"");
  EXPECT_EQ(at(job, {"spec", "backoffLimit"}).dump(), "0");
  EXPECT_EQ(at(job, {"spec", "activeDeadlineSeconds"}).dump(), "540");
  EXPECT_EQ(at(job, {"spec", "ttlSecondsAfterFinished"}).dump(), "300");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "restartPolicy"}).dump(), "\"Never\"");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "automountServiceAccountToken"}).dump(), "false");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "securityContext", "runAsNonRoot"}).dump(), "true");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "containers", "command"}).dump(), R"(["/bin/pilot","--slots","2"])");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "containers", "resources", "limits"}).dump(),
            R"({"cpu":"2","memory":"64Mi"})");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "containers", "securityContext"}).dump(),
            R"({"allowPrivilegeEscalation":false,"privileged":false,"readOnlyRootFilesystem":true,)"
            R"("capabilities":{"drop":["ALL"]}})");
  EXPECT_EQ(at(job, {"spec", "template", "spec", "containers", "env"}).dump(),
            R"([{"name":"HANSE_PILOT_TICKET","valueFrom":{"secretKeyRef":{"name":"hanse-ab-1","key":"ticket"}}}])");
  EXPECT_EQ(at(secret, {"stringData", "ticket"}).dump(), "\"the secret\"");
  EXPECT_EQ(at(secret, {"metadata", "ownerReferences"}).dump(),
            R"([{"apiVersion":"batch/v1","kind":"Job","name":"hanse-ab-1","uid":"u-1"}])");
}

TEST_F(KubernetesTest, a_job_whose_secret_is_refused_is_deleted) {
  api->turns = {
      {"POST", kJobs, 201, R"({"kind":"Job","metadata":{"uid":"u-1"}})"},
      {"POST", "/api/v1/namespaces/jobs/secrets", 403,
       status_of(403, "Forbidden", "secrets is forbidden: User cannot create resource")},
      {"DELETE", text("{}/p-1?propagationPolicy=Background", kJobs), 200, R"({"kind":"Status","status":"Success"})"}};
  const auto id = cluster->start("p-1", "t");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().id(), "pilots.cluster_denied");
  EXPECT_TRUE(api->turns.empty());
}

TEST_F(KubernetesTest, pages_are_followed_and_jobs_that_are_over_left_out) {
  api->turns = {
      {"GET", kList, 200,
       R"({"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"9","continue":"a/b="},)"
       R"("items":[{"metadata":{"name":"p-1"},"status":{"active":1}},)"
       R"({"metadata":{"name":"p-2"},"status":{"conditions":[{"type":"Complete","status":"True"}]}},)"
       R"({"metadata":{"name":"p-3","deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{}}]})"},
      {"GET", std::string(kList) + "&continue=a%2Fb%3D", 200,
       R"({"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"9"},)"
       R"("items":[{"metadata":{"name":"p-4"},"status":{"conditions":[{"type":"Failed","status":"False"}]}}]})"}};
  const auto jobs = cluster->list();
  ASSERT_TRUE(jobs) << jobs.error().str();
  EXPECT_EQ(*jobs, (std::vector<Listed>{{"p-1", "p-1"}, {"p-4", "p-4"}}));
}

TEST_F(KubernetesTest, a_list_without_end_or_of_something_else_is_refused) {
  for (std::size_t i = 0; i < kPagesMax; ++i)
    api->turns.push_back({"GET", i == 0 ? std::string(kList) : std::string(kList) + "&continue=c", 200,
                          R"({"kind":"JobList","apiVersion":"batch/v1","metadata":{"continue":"c"},"items":null})"});
  EXPECT_EQ(cluster->list().error().id(), "pilots.cluster");
  EXPECT_TRUE(api->turns.empty());
  for (const std::string bad : {"", "[]", "{}", R"({"kind":"PodList","apiVersion":"v1"})",
                                R"({"kind":"JobList","apiVersion":"batch/v1","items":[{"metadata":{"name":"../x"}}]})",
                                R"({"kind":"JobList","apiVersion":"batch/v1","items":[7]})",
                                R"({"kind":"JobList","apiVersion":"batch/v1","items":{}})"})
    EXPECT_EQ(parse_jobs(bad).error().id(), "pilots.cluster") << bad;
}

TEST_F(KubernetesTest, what_the_api_refuses_is_told_in_its_words) {
  const auto start = [&](int code, const std::string& reason) {
    api->turns = {{"POST", kJobs, code, status_of(code, reason, "no " + reason)}};
    const auto id = cluster->start("p-1", "t");
    EXPECT_FALSE(id);
    EXPECT_NE(id.error().str().find(reason + ": no " + reason), std::string::npos) << id.error().str();
    return std::string(id.error().id());
  };
  EXPECT_EQ(start(401, "Unauthorized"), "pilots.cluster_denied");
  EXPECT_EQ(start(403, "Forbidden"), "pilots.cluster_denied");
  EXPECT_EQ(start(409, "AlreadyExists"), "pilots.cluster");
  EXPECT_EQ(start(422, "Invalid"), "pilots.cluster");
  EXPECT_EQ(start(429, "TooManyRequests"), "pilots.cluster");
  api->turns = {{"GET", kList, 410, status_of(410, "Expired", "The provided continue parameter is too old")}};
  EXPECT_EQ(cluster->list().error().id(), "pilots.cluster");
  api->turns = {{"GET", kList, 500, "oops"}};
  EXPECT_NE(cluster->list().error().str().find("HTTP 500 (no Status)"), std::string::npos);
  EXPECT_EQ(cluster->list().error().id(), "pilots.cluster");  // nobody listens
  ::unlink(token.c_str());
  EXPECT_EQ(cluster->list().error().id(), "pilots.cluster_denied");
}

TEST_F(KubernetesTest, a_cancel_of_what_is_gone_is_fine) {
  const std::string path = text("{}/p-1?propagationPolicy=Background", kJobs);
  api->turns = {{"DELETE", path, 404, status_of(404, "NotFound", "jobs.batch \\\"p-1\\\" not found")},
                {"DELETE", path, 403, status_of(403, "Forbidden", "no")}};
  EXPECT_TRUE(cluster->cancel("p-1"));
  EXPECT_EQ(cluster->cancel("p-1").error().id(), "pilots.cluster_denied");
  EXPECT_FALSE(cluster->cancel("../secrets/x"));
}

}  // namespace
}  // namespace hanse::pilots
