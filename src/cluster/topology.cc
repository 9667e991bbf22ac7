#include "cluster/topology.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "base/settings.h"
#include "cluster/names.h"

namespace databus {
namespace {

constexpr int64_t kRetentionHoursMax = 1'000'000;  // a century, far from overflow

using Names = std::span<const std::string_view>;

std::string_view TextOf(pugi::xml_node node) { return Trimmed(node.child_value()); }

// A directory path without surrounding and doubled slashes; nothing when it has none or odd parts.
std::optional<std::string> ParseRootDir(std::string_view path) {
  std::string root;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part == "." || part == "..") return std::nullopt;
    if (part.empty()) continue;
    if (!root.empty()) root += '/';
    root += part;
  }
  if (root.empty() || root.find_first_of(" \t\n\r") != std::string::npos) return std::nullopt;
  return root;
}

// What an element is about, in messages: "stream 'clicks' source 'dc1'".
std::string Named(std::string_view element, std::string_view name) {
  return name.empty() ? std::string(element) : fmt::format("{} {}", element, Quoted(name));
}

class TopologyParser {
 public:
  TopologyParser(std::string_view xml, const std::string& file) : xml_(xml), problems_(file) {
    topology_.file = file;
    for (size_t end = xml.find('\n'); end != std::string_view::npos;
         end = xml.find('\n', end + 1)) {
      line_ends_.push_back(static_cast<std::ptrdiff_t>(end));
    }
  }

  Result<Topology> Parse() {
    pugi::xml_document document;
    const auto parsed =
        document.load_buffer(xml_.data(), xml_.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!parsed) {
      const int line =
          parsed.status == pugi::status_no_document_element ? 1 : LineAt(parsed.offset);
      problems_.Add(line, "", FoundInstead(parsed), "an XML document <databus>");
      return problems_.ToStatus();
    }
    const pugi::xml_node root = document.document_element();
    const std::string_view root_name = root.name();
    if (root_name != "databus" && root_name != "conduit") {
      problems_.Add(LineOf(root), "", fmt::format("<{}>", root_name), "<databus>");
      return problems_.ToStatus();
    }
    // Defaults first, wherever they stand: the other elements refer to them.
    ReadDefaults(root);
    ReadAll(root, root_name);
    if (topology_.clusters.empty())
      problems_.Add(LineOf(root), "cluster", "nothing", "at least one");
    CheckReferences();
    DATABUS_RETURN_IF_ERROR(problems_.ToStatus());
    topology_.places = StreamPlaces(topology_.streams);
    return std::move(topology_);
  }

 private:
  struct Reference {
    int line;
    std::string key;
    std::string cluster;
  };

  int LineAt(std::ptrdiff_t offset) const {
    return 1 + static_cast<int>(std::ranges::lower_bound(line_ends_, offset) - line_ends_.begin());
  }
  int LineOf(pugi::xml_node node) const { return LineAt(node.offset_debug()); }

  std::string FoundInstead(const pugi::xml_parse_result& parsed) const {
    if (Trimmed(xml_).empty()) return "an empty file";
    return fmt::format("something else ({})", parsed.description());
  }

  // Reports what `node` must not hold. Elements outside `elements` are not looked into.
  void CheckContents(pugi::xml_node node, std::string_view key, Names attributes, Names elements) {
    for (const pugi::xml_attribute attribute : node.attributes()) {
      const std::string_view name = attribute.name();
      if (name.starts_with("xmlns") || std::ranges::count(attributes, name) != 0) continue;
      const auto nearest = NearestName(name, attributes);
      problems_.Add(LineOf(node), key, "unknown attribute " + Quoted(name),
                    nearest ? Quoted(*nearest) : "none of that name");
    }
    for (const pugi::xml_node child : node.children()) {
      const std::string_view name = child.name();
      if (child.type() == pugi::node_element && std::ranges::count(elements, name) == 0) {
        const auto nearest = NearestName(name, elements);
        problems_.Add(LineOf(child), key, fmt::format("unknown element <{}>", name),
                      nearest ? fmt::format("<{}>", *nearest) : "none of that name");
      } else if (child.type() != pugi::node_element && !elements.empty()) {
        problems_.Add(LineOf(node), key, Quoted(Trimmed(child.value())), "elements only");
      }
    }
  }

