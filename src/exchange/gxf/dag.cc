#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/gxf.h"

#include "base/core/text.h"

#include <algorithm>
#include <bitset>

namespace hanse::gxf {

namespace {

constexpr std::size_t kPorts = 256;

// The graph by position in job.nodes, which are sorted by id.
struct Graph {
  explicit Graph(const Job& j) : job(j) {}

  // job.nodes.size() when there is no such node.
  std::size_t find(std::uint16_t id) const {
    const auto it = std::lower_bound(job.nodes.begin(), job.nodes.end(), id,
                                     [](const Node& node, std::uint16_t wanted) { return node.id < wanted; });
    const bool found = it != job.nodes.end() && it->id == id;
    return found ? static_cast<std::size_t>(it - job.nodes.begin()) : job.nodes.size();
  }

  const Job& job;
  std::vector<std::pair<std::size_t, std::size_t>> edges;  // from, to
};

std::unexpected<Error> no_node(std::string_view path, std::uint16_t id) {
  return fail_gxf(GxfCode::kDagBadPort, path, text("found node {}, which is not in the job", id));
}

Status claim(std::vector<std::bitset<kPorts>>& written, std::size_t node, std::uint8_t in_ix, std::string_view path) {
  if (written[node].test(in_ix))
    return fail_gxf(GxfCode::kDagBadPort, path, text("found a second writer for input {} of nodes[{}]", in_ix, node));
  written[node].set(in_ix);
  return {};
}

// Every end exists, every input has one writer, a node's inputs are numbered from 0 without gaps.
Status check_ports(Graph& g) {
  const std::size_t none = g.job.nodes.size();
  std::vector<std::bitset<kPorts>> written(none);
  for (std::size_t i = 0; i < g.job.edges.size(); ++i) {
    const Edge& e = g.job.edges[i];
    const std::size_t from = g.find(e.from), to = g.find(e.to);
    if (from == none) return no_node(text("edges[{}][0]", i), e.from);
    if (to == none) return no_node(text("edges[{}][1]", i), e.to);
    TRY_OK(claim(written, to, e.in_ix, text("edges[{}]", i)));
    g.edges.emplace_back(from, to);
  }
  for (std::size_t i = 0; i < g.job.inputs.size(); ++i) {
    const JobInput& in = g.job.inputs[i];
    const std::size_t node = g.find(in.node);
    if (node == none) return no_node(text("inputs[{}][0]", i), in.node);
    TRY_OK(claim(written, node, in.in_ix, text("inputs[{}]", i)));
  }
  for (std::size_t n = 0; n < none; ++n) {
    const std::size_t count = written[n].count();
    for (std::size_t port = 0; port < count; ++port)
      if (!written[n].test(port))
        return fail_gxf(GxfCode::kDagBadPort, text("nodes[{}]", n),
                        text("found {} inputs but none at port {}", count, port));
  }
  return {};
}

Status check_outputs(const Graph& g) {
  const auto& outputs = g.job.outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (g.find(outputs[i].node) == g.job.nodes.size()) return no_node(text("outputs[{}][0]", i), outputs[i].node);
    if (std::find(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(i), outputs[i]) !=
        outputs.begin() + static_cast<std::ptrdiff_t>(i))
      return fail_gxf(GxfCode::kDagBadPort, text("outputs[{}]", i),
                      text("found output {} of node {} twice", outputs[i].out_ix, outputs[i].node));
  }
  return {};
}

// Takes away, again and again, nodes with no edge in (forward) or no edge out. What stays leads around a circle.
void trim(const Graph& g, std::vector<bool>& alive, bool forward) {
  std::vector<std::size_t> degree(alive.size(), 0), ready;
  std::vector<std::vector<std::size_t>> next(alive.size());
  for (const auto& [from, to] : g.edges) {
    if (!alive[from] || !alive[to]) continue;
    next[forward ? from : to].push_back(forward ? to : from);
    ++degree[forward ? to : from];
  }
  for (std::size_t n = 0; n < alive.size(); ++n)
    if (alive[n] && degree[n] == 0) ready.push_back(n);
  while (!ready.empty()) {
    const std::size_t n = ready.back();
    ready.pop_back();
    alive[n] = false;
    for (const std::size_t after : next[n])
      if (--degree[after] == 0) ready.push_back(after);
  }
}

Status check_acyclic(const Graph& g) {
  std::vector<bool> alive(g.job.nodes.size(), true);
  trim(g, alive, true);
  trim(g, alive, false);
  for (std::size_t i = 0; i < g.edges.size(); ++i)
    if (alive[g.edges[i].first] && alive[g.edges[i].second])
      return fail_gxf(GxfCode::kDagCycle, text("edges[{}]", i),
                      text("the edge from node {} to node {} closes a circle", g.job.edges[i].from, g.job.edges[i].to));
  return {};
}

// Work whose result nobody gets is refused: from every node a job output is reached.
Status check_no_orphan(const Graph& g) {
  std::vector<bool> useful(g.job.nodes.size(), false);
  std::vector<std::vector<std::size_t>> before(g.job.nodes.size());
  for (const auto& [from, to] : g.edges) before[to].push_back(from);
  std::vector<std::size_t> open;
  for (const JobOutput& out : g.job.outputs) open.push_back(g.find(out.node));
  while (!open.empty()) {
    const std::size_t n = open.back();
    open.pop_back();
    if (useful[n]) continue;
    useful[n] = true;
    open.insert(open.end(), before[n].begin(), before[n].end());
  }
  for (std::size_t n = 0; n < useful.size(); ++n)
    if (!useful[n])
      return fail_gxf(GxfCode::kDagOrphan, text("nodes[{}]", n),
                      text("no output of the job depends on node {}", g.job.nodes[n].id));
  return {};
}

}  // namespace

Status detail::check_dag(const Job& job) {
  Graph g(job);
  TRY_OK(check_ports(g));
  TRY_OK(check_outputs(g));
  TRY_OK(check_acyclic(g));
  return check_no_orphan(g);
}

}  // namespace hanse::gxf
