#include "cluster/stored_topology.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "base/crc32c.h"
#include "base/crc64.h"
#include "cluster/names.h"
#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr std::string_view kRoot = "databus-topology";
constexpr std::string_view kChecksum = "<!-- crc32c ";

void AddText(pugi::xml_node parent, const char* name, const std::string& text) {
  parent.append_child(name).text().set(text.c_str());
}

void AddAttribute(pugi::xml_node node, const char* name, const std::string& value) {
  node.append_attribute(name).set_value(value.c_str());
}

void AddAdopted(pugi::xml_node node, Adopted adopted) {
  AddAttribute(node, "adopted", adopted == Adopted::kYes ? "yes" : "no");
}

std::string HoursText(std::chrono::hours hours) { return fmt::format("{}", hours.count()); }

void AddStream(pugi::xml_node streams, const StreamSpec& stream) {
  pugi::xml_node node = streams.append_child("stream");
  AddAttribute(node, "name", stream.name);
  if (stream.when_alone == WhenAlone::kWait) AddAttribute(node, "whenalone", "wait");
  pugi::xml_node sources = node.append_child("sources");
  for (const SourceSpec& source : stream.sources) {
    pugi::xml_node child = sources.append_child("source");
    AddText(child, "name", source.cluster);
    AddText(child, "retentioninhours", HoursText(source.retention));
  }
  pugi::xml_node destinations = node.append_child("destinations");
  for (const DestinationSpec& destination : stream.destinations) {
    pugi::xml_node child = destinations.append_child("destination");
    AddText(child, "name", destination.cluster);
    if (destination.role == Role::kPrimary) AddText(child, "primary", "true");
    AddText(child, "retentioninhours", HoursText(destination.retention));
  }
}

void AddTopology(pugi::xml_node parent, const Topology& topology) {
  pugi::xml_node root = parent.append_child("databus");
  pugi::xml_node defaults = root.append_child("defaults");
  AddText(defaults, "rootdir", "/" + topology.default_root_dir);
  AddText(defaults, "retentioninhours", HoursText(topology.default_retention));
  AddText(defaults, "trashretentioninhours", HoursText(topology.trash_retention));
  pugi::xml_node streams = root.append_child("streams");
  for (const StreamSpec& stream : topology.streams) AddStream(streams, stream);
  pugi::xml_node clusters = root.append_child("clusters");
  for (const ClusterSpec& cluster : topology.clusters) {
    pugi::xml_node node = clusters.append_child("cluster");
    AddAttribute(node, "name", cluster.name);
    AddAttribute(node, "hdfsurl", cluster.url);
    AddAttribute(node, "jturl", cluster.job_tracker_url);
    AddAttribute(node, "jobqueuename", cluster.job_queue);
    if (cluster.root_dir != topology.default_root_dir) {
      AddText(node, "rootdir", "/" + cluster.root_dir);
    }
  }
}

std::string Print(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default, pugi::encoding_utf8);
  return out.str();
}

void AddMode(pugi::xml_node root, const ModeRule& rule) {
  pugi::xml_node node = root.append_child("collectors");
  AddAttribute(node, "cluster", rule.cluster);
  if (!rule.stream.empty()) AddAttribute(node, "stream", rule.stream);
  AddAttribute(node, "mode", std::string(DeliveryModeName(rule.mode)));
  if (!rule.to.empty()) AddAttribute(node, "to", rule.to);
  for (const Endpoint& receiver : rule.receivers) AddText(node, "receiver", receiver.ToString());
}

void AddMerged(pugi::xml_node root, const StreamSpec& stream) {
  const bool is_plain =
      stream.publication == Publication::kOpen && !stream.cut && stream.settled == 0;
  if (is_plain) return;
  pugi::xml_node node = root.append_child("merged");
  AddAttribute(node, "stream", stream.name);
  if (stream.publication == Publication::kFrozen) AddAttribute(node, "publication", "frozen");
  if (stream.cut) AddAttribute(node, "cut", stream.cut->ToIso());
  if (stream.settled != 0) AddAttribute(node, "settled", std::to_string(stream.settled));
}

class Decoder {
 public:
  explicit Decoder(const std::string& where) : where_(where) {}

