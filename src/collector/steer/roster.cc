#include "collector/steer/roster.h"

#include <string_view>

#include "cluster/paths.h"
#include "cluster/text_format.h"
#include "net/batch_id.h"
#include "telemetry/facts.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

constexpr std::string_view kSuffix = ".json";

// Where the others are to connect.
std::optional<Endpoint> AddressOf(const Heartbeat& beat) {
  const auto address = beat.facts.find(facts::kAddress);
  if (address != beat.facts.end() && address->is_string()) {
    return Endpoint::Parse(address->get<std::string>());
  }
  const auto port = beat.facts.find(facts::kPort);
  if (port == beat.facts.end() || !port->is_number_unsigned() || beat.host.empty()) {
    return std::nullopt;
  }
  const auto number = port->get<uint64_t>();
  if (number == 0 || number > UINT16_MAX) return std::nullopt;
  return Endpoint{beat.host, static_cast<uint16_t>(number)};
}

}  // namespace

Status Roster::Look(const std::string& cluster, Storage& tree) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, tree.List(paths::StatusRoot()));
  Site& site = sites_[cluster];
  site.looked = clock_.Boot();
  std::map<std::string, Seen> seen;
  for (const DirEntry& entry : entries) {
    std::string_view process = entry.name;
    if (!process.ends_with(kSuffix)) continue;
    process.remove_suffix(kSuffix.size());
    const auto name = CollectorProcessName::Parse(process);
    if (!name) continue;
    const auto known = site.seen.find(std::string(process));
    Seen now = known != site.seen.end() ? known->second : Seen{};
    if (known == site.seen.end() || now.modified != entry.info.modified) {
      now.cluster = name->Home(cluster);
      // One that cannot be read is read again, and is known as before until then.
      if (Read(tree, *name, now).ok()) now.modified = entry.info.modified;
      now.changed = site.looked;
    }
    seen.emplace(process, std::move(now));
  }
  site.seen = std::move(seen);
  return Status::Ok();
}

Status Roster::Read(Storage& tree, const CollectorProcessName& process, Seen& seen) {
  const std::string path = paths::StatusFile(process.ToString());
  DATABUS_ASSIGN_OR_RETURN(const std::string text, tree.ReadFile(path));
  DATABUS_ASSIGN_OR_RETURN(const Heartbeat beat, DecodeHeartbeat(text, path));
  const std::optional<Endpoint> address = AddressOf(beat);
  seen.collector = process.collector;
  seen.running = beat.state == "running" && address;
  if (address) seen.address = *address;
  const auto incarnation = beat.facts.find(facts::kIncarnation);
  const auto marks = beat.facts.find(facts::kMarks);
  if (incarnation == beat.facts.end() || !incarnation->is_string()) return Status::Ok();
  if (marks == beat.facts.end() || !marks->is_object()) return Status::Ok();
  for (const auto& [sender, number] : marks->items()) {
    const auto id = ParseSender(sender);
    const auto kept = number.is_string() ? ParseNumber(number.get<std::string>())
                                         : Result<uint64_t>(Status(Code::kInvalid, "no text"));
    if (!id || !kept.ok()) continue;
    uint64_t& mark = marks_[incarnation->get<std::string>()][*id];
    mark = std::max(mark, *kept);
  }
  return Status::Ok();
}

std::vector<Endpoint> Roster::Alive(const std::string& cluster) const {
  std::map<std::string, std::pair<BootTime, Endpoint>> alive;  // by collector: the latest
  for (const auto& [tree, site] : sites_) {
    for (const auto& [process, seen] : site.seen) {
      if (seen.cluster != cluster || !seen.running) continue;
      if (site.looked - seen.changed > kSilence) continue;
      auto& latest = alive[seen.collector];
      if (latest.first <= seen.changed) latest = {seen.changed, seen.address};
    }
  }
  std::vector<Endpoint> addresses;
  addresses.reserve(alive.size());
  for (const auto& [collector, latest] : alive) addresses.push_back(latest.second);
  return addresses;
}

}  // namespace databus
