#include "cluster/topology_diff.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace databus {
namespace {

// What is said of one thing: property to value.
using Facts = std::map<std::string, std::string>;

std::string HoursText(std::chrono::hours hours) { return fmt::format("{} h", hours.count()); }

Facts FactsOf(const ClusterSpec& cluster) {
  return {{"hdfsurl", cluster.url},
          {"rootdir", "/" + cluster.root_dir},
          {"jturl", cluster.job_tracker_url},
          {"jobqueuename", cluster.job_queue}};
}

Facts FactsOf(const StreamSpec& stream) {
  Facts facts;
  for (const SourceSpec& source : stream.sources) {
    facts["source " + source.cluster] = "kept " + HoursText(source.retention);
  }
  for (const DestinationSpec& destination : stream.destinations) {
    if (destination.role == Role::kPrimary) {
      facts["primary"] = destination.cluster;
    }
    facts["destination " + destination.cluster] = "kept " + HoursText(destination.retention);
  }
  facts["when alone"] = stream.when_alone == WhenAlone::kWait ? "wait" : "continue";
  if (stream.publication == Publication::kFrozen) facts["merged stream"] = "frozen";
  if (stream.cut) facts["merged stream continues after"] = stream.cut->ToIso();
  if (stream.settled != 0) {
    facts["merged stream compared anew since"] = fmt::format("epoch {}", stream.settled);
  }
  return facts;
}

// By cluster: what its collectors do with each stream that a rule names.
std::map<std::string, Facts> ModesOf(const StoredTopology& stored) {
  std::map<std::string, Facts> modes;
  for (const ModeRule& rule : stored.modes) {
    const std::string streams = rule.stream.empty() ? "every stream" : "stream " + rule.stream;
    modes[rule.cluster][streams] = DescribeMode(rule);
  }
  return modes;
}

// "destination dc1 kept 48 h, primary dc1".
std::string All(const Facts& facts) {
  std::vector<std::string> all;
  for (const auto& [name, value] : facts) all.push_back(fmt::format("{} {}", name, value));
  return fmt::format("{}", fmt::join(all, ", "));
}

class Differences {
 public:
  void Compare(const std::string& thing, const Facts& from, const Facts& to) {
    for (const auto& [name, value] : from) {
      const auto other = to.find(name);
      if (other == to.end()) {
        Say(thing, name, value, "none");
      } else if (other->second != value) {
        Say(thing, name, value, other->second);
      }
    }
    for (const auto& [name, value] : to) {
      if (!from.contains(name)) Say(thing, name, "none", value);
    }
  }

  template <typename Spec>
  void CompareAll(const std::string& kind, const std::vector<Spec>& from,
                  const std::vector<Spec>& to) {
    for (const Spec& spec : from) {
      const auto other = std::ranges::find(to, spec.name, &Spec::name);
      const std::string thing = fmt::format("{} '{}'", kind, spec.name);
      if (other == to.end()) {
        lines_.push_back(thing + ": removed");
      } else {
        Compare(thing, FactsOf(spec), FactsOf(*other));
      }
    }
    for (const Spec& spec : to) {
      if (std::ranges::count(from, spec.name, &Spec::name) == 0) {
        lines_.push_back(
            fmt::format("{} '{}': added, with {}", kind, spec.name, All(FactsOf(spec))));
      }
    }
  }

  std::vector<std::string> Take() { return std::move(lines_); }

 private:
  void Say(const std::string& thing, const std::string& name, const std::string& from,
           const std::string& to) {
    lines_.push_back(fmt::format("{}: {}: {} -> {}", thing, name, from, to));
  }
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> DescribeChanges(const Topology& from, const Topology& to) {
  const auto defaults = [](const Topology& topology) {
    return Facts{{"rootdir", "/" + topology.default_root_dir},
                 {"retentioninhours", HoursText(topology.default_retention)},
                 {"trashretentioninhours", HoursText(topology.trash_retention)}};
  };
  Differences differences;
  differences.Compare("defaults", defaults(from), defaults(to));
  differences.CompareAll("cluster", from.clusters, to.clusters);
  differences.CompareAll("stream", from.streams, to.streams);
  return differences.Take();
}

std::string DescribeMode(const ModeRule& rule) {
  std::string text(DeliveryModeName(rule.mode));
  std::vector<std::string> receivers;
  for (const Endpoint& receiver : rule.receivers) receivers.push_back(receiver.ToString());
  if (receivers.empty() && !rule.to.empty()) receivers.push_back(rule.to);
  if (!receivers.empty()) text += fmt::format(" to {}", fmt::join(receivers, ", "));
  return text;
}

std::vector<std::string> DescribeChanges(const StoredTopology& from, const StoredTopology& to) {
  const std::map<std::string, Facts> before = ModesOf(from);
  const std::map<std::string, Facts> after = ModesOf(to);
  Differences more;
  const auto of = [](const std::map<std::string, Facts>& all, const std::string& cluster) {
    const auto found = all.find(cluster);
    return found == all.end() ? Facts() : found->second;
  };
  std::map<std::string, Facts> both = before;
  both.insert(after.begin(), after.end());
  for (const auto& [cluster, facts] : both) {
    more.Compare("collectors of " + cluster, of(before, cluster), of(after, cluster));
  }
  const auto alone = [](const StoredTopology& stored) {
    return stored.alone.empty() ? Facts() : Facts{{"alone", "cluster " + stored.alone}};
  };
  more.Compare("confirmed by an operator", alone(from), alone(to));
  std::vector<std::string> lines = DescribeChanges(from.topology, to.topology);
  std::ranges::move(more.Take(), std::back_inserter(lines));
  return lines;
}

}  // namespace databus