  Result<StoredTopology> Decode(std::string_view text) {
    DATABUS_ASSIGN_OR_RETURN(const std::string_view body, CheckedBody(text));
    pugi::xml_document document;
    const pugi::xml_node root = document.load_buffer(body.data(), body.size())
                                    ? document.document_element()
                                    : pugi::xml_node();
    if (root.name() != kRoot) return Damaged("not a stored topology");
    DATABUS_RETURN_IF_ERROR(ReadHead(root));
    const pugi::xml_node plain = root.child("databus");
    if (!plain) return Damaged("no <databus>");
    std::ostringstream inner;
    plain.print(inner);
    auto topology = ParseTopology(inner.str(), where_);
    if (!topology.ok()) return Damaged(topology.status().message());
    stored_.topology = *std::move(topology);
    for (const pugi::xml_node child : root.children()) DATABUS_RETURN_IF_ERROR(ReadChild(child));
    return std::move(stored_);
  }

 private:
  Status Damaged(const std::string& what) const { return {Code::kCorrupt, where_ + ": " + what}; }

  // The text before the line with its checksum.
  Result<std::string_view> CheckedBody(std::string_view text) const {
    const size_t last = text.rfind(kChecksum);
    if (last == std::string_view::npos) return Damaged("no checksum: cut short?");
    const std::string_view body = text.substr(0, last);
    if (text.substr(last) != fmt::format("{}{:08x} -->\n", kChecksum, Crc32c(body))) {
      return Damaged("wrong checksum");
    }
    return body;
  }

  Status ReadHead(pugi::xml_node root) {
    const auto version = ParseNumber(root.attribute("version").value());
    const auto epoch = ParseNumber(root.attribute("epoch").value());
    if (!version.ok() || !epoch.ok() || *epoch == 0) return Damaged("no version or no epoch");
    if (*version > kStoredTopologyVersion) {
      return {Code::kInvalid,
              fmt::format("{}: version {}; this program knows versions up to {}: use a newer one",
                          where_, *version, kStoredTopologyVersion)};
    }
    stored_.epoch = *epoch;
    stored_.author = root.attribute("author").value();
    return ReadAdopted(root, stored_.adopted);
  }

  Status ReadAdopted(pugi::xml_node node, Adopted& adopted) const {
    const std::string_view value = node.attribute("adopted").value();
    if (value != "yes" && value != "no") return Damaged("adopted is neither yes nor no");
    adopted = value == "yes" ? Adopted::kYes : Adopted::kNo;
    return Status::Ok();
  }

  Status ReadPast(pugi::xml_node node) {
    const auto epoch = ParseNumber(node.attribute("epoch").value());
    if (!epoch.ok() || *epoch == 0) return Damaged("an epoch before without its number");
    PastEpoch past{*epoch, node.attribute("digest").value(), node.attribute("plain").value()};
    DATABUS_RETURN_IF_ERROR(ReadAdopted(node, past.adopted));
    stored_.before.push_back(std::move(past));
    return Status::Ok();
  }

  Status ReadChild(pugi::xml_node node) {
    const std::string_view name = node.name();
    if (name == "databus") return Status::Ok();
    if (name == "before") return ReadPast(node);
    if (name == "replaces") {
      stored_.replaces.emplace_back(node.attribute("digest").value());
      return Status::Ok();
    }
    if (name == "cluster-id") {
      stored_.cluster_ids[node.attribute("cluster").value()] = node.attribute("id").value();
      return Status::Ok();
    }
    if (name == "collectors") return ReadMode(node);
    if (name == "alone") return ReadAlone(node);
    if (name == "merged") return ReadMerged(node);
    return Damaged(fmt::format("unknown element <{}>", name));
  }

  Status ReadAlone(pugi::xml_node node) {
    stored_.alone = node.attribute("cluster").value();
    if (stored_.topology.FindCluster(stored_.alone) != nullptr) return Status::Ok();
    return Damaged("unknown cluster " + stored_.alone);
  }

  Status ReadMode(pugi::xml_node node) {
    const auto mode = ParseDeliveryMode(node.attribute("mode").value());
    if (!mode) return Damaged("unknown mode of delivery");
    ModeRule rule{node.attribute("cluster").value(), node.attribute("stream").value(), *mode,
                  node.attribute("to").value()};
    for (const pugi::xml_node child : node.children("receiver")) {
      const auto receiver = Endpoint::Parse(child.child_value());
      if (!receiver) return Damaged("a receiver that is no HOST:PORT");
      rule.receivers.push_back(*receiver);
    }
    const bool somewhere = !rule.to.empty() || !rule.receivers.empty();
    if (somewhere != (*mode == DeliveryMode::kRedirect)) return Damaged("a redirect to nowhere");
    for (const std::string& cluster : {rule.cluster, rule.to}) {
      if (!cluster.empty() && stored_.topology.FindCluster(cluster) == nullptr) {
        return Damaged("unknown cluster " + cluster);
      }
    }
    stored_.modes.push_back(std::move(rule));
    return Status::Ok();
  }

