#include "cluster/mode_circles.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace databus {
namespace {

// Where messages of a stream that arrive at `cluster` come back to it; beginning with the first
// name, so that one circle is found as one, wherever it is entered.
ModeCircle CircleFrom(const std::vector<ModeRule>& modes, const std::string& cluster,
                      const std::string& stream) {
  ModeCircle circle{stream, {}};
  bool of_its_own = stream.empty();
  std::string at = cluster;
  do {
    const ModeRule* const rule = FindModeRule(modes, at, stream);
    if (rule == nullptr || rule->to.empty()) return {};
    if (std::ranges::count(circle.clusters, at) > 0) return {};  // one that is entered from outside
    of_its_own |= rule->stream == stream;
    circle.clusters.push_back(at);
    at = rule->to;
  } while (at != cluster);
  if (!of_its_own) return {};  // that of all streams
  std::ranges::rotate(circle.clusters, std::ranges::min_element(circle.clusters));
  return circle;
}

void Break(const ModeCircle& circle, std::string_view first, std::vector<ModeRule>& modes) {
  const bool has_first = std::ranges::count(circle.clusters, first) > 0;
  const std::string who = has_first ? std::string(first) : circle.clusters.front();
  std::erase_if(modes, [&](const ModeRule& rule) {
    return rule.cluster == who && rule.stream == circle.stream;
  });
  if (FindModeRule(modes, who, circle.stream) == nullptr)
    return;  // nothing else holds: it delivers
  modes.push_back({who, circle.stream, DeliveryMode::kDeliver});
}

}  // namespace

std::string ModeCircle::Describe() const {
  return fmt::format("{}: {} -> {}", stream.empty() ? "all streams" : stream,
                     fmt::join(clusters, " -> "), clusters.front());
}

std::vector<ModeCircle> FindCircles(const std::vector<ModeRule>& modes) {
  std::set<std::string> clusters;
  std::set<std::string> streams = {""};
  for (const ModeRule& rule : modes) {
    clusters.insert(rule.cluster);
    streams.insert(rule.stream);
  }
  std::vector<ModeCircle> circles;
  for (const std::string& stream : streams) {
    for (const std::string& cluster : clusters) {
      ModeCircle circle = CircleFrom(modes, cluster, stream);
      if (circle.clusters.empty() || std::ranges::count(circles, circle) > 0) continue;
      circles.push_back(std::move(circle));
    }
  }
  return circles;
}

std::vector<ModeCircle> WithoutKnown(std::vector<ModeCircle> circles,
                                     const std::vector<ModeRule>& before) {
  const std::vector<ModeCircle> old = FindCircles(before);
  std::erase_if(circles, [&](const auto& circle) { return std::ranges::count(old, circle) > 0; });
  return circles;
}

std::vector<ModeCircle> NewCircles(const std::vector<ModeRule>& before,
                                   const std::vector<ModeRule>& after) {
  return WithoutKnown(FindCircles(after), before);
}

std::vector<ModeRule> WithoutCircles(std::vector<ModeRule> modes, std::string_view first) {
  for (auto circles = FindCircles(modes); !circles.empty(); circles = FindCircles(modes)) {
    Break(circles.front(), first, modes);
  }
  return modes;
}

}  // namespace databus