  // The only child of that name; a second one is a problem.
  pugi::xml_node OnlyChild(pugi::xml_node node, std::string_view key, const char* name) {
    const pugi::xml_node child = node.child(name);
    if (const pugi::xml_node second = child.next_sibling(name)) {
      problems_.Add(LineOf(second), key,
                    fmt::format("a second <{}> (the first is in line {})", name, LineOf(child)),
                    "one");
    }
    if (child) CheckContents(child, fmt::format("{} {}", key, name), {}, {});
    return child;
  }

  std::chrono::hours Hours(pugi::xml_node node, std::string_view key, const char* name,
                           std::chrono::hours fallback) {
    const pugi::xml_node child = OnlyChild(node, key, name);
    if (!child) return fallback;
    const std::string_view text = TextOf(child);
    int64_t hours = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hours);
    if (error != std::errc() || end != text.data() + text.size() || hours < 0 ||
        hours > kRetentionHoursMax) {
      problems_.Add(LineOf(child), fmt::format("{} {}", key, name), Quoted(text),
                    fmt::format("a whole number of hours from 0 to {}", kRetentionHoursMax));
      return fallback;
    }
    return std::chrono::hours(hours);
  }

  std::string RootDir(pugi::xml_node node, std::string_view key) {
    const pugi::xml_node child = OnlyChild(node, key, "rootdir");
    if (!child) return topology_.default_root_dir;
    auto root = ParseRootDir(TextOf(child));
    if (root) return *root;
    problems_.Add(LineOf(child), fmt::format("{} rootdir", key), Quoted(TextOf(child)),
                  "a directory below the cluster's URL, as /databus");
    return "";
  }

  void ReadDefaults(pugi::xml_node root) {
    constexpr std::array<std::string_view, 3> kElements = {"rootdir", "retentioninhours",
                                                           "trashretentioninhours"};
    const pugi::xml_node defaults =
        root.find_node([](pugi::xml_node n) { return std::string_view(n.name()) == "defaults"; });
    if (!defaults || !defaults.child("rootdir")) {
      problems_.Add(LineOf(defaults ? defaults : root), "defaults rootdir", "nothing",
                    "<defaults><rootdir>/DIRECTORY</rootdir></defaults>");
    }
    if (!defaults) return;
    defaults_line_ = LineOf(defaults);
    CheckContents(defaults, "defaults", {}, kElements);
    topology_.default_root_dir = RootDir(defaults, "defaults");
    topology_.default_retention =
        Hours(defaults, "defaults", "retentioninhours", topology_.default_retention);
    topology_.trash_retention =
        Hours(defaults, "defaults", "trashretentioninhours", topology_.trash_retention);
  }

  // Streams and clusters are found by their tag names below any of the containers.
  void ReadAll(pugi::xml_node container, std::string_view key) {
    constexpr std::array<std::string_view, 5> kElements = {"defaults", "streams", "stream",
                                                           "clusters", "cluster"};
    CheckContents(container, key, {}, kElements);
    for (const pugi::xml_node child : container.children()) {
      const std::string_view name = child.name();
      if (name == "streams" || name == "clusters") ReadAll(child, name);
      if (name == "stream") ReadStream(child);
      if (name == "cluster") ReadCluster(child);
      if (name == "defaults" && LineOf(child) != defaults_line_) {
        problems_.Add(LineOf(child), "defaults",
                      fmt::format("a second one (the first is in line {})", defaults_line_), "one");
      }
    }
  }

  // A name that must be there, be valid and be new. Returns "" otherwise.
  template <typename Validate>
  std::string UniqueName(pugi::xml_node node, std::string_view name, std::string_view key,
                         Validate validate, std::map<std::string, int>& seen) {
    if (name.empty()) {
      problems_.Add(LineOf(node), fmt::format("{} name", key), "nothing", "a name");
      return "";
    }
    if (const Status valid = validate(name); !valid.ok()) {
      problems_.Add(LineOf(node), fmt::format("{} name", key), Quoted(name),
                    fmt::format("a name of 1 to {} letters, digits, '.', '_', '-', not beginning "
                                "with '.'",
                                kNameBytesMax));
      return "";
    }
    const auto [first, is_new] = seen.emplace(name, LineOf(node));
    if (!is_new) {
      problems_.Add(LineOf(node), Named(key, name),
                    fmt::format("a second one (the first is in line {})", first->second), "one");
    }
    return std::string(name);
  }

  // Conduit's switches that would change what happens: only the value that changes nothing.
  void RequireValue(pugi::xml_node node, std::string_view key, const char* attribute,
                    std::string_view value) {
    const pugi::xml_attribute found = node.attribute(attribute);
    if (!found || found.value() == value) return;
    problems_.Add(LineOf(node), fmt::format("{} {}", key, attribute), Quoted(found.value()),
                  fmt::format("{}, nothing else is supported", Quoted(value)));
  }

  void ReadCluster(pugi::xml_node node) {
    constexpr std::array<std::string_view, 6> kAttributes = {
        "name", "hdfsurl", "jturl", "jobqueuename", "copyMapperClass", "readUrl"};
    constexpr std::array<std::string_view, 1> kElements = {"rootdir"};
    const std::string key = Named("cluster", node.attribute("name").value());
    CheckContents(node, key, kAttributes, kElements);
    ClusterSpec cluster;
    cluster.name = UniqueName(node, node.attribute("name").value(), "cluster", ValidateClusterName,
                              cluster_lines_);
    for (const char* mandatory : {"hdfsurl", "jturl", "jobqueuename"}) {
      if (node.attribute(mandatory)) continue;
      problems_.Add(LineOf(node), fmt::format("{} {}", key, mandatory), "nothing", "a value");
    }
    if (const pugi::xml_attribute url = node.attribute("hdfsurl")) {
      const auto parsed = ParseClusterUrl(url.value());
      if (parsed)
        cluster.url = *parsed;
      else
        problems_.Add(LineOf(node), key + " hdfsurl", Quoted(url.value()),
                      "file:///DIRECTORY or hdfs://HOST:PORT");
      RequireValue(node, key, "readUrl", url.value());
    }
    cluster.job_tracker_url = node.attribute("jturl").value();
    cluster.job_queue = node.attribute("jobqueuename").value();
    cluster.root_dir = RootDir(node, key);
    const auto [first, is_new] = tree_owners_.emplace(cluster.RootUrl(), cluster.name);
    if (!is_new && first->second != cluster.name && !cluster.url.empty()) {
      problems_.Add(LineOf(node), key,
                    fmt::format("{}, the tree of cluster {}", Quoted(cluster.RootUrl()),
                                Quoted(first->second)),
                    "a tree of its own");
    }
    topology_.clusters.push_back(std::move(cluster));
  }

  void ReadStream(pugi::xml_node node) {
    constexpr std::array<std::string_view, 3> kAttributes = {"name", "hcatenabled", "whenalone"};
    constexpr std::array<std::string_view, 4> kElements = {"sources", "source", "destinations",
                                                           "destination"};
    constexpr std::array<std::string_view, 1> kSource = {"source"};
    constexpr std::array<std::string_view, 1> kDestination = {"destination"};
    const std::string key = Named("stream", node.attribute("name").value());
    CheckContents(node, key, kAttributes, kElements);
    RequireValue(node, key, "hcatenabled", "false");
    StreamSpec stream;
    stream.name = UniqueName(node, node.attribute("name").value(), "stream", ValidateStreamName,
                             stream_lines_);
    stream.when_alone = ReadWhenAlone(node, key);
    for (const pugi::xml_node list : node.children("sources")) {
      CheckContents(list, key + " sources", {}, kSource);
    }
    for (const pugi::xml_node list : node.children("destinations")) {
      CheckContents(list, key + " destinations", {}, kDestination);
    }
    std::map<std::string, int> seen;
    for (const pugi::xml_node source : Members(node, "sources", "source")) {
      ReadSource(source, key, seen, stream);
    }
    seen.clear();
    std::vector<int> primary_lines;
    for (const pugi::xml_node destination : Members(node, "destinations", "destination")) {
      ReadDestination(destination, key, seen, stream);
      if (stream.destinations.back().role == Role::kPrimary) {
        primary_lines.push_back(LineOf(destination));
      }
    }
    if (primary_lines.size() != 1) {
      problems_.Add(LineOf(node), key + " destinations",
                    primary_lines.empty()
                        ? "no primary"
                        : fmt::format("{} primaries (lines {})", primary_lines.size(),
                                      fmt::join(primary_lines, ", ")),
                    "one <destination> with <primary>true</primary>");
    }
    topology_.streams.push_back(std::move(stream));
  }

  WhenAlone ReadWhenAlone(pugi::xml_node node, const std::string& key) {
    const pugi::xml_attribute found = node.attribute("whenalone");
    const std::string_view value = found.value();
    if (value == "wait") return WhenAlone::kWait;
    if (found && value != "continue") {
      problems_.Add(LineOf(node), key + " whenalone", Quoted(value), "'continue' or 'wait'");
    }
    return WhenAlone::kContinue;
  }

  // The elements `name` of a stream, in lists or directly below it.
  static std::vector<pugi::xml_node> Members(pugi::xml_node stream, const char* list,
                                             const char* name) {
    std::vector<pugi::xml_node> members;
    for (const pugi::xml_node child : stream.children()) {
      if (child.name() == std::string_view(name)) members.push_back(child);
      if (child.name() != std::string_view(list)) continue;
      for (const pugi::xml_node member : child.children(name)) members.push_back(member);
    }
    return members;
  }

  // The cluster that a source or destination names.
  std::string ReadReference(pugi::xml_node node, const std::string& key,
                            std::map<std::string, int>& seen) {
    std::string cluster =
        UniqueName(node, TextOf(OnlyChild(node, key, "name")), key, ValidateClusterName, seen);
    if (!cluster.empty()) references_.push_back({LineOf(node), key + " name", cluster});
    return cluster;
  }

  void ReadSource(pugi::xml_node node, const std::string& stream_key,
                  std::map<std::string, int>& seen, StreamSpec& stream) {
    constexpr std::array<std::string_view, 1> kAttributes = {"isenabled"};
    constexpr std::array<std::string_view, 2> kElements = {"name", "retentioninhours"};
    const std::string key = stream_key + " source";
    CheckContents(node, key, kAttributes, kElements);
    RequireValue(node, key, "isenabled", "true");
    SourceSpec source;
    source.cluster = ReadReference(node, key, seen);
    source.retention =
        Hours(node, Named(key, source.cluster), "retentioninhours", topology_.default_retention);
    stream.sources.push_back(std::move(source));
  }

  void ReadDestination(pugi::xml_node node, const std::string& stream_key,
                       std::map<std::string, int>& seen, StreamSpec& stream) {
    constexpr std::array<std::string_view, 3> kElements = {"name", "retentioninhours", "primary"};
    const std::string key = stream_key + " destination";
    CheckContents(node, key, {}, kElements);
    DestinationSpec destination;
    destination.cluster = ReadReference(node, key, seen);
    const std::string named = Named(key, destination.cluster);
    destination.retention = Hours(node, named, "retentioninhours", topology_.default_retention);
    if (const pugi::xml_node primary = OnlyChild(node, named, "primary")) {
      std::string text(TextOf(primary));
      std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
      if (text == "true") destination.role = Role::kPrimary;
      if (text != "true" && text != "false") {
        problems_.Add(LineOf(primary), named + " primary", Quoted(TextOf(primary)),
                      "true or false");
      }
    }
    stream.destinations.push_back(std::move(destination));
  }

  void CheckReferences() {
    std::vector<std::string_view> names;
    for (const ClusterSpec& cluster : topology_.clusters) names.push_back(cluster.name);
    for (const Reference& reference : references_) {
      if (topology_.FindCluster(reference.cluster) != nullptr) continue;
      problems_.Add(reference.line, reference.key, "unknown cluster " + Quoted(reference.cluster),
                    names.empty() ? "a <cluster> of that name"
                                  : fmt::format("one of {}", fmt::join(names, ", ")));
    }
  }

  std::string_view xml_;
  std::vector<std::ptrdiff_t> line_ends_;  // offsets: every element asks for its line
  Topology topology_;
  Problems problems_;
  int defaults_line_ = 0;
  std::map<std::string, int> cluster_lines_;
  std::map<std::string, int> stream_lines_;
  std::map<std::string, std::string> tree_owners_;  // RootUrl -> cluster
  std::vector<Reference> references_;
};

}  // namespace

