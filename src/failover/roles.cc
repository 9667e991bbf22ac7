#include "failover/roles.h"

#include <algorithm>
#include <utility>

#include "cluster/mode_circles.h"

namespace databus::failover {
namespace {

bool SameSources(const StreamSpec& one, const StreamSpec& other) {
  return std::ranges::equal(one.sources, other.sources, [](const auto& a, const auto& b) {
    return a.cluster == b.cluster && a.retention == b.retention;
  });
}

bool SameRoles(const StreamSpec& one, const StreamSpec& other) {
  return one.name == other.name && SameSources(one, other) &&
         std::ranges::equal(one.destinations, other.destinations, [](const auto& a, const auto& b) {
           return a.cluster == b.cluster && a.role == b.role && a.retention == b.retention;
         });
}

// Sources and destinations only.
StreamSpec Roles(const StreamSpec& stream) {
  StreamSpec roles = stream;
  roles.publication = Publication::kOpen;
  roles.cut.reset();
  roles.settled = 0;
  return roles;
}

// What `from` was a source of is delivered by the collectors of `to`.
void MoveSource(StreamSpec& stream, const std::string& from, const std::string& to) {
  const auto source = std::ranges::find(stream.sources, from, &SourceSpec::cluster);
  if (source == stream.sources.end()) return;
  if (stream.HasSource(to)) {
    stream.sources.erase(source);
  } else {
    source->cluster = to;
  }
}

void MovePrimary(StreamSpec& stream, const std::string& to) {
  for (DestinationSpec& destination : stream.destinations) {
    destination.role = destination.cluster == to ? Role::kPrimary : Role::kMirror;
  }
}

// What of a stream's sources the failover changed, taken back; what else was edited since stays.
void BringSourceBack(StreamSpec& stream, const StreamChange& taken, const std::string& from,
                     const std::string& to) {
  if (!taken.before.HasSource(from) || taken.after.HasSource(from)) return;
  const auto added = std::ranges::find(stream.sources, to, &SourceSpec::cluster);
  if (!taken.before.HasSource(to) && added != stream.sources.end()) {
    if (stream.HasSource(from)) {
      stream.sources.erase(added);
    } else {
      added->cluster = from;
    }
    return;
  }
  if (stream.HasSource(from)) return;
  const auto was = std::ranges::find(taken.before.sources, from, &SourceSpec::cluster);
  const auto place = std::min<size_t>(was - taken.before.sources.begin(), stream.sources.size());
  stream.sources.insert(stream.sources.begin() + static_cast<int64_t>(place), *was);
}

// Why a stream's primary is not brought back; empty: it is, or the failover did not move it.
std::string WhyItStays(const StreamSpec& now, const StreamChange& taken, const std::string& from) {
  if (!taken.Moves()) return "";
  if (now.Primary() != taken.after.Primary()) {
    return "has moved since, to " + now.Primary();
  }
  return now.RoleOf(from) ? "" : "has no destination " + from + " any more";
}

void SetRoles(Topology& topology, const StreamSpec& roles) {
  const auto stream = std::ranges::find(topology.streams, roles.name, &StreamSpec::name);
  if (stream == topology.streams.end()) return;
  stream->sources = roles.sources;
  stream->destinations = roles.destinations;
}

void SetPublication(Topology& topology, const RoleChange& change, Publication publication) {
  for (StreamSpec& stream : topology.streams) {
    const StreamChange* const changed = change.Find(stream.name);
    if (changed != nullptr && changed->Moves()) stream.publication = publication;
  }
}

std::vector<ModeRule> WithoutSite(std::vector<ModeRule> modes, const std::string& site) {
  std::erase_if(modes, [&](const ModeRule& rule) { return rule.cluster == site; });
  return modes;
}

// The rule for just these; nothing: there is none.
std::optional<ModeRule> RuleOf(const std::vector<ModeRule>& modes, const ModeRule& of) {
  const auto found = std::ranges::find_if(modes, [&](const ModeRule& rule) {
    return rule.cluster == of.cluster && rule.stream == of.stream;
  });
  return found == modes.end() ? std::nullopt : std::optional(*found);
}

bool Has(const std::vector<ModeRule>& modes, const ModeRule& rule) {
  return std::ranges::count(modes, rule) > 0;
}

bool NamesAStranger(const ModeRule& rule, const Topology& topology) {
  return topology.FindCluster(rule.cluster) == nullptr ||
         (!rule.to.empty() && topology.FindCluster(rule.to) == nullptr);
}

// What of the ways of collectors the failover changed, taken back: of the site all, of others what
// nobody has edited since.
std::vector<ModeRule> BringModesBack(const StoredTopology& base, const RoleChange& taken) {
  std::vector<ModeRule> modes = WithoutSite(base.modes, taken.site);
  std::erase_if(modes, [&](const ModeRule& rule) {
    return Has(taken.modes_after, rule) && !Has(taken.modes_before, rule);
  });
  for (const ModeRule& rule : taken.modes_before) {
    const bool untouched = RuleOf(base.modes, rule) == RuleOf(taken.modes_after, rule);
    const bool taken_away = untouched && !Has(taken.modes_after, rule);
    if (NamesAStranger(rule, base.topology)) continue;
    if (rule.cluster == taken.site || taken_away) modes.push_back(rule);
  }
  return WithoutCircles(std::move(modes), taken.from);
}

}  // namespace

bool operator==(const StreamChange& one, const StreamChange& other) {
  return SameRoles(one.before, other.before) && SameRoles(one.after, other.after);
}

std::vector<std::string> RoleChange::Moving() const {
  std::vector<std::string> names;
  for (const StreamChange& stream : streams) {
    if (stream.Moves()) names.push_back(stream.name());
  }
  return names;
}

const StreamChange* RoleChange::Find(std::string_view stream) const {
  const auto found = std::ranges::find(streams, stream, &StreamChange::name);
  return found == streams.end() ? nullptr : &*found;
}

RoleChange TakeAway(const StoredTopology& base, const std::string& from, const std::string& to,
                    const std::vector<Endpoint>& receivers) {
  RoleChange change{from, to, from, "", {}, base.modes, {}};
  for (const StreamSpec& stream : base.topology.streams) {
    StreamChange changed{Roles(stream), Roles(stream)};
    MoveSource(changed.after, from, to);
    if (stream.Primary() == from && stream.RoleOf(to)) MovePrimary(changed.after, to);
    if (!SameRoles(changed.before, changed.after)) change.streams.push_back(std::move(changed));
  }
  change.modes_after = WithoutSite(base.modes, from);
  for (ModeRule& rule : change.modes_after) {
    if (rule.to == from) rule.to = to;
  }
  ModeRule redirect{from, "", DeliveryMode::kRedirect, "", receivers};
  if (receivers.empty()) redirect.to = to;
  change.modes_after.push_back(std::move(redirect));
  // Whoever was sent to `from`, straight or by others, and takes its place delivers again.
  change.modes_after = WithoutCircles(std::move(change.modes_after), to);
  return change;
}

RoleChange TakeAwayOnly(const StoredTopology& base, const std::string& stream,
                        const std::string& from, const std::string& to) {
  RoleChange change = TakeAway(base, from, to, {});
  std::erase_if(change.streams, [&](const StreamChange& each) { return each.name() != stream; });
  change.site.clear();
  change.modes_after = base.modes;
  std::erase_if(change.modes_after, [&](const ModeRule& rule) {
    return rule.cluster == from && rule.stream == stream;
  });
  change.modes_after.push_back({from, stream, DeliveryMode::kRedirect, to});
  change.modes_after = WithoutCircles(std::move(change.modes_after), to);
  return change;
}

RoleChange BringBack(const StoredTopology& base, const RoleChange& taken_away) {
  RoleChange change{taken_away.to, taken_away.from, taken_away.site, "", {}, base.modes, {}};
  for (const StreamChange& stream : taken_away.streams) {
    const StreamSpec* const now = base.topology.FindStream(stream.name());
    if (now == nullptr) continue;
    StreamChange back{Roles(*now), Roles(*now)};
    // Also where the primary stays: the site's collectors deliver there again.
    BringSourceBack(back.after, stream, taken_away.from, taken_away.to);
    const bool stays = !WhyItStays(*now, stream, taken_away.from).empty();
    if (stream.Moves() && !stays) MovePrimary(back.after, taken_away.from);
    if (!SameRoles(back.before, back.after)) change.streams.push_back(std::move(back));
  }
  change.modes_after = BringModesBack(base, taken_away);
  return change;
}

std::vector<std::string> NotBroughtBack(const StoredTopology& base, const RoleChange& taken_away) {
  std::vector<std::string> sentences;
  for (const StreamChange& stream : taken_away.streams) {
    const StreamSpec* const now = base.topology.FindStream(stream.name());
    if (now == nullptr) continue;
    const std::string why = WhyItStays(*now, stream, taken_away.from);
    if (why.empty()) continue;
    sentences.push_back("the primary of " + stream.name() + " is not brought back: the stream " +
                        why);
  }
  return sentences;
}

StoredTopology Spooling(const StoredTopology& base, const RoleChange& change, std::string author) {
  StoredTopology next = base.Next(std::move(author));
  const bool leaves = change.site == change.from;
  const auto spool = [](const std::string& cluster, const std::string& stream) {
    return ModeRule{cluster, stream, DeliveryMode::kSpool};
  };
  std::erase_if(next.modes, [&](const ModeRule& rule) {
    const StreamChange* const changed = change.Find(rule.stream);
    return (leaves && rule.cluster == change.site) || (changed != nullptr && changed->Moves());
  });
  if (leaves) next.modes.push_back(spool(change.site, ""));
  for (const ClusterSpec& cluster : next.topology.clusters) {
    if (leaves && cluster.name == change.site) continue;
    for (const std::string& stream : change.Moving()) {
      next.modes.push_back(spool(cluster.name, stream));
    }
  }
  return next;
}

StoredTopology Frozen(const StoredTopology& base, const RoleChange& change, std::string author) {
  StoredTopology next = base.Next(std::move(author));
  SetPublication(next.topology, change, Publication::kFrozen);
  return next;
}

StoredTopology Swapped(const StoredTopology& base, const RoleChange& change, const Cuts& cuts,
                       std::string author) {
  StoredTopology next = base.Next(std::move(author));
  for (const StreamChange& stream : change.streams) SetRoles(next.topology, stream.after);
  SetPublication(next.topology, change, Publication::kOpen);
  for (StreamSpec& stream : next.topology.streams) {
    const auto cut = cuts.find(stream.name);
    if (cut != cuts.end() && cut->second) stream.cut = cut->second;
  }
  next.modes = change.modes_after;
  next.alone = change.alone;
  return next;
}

StoredTopology Undone(const StoredTopology& base, const RoleChange& change, std::string author) {
  StoredTopology next = base.Next(std::move(author));
  SetPublication(next.topology, change, Publication::kOpen);
  // As it was; only a circle, which an older program may have made, does not come back.
  next.modes = WithoutCircles(change.modes_before, change.to);
  return next;
}

}  // namespace databus::failover