  Status ReadMerged(pugi::xml_node node) {
    const std::string_view name = node.attribute("stream").value();
    StreamSpec* const stream = stored_.topology.FindStream(name);
    if (stream == nullptr) return Damaged(fmt::format("unknown stream {}", name));
    const std::string_view publication = node.attribute("publication").value();
    if (publication == "frozen") {
      stream->publication = Publication::kFrozen;
    } else if (!publication.empty()) {
      return Damaged("unknown publication");
    }
    if (const pugi::xml_attribute cut = node.attribute("cut")) {
      stream->cut = Minute::ParseIso(cut.value());
      if (!stream->cut) return Damaged("a cut that is no minute");
    }
    if (const pugi::xml_attribute settled = node.attribute("settled")) {
      const auto epoch = ParseNumber(settled.value());
      if (!epoch.ok() || *epoch == 0) return Damaged("a settlement that is no epoch");
      stream->settled = *epoch;
    }
    return Status::Ok();
  }

  const std::string& where_;
  StoredTopology stored_;
};

}  // namespace

std::string StoredTopology::Encode() const {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child(std::string(kRoot).c_str());
  AddAttribute(root, "version", fmt::format("{}", kStoredTopologyVersion));
  AddAttribute(root, "epoch", fmt::format("{}", epoch));
  AddAdopted(root, adopted);
  AddAttribute(root, "author", author);
  for (const PastEpoch& past : before) {
    pugi::xml_node node = root.append_child("before");
    AddAttribute(node, "epoch", fmt::format("{}", past.epoch));
    AddAttribute(node, "digest", past.digest);
    AddAttribute(node, "plain", past.plain);
    AddAdopted(node, past.adopted);
  }
  for (const std::string& digest : replaces) {
    AddAttribute(root.append_child("replaces"), "digest", digest);
  }
  for (const auto& [cluster, id] : cluster_ids) {
    pugi::xml_node node = root.append_child("cluster-id");
    AddAttribute(node, "cluster", cluster);
    AddAttribute(node, "id", id);
  }
  if (!alone.empty()) AddAttribute(root.append_child("alone"), "cluster", alone);
  for (const ModeRule& rule : modes) AddMode(root, rule);
  for (const StreamSpec& stream : topology.streams) AddMerged(root, stream);
  AddTopology(root, topology);
  const std::string body = Print(document);
  return fmt::format("{}{}{:08x} -->\n", body, kChecksum, Crc32c(body));
}

Result<StoredTopology> StoredTopology::Decode(std::string_view text, const std::string& where) {
  return Decoder(where).Decode(text);
}

const ModeRule* FindModeRule(const std::vector<ModeRule>& modes, std::string_view cluster,
                             std::string_view stream) {
  const ModeRule* found = nullptr;
  for (const ModeRule& rule : modes) {
    if (rule.cluster != cluster) continue;
    if (rule.stream == stream) return &rule;
    if (rule.stream.empty()) found = &rule;
  }
  return found;
}

StoredTopology StoredTopology::Next(std::string author_of_next) const {
  StoredTopology next = *this;
  next.epoch = epoch + 1;
  next.adopted = Adopted::kNo;
  next.author = std::move(author_of_next);
  next.before.insert(next.before.begin(),
                     {epoch, TopologyDigest(Encode()), PlainDigest(topology), adopted});
  if (next.before.size() > kPastEpochsMax) next.before.resize(kPastEpochsMax);
  return next;
}

bool StoredTopology::Follows(std::string_view digest) const {
  return std::ranges::count(before, digest, &PastEpoch::digest) != 0 ||
         std::ranges::count(replaces, digest) != 0;
}

std::string TopologyDigest(std::string_view text) { return fmt::format("{:016x}", Crc64(text)); }
std::string EpochLabel(uint64_t epoch, std::string_view digest) {
  return fmt::format("{}/{}", epoch, digest);
}

std::string FormatTopology(const Topology& topology) {
  pugi::xml_document document;
  AddTopology(document, topology);
  return Print(document);
}

std::string PlainDigest(const Topology& topology) {
  Topology sorted = topology;
  std::ranges::sort(sorted.clusters, {}, &ClusterSpec::name);
  std::ranges::sort(sorted.streams, {}, &StreamSpec::name);
  for (StreamSpec& stream : sorted.streams) {
    std::ranges::sort(stream.sources, {}, &SourceSpec::cluster);
    std::ranges::sort(stream.destinations, {}, &DestinationSpec::cluster);
  }
  return TopologyDigest(FormatTopology(sorted));
}

}  // namespace databus