std::optional<std::string> ParseClusterUrl(std::string_view url) {
  constexpr std::array<std::string_view, 4> kSchemes = {"file", "hdfs", "webhdfs", "swebhdfs"};
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos || url.find_first_of(" \t\n?#%") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view scheme = url.substr(0, colon);
  const std::string_view rest = url.substr(colon + 3);
  if (std::ranges::count(kSchemes, scheme) == 0 || rest.empty()) return std::nullopt;
  // A local directory has no host, every other cluster has one.
  if ((scheme == "file") != (rest.front() == '/')) return std::nullopt;
  while (url.size() > colon + 3 && url.back() == '/') url.remove_suffix(1);
  return std::string(url);
}

std::string ClusterSpec::RootUrl() const { return fmt::format("{}/{}", url, root_dir); }

const std::string& StreamSpec::Primary() const {
  return std::ranges::find(destinations, Role::kPrimary, &DestinationSpec::role)->cluster;
}

std::vector<std::string> StreamSpec::Mirrors() const {
  std::vector<std::string> mirrors;
  for (const DestinationSpec& destination : destinations) {
    if (destination.role == Role::kMirror) mirrors.push_back(destination.cluster);
  }
  return mirrors;
}

bool StreamSpec::HasSource(std::string_view cluster) const {
  return std::ranges::count(sources, cluster, &SourceSpec::cluster) != 0;
}

std::optional<Role> StreamSpec::RoleOf(std::string_view cluster) const {
  const auto found = std::ranges::find(destinations, cluster, &DestinationSpec::cluster);
  if (found == destinations.end()) return std::nullopt;
  return found->role;
}

StreamPlaces::StreamPlaces(const std::vector<StreamSpec>& streams) {
  Places places;
  for (size_t i = 0; i < streams.size(); ++i) places.emplace(streams[i].name, i);
  places_ = std::make_shared<const Places>(std::move(places));
}

std::optional<size_t> StreamPlaces::Find(std::string_view name) const {
  const auto found = places_->find(name);
  if (found == places_->end()) return std::nullopt;
  return found->second;
}

const ClusterSpec* Topology::FindCluster(std::string_view name) const {
  const auto found = std::ranges::find(clusters, name, &ClusterSpec::name);
  return found == clusters.end() ? nullptr : &*found;
}

const StreamSpec* Topology::FindStream(std::string_view name) const {
  const auto place = places.Find(name);
  if (place && *place < streams.size() && streams[*place].name == name) return &streams[*place];
  const auto found = std::ranges::find(streams, name, &StreamSpec::name);
  return found == streams.end() ? nullptr : &*found;
}

StreamSpec* Topology::FindStream(std::string_view name) {
  const StreamSpec* const found = std::as_const(*this).FindStream(name);
  return found == nullptr ? nullptr : &streams[static_cast<size_t>(found - streams.data())];
}

std::chrono::hours Topology::LocalRetention(std::string_view cluster,
                                            std::string_view stream) const {
  const StreamSpec* const spec = FindStream(stream);
  if (spec == nullptr) return default_retention;
  const auto found = std::ranges::find(spec->sources, cluster, &SourceSpec::cluster);
  return found == spec->sources.end() ? default_retention : found->retention;
}

std::chrono::hours Topology::MergedRetention(std::string_view cluster,
                                             std::string_view stream) const {
  const StreamSpec* const spec = FindStream(stream);
  if (spec == nullptr) return default_retention;
  const auto found = std::ranges::find(spec->destinations, cluster, &DestinationSpec::cluster);
  if (found != spec->destinations.end()) return found->retention;
  // It may have been one, and become one again.
  std::chrono::hours longest = default_retention;
  for (const DestinationSpec& other : spec->destinations) {
    longest = std::max(longest, other.retention);
  }
  return longest;
}

Result<Topology> ParseTopology(std::string_view xml, const std::string& file) {
  // The parser takes a byte order mark, but then counts its offsets from behind it.
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (xml.starts_with(kByteOrderMark)) xml.remove_prefix(kByteOrderMark.size());
  return TopologyParser(xml, file).Parse();
}

}  // namespace databus
