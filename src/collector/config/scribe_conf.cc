#include "collector/config/scribe_conf.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "collector/config/collector_settings.h"

namespace databus {
namespace {

struct Block {
  std::string name;
  int line = 0;  // 0: the file itself
  std::vector<SettingLine> settings;
  std::vector<Block> children;

  std::string_view Value(std::string_view key) const {
    const auto found = std::ranges::find(settings, key, &SettingLine::key);
    return found == settings.end() ? std::string_view() : found->value;
  }
  int LineOf(std::string_view key) const {
    const auto found = std::ranges::find(settings, key, &SettingLine::key);
    return found == settings.end() ? line : found->line;
  }
};

// Lines into nested blocks. Whatever is wrong with the nesting is reported here.
class BlockReader {
 public:
  explicit BlockReader(Problems& problems) : problems_(problems) { open_.emplace_back(); }

  Block Read(std::string_view text) {
    int number = 0;
    for (const std::string_view line : TrimmedLines(text)) {
      ++number;
      const std::string_view content = Trimmed(line.substr(0, line.find('#')));
      if (!content.empty()) ReadLine(content, number);
    }
    while (open_.size() > 1) {
      problems_.Add(open_.back().line, "", fmt::format("<{}> without an end", open_.back().name),
                    fmt::format("</{}>", open_.back().name));
      Close();
    }
    return std::move(open_.front());
  }

 private:
  void ReadLine(std::string_view line, int number) {
    if (line.starts_with("</") && line.ends_with('>')) {
      const std::string_view name = Trimmed(line.substr(2, line.size() - 3));
      if (open_.size() > 1 && open_.back().name == name) return Close();
      problems_.Add(number, "", Quoted(line),
                    open_.size() == 1 ? "no end of a block, none is open"
                                      : fmt::format("</{}>, which ends line {}", open_.back().name,
                                                    open_.back().line));
      // The end is taken for the one that was meant, so that one slip is one message.
      if (open_.size() > 1) Close();
    } else if (line.starts_with('<') && line.ends_with('>')) {
      open_.push_back({std::string(Trimmed(line.substr(1, line.size() - 2))), number, {}, {}});
    } else if (auto setting = ParseSettingLine(line, number)) {
      open_.back().settings.push_back(std::move(*setting));
    } else {
      problems_.Add(number, "", Quoted(line), "key=value, <block> or </block>");
    }
  }

  void Close() {
    Block done = std::move(open_.back());
    open_.pop_back();
    open_.back().children.push_back(std::move(done));
  }

  Problems& problems_;
  std::vector<Block> open_;  // outermost first; the file itself is always there
};

// The tree's URL, "/data" cut off; nothing when it is no data directory of a cluster.
std::optional<std::string> ParseRootUrl(const PrimaryFileSection& section) {
  const bool local = section.fs_type == "std";
  std::string_view path = section.file_path;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (local != path.starts_with('/') || paths::BaseName(path) != paths::Data()) return std::nullopt;
  const auto root =
      ParseClusterUrl(fmt::format("{}{}", local ? "file://" : "", paths::Parent(path)));
  // A tree is below the top of its cluster: a host alone has no root directory.
  if (!root || root->find('/', root->find("://") + 3) == std::string::npos) return std::nullopt;
  return root;
}

class ConfReader {
 public:
  explicit ConfReader(const std::string& file) : problems_(file) { config_.file = file; }

  Result<CollectorConfig> Read(std::string_view text) {
    const Block top = BlockReader(problems_).Read(text);
    ApplySettings(GlobalSettings(), top.settings, 0, config_, problems_);
    if (config_.message_bytes_max > config_.frame_bytes_max) {
      constexpr std::string_view kKey = "databus.collector.message_bytes_max";
      problems_.Add(
          top.LineOf(kKey), kKey, fmt::format("{}", config_.message_bytes_max),
          fmt::format("at most databus.collector.frame_bytes_max ({})", config_.frame_bytes_max));
    }
    for (const Block& block : top.children) {
      if (block.name == "store")
        ReadStore(block);
      else
        RefuseBlock(block, "<store>");
    }
    if (std::ranges::count(top.children, "store", &Block::name) == 0) {
      problems_.Add(0, "store", "nothing", "at least one <store>");
    }
    SettleName();
    config_.lines.port = top.LineOf("port");
    config_.lines.http_port = top.LineOf("databus.http_port");
    DATABUS_RETURN_IF_ERROR(problems_.ToStatus());
    return std::move(config_);
  }

 private:
  void RefuseBlock(const Block& block, std::string_view expected) {
    problems_.Add(block.line, "", fmt::format("unknown block <{}>", block.name), expected);
  }

  // The only child block of that name, null when it is missing; both are problems.
  const Block* OnlyChild(const Block& store, std::string_view name) {
    const Block* only = nullptr;
    for (const Block& child : store.children) {
      if (child.name != name) continue;
      if (only == nullptr) {
        only = &child;
      } else {
        problems_.Add(child.line, "",
                      fmt::format("a second <{}> (the first is in line {})", name, only->line),
                      "one");
      }
    }
    if (only == nullptr) {
      problems_.Add(store.line, "store", fmt::format("no <{}>", name), fmt::format("<{}>", name));
      return nullptr;
    }
    for (const Block& child : only->children) RefuseBlock(child, "no block here");
    return only;
  }

  void ReadStore(const Block& block) {
    StoreSpec store;
    store.line = block.line;
    ApplySettings(StoreSettings(), block.settings, block.line, store, problems_);
    store.retry_interval_range = std::min(store.retry_interval_range, store.retry_interval);
    if (block.Value("category").empty() && block.Value("categories").empty()) {
      problems_.Add(block.line, "category", "nothing",
                    "default, a stream's name, or a prefix and *");
    }
    CheckCategories(store);
    for (const Block& child : block.children) {
      if (child.name != "primary" && child.name != "secondary") {
        RefuseBlock(child, "<primary> or <secondary>");
      }
    }
    if (const Block* primary = OnlyChild(block, "primary")) ReadPrimary(*primary, store);
    if (const Block* secondary = OnlyChild(block, "secondary")) ReadSecondary(*secondary);
    config_.stores.push_back(std::move(store));
  }

  // Two stores for one stream would each deliver a copy.
  void CheckCategories(const StoreSpec& store) {
    for (const CategoryPattern& pattern : store.categories) {
      const auto same =
          std::ranges::find(patterns_, pattern, &std::pair<CategoryPattern, int>::first);
      if (same == patterns_.end()) {
        patterns_.emplace_back(pattern, store.line);
        continue;
      }
      using Kind = CategoryPattern::Kind;
      const std::string text = pattern.kind == Kind::kDefault
                                   ? "default"
                                   : pattern.name + (pattern.kind == Kind::kPrefix ? "*" : "");
      problems_.Add(store.line, "category",
                    fmt::format("{} again (the first is in the store of line {})", Quoted(text),
                                same->second),
                    "each category once");
    }
  }

  void ReadPrimary(const Block& block, StoreSpec& store) {
    const std::string_view type = block.Value("type");
    if (type == "network") {
      NetworkPrimary network;
      store.primary_line = block.LineOf("remote_host");
      ApplySettings(PrimaryNetworkSettings(), block.settings, block.line, network, problems_);
      store.primary = std::move(network);
      return;
    }
    if (type != "file") {
      problems_.Add(block.LineOf("type"), "type", type.empty() ? "nothing" : Quoted(type),
                    "file or network");
      return;
    }
    PrimaryFileSection section;
    store.primary_line = block.LineOf("file_path");
    ApplySettings(PrimaryFileSettings(), block.settings, block.line, section, problems_);
    if (auto root = ParseRootUrl(section)) {
      section.primary.root_url = std::move(*root);
    } else if (!section.file_path.empty()) {
      problems_.Add(block.LineOf("file_path"), "file_path", Quoted(section.file_path),
                    section.fs_type == "std"
                        ? "a cluster's data directory, as /mnt/dc1/databus/data"
                        : "a cluster's data directory, as file:///mnt/dc1/databus/data");
    }
    store.primary = section.primary;
    CheckName(block, section);
  }

  // One process has one spool and so one name.
  void CheckName(const Block& block, const PrimaryFileSection& section) {
    CollectorNameRule rule = CollectorNameRule::kSpoolDirectory;
    std::string name;
    if (section.use_hostname) {
      rule = CollectorNameRule::kHostname;
    } else if (!section.sub_directory.empty()) {
      rule = CollectorNameRule::kSubDirectory;
      name = section.sub_directory;
    }
    if (name_line_ == 0) {
      name_line_ = block.line;
      config_.lines.name =
          block.LineOf(section.use_hostname ? "use_hostname_sub_directory" : "sub_directory");
      config_.name_rule = rule;
      config_.name = std::move(name);
    } else if (rule != config_.name_rule || name != config_.name) {
      problems_.Add(
          block.LineOf("sub_directory"), "sub_directory",
          "another collector name than in the <primary> of line " + std::to_string(name_line_),
          "the same sub_directory or use_hostname_sub_directory in all stores");
    }
  }

  void ReadSecondary(const Block& block) {
    SecondarySection section;
    ApplySettings(SecondarySettings(), block.settings, block.line, section, problems_);
    if (spool_line_ == 0) {
      spool_line_ = block.line;
      config_.spool_directory = std::move(section.directory);
      config_.segment_bytes = section.segment_bytes;
      config_.lines.spool_directory = block.LineOf("file_path");
      config_.lines.segment_bytes = block.LineOf("max_size");
      return;
    }
    if (section.directory != config_.spool_directory) {
      problems_.Add(block.LineOf("file_path"), "file_path", Quoted(section.directory),
                    fmt::format("{} as in line {}: all stores of a collector share one spool",
                                Quoted(config_.spool_directory), spool_line_));
    }
    if (section.segment_bytes != config_.segment_bytes) {
      problems_.Add(block.LineOf("max_size"), "max_size", fmt::format("{}", section.segment_bytes),
                    fmt::format("{} as in line {}: all stores of a collector share one spool",
                                config_.segment_bytes, spool_line_));
    }
  }

  void SettleName() {
    if (config_.name_rule != CollectorNameRule::kSpoolDirectory) return;
    config_.name = paths::BaseName(config_.spool_directory);
    if (config_.name.empty() || ValidateCollectorName(config_.name).ok()) return;
    problems_.Add(
        spool_line_, "file_path",
        fmt::format("{}, whose last part is the collector's name", Quoted(config_.spool_directory)),
        "a last part of letters, digits, '.', '_', '-'; or sub_directory");
  }

  CollectorConfig config_;
  Problems problems_;
  std::vector<std::pair<CategoryPattern, int>> patterns_;  // with the line of their store
  int name_line_ = 0;                                      // the <primary> that gave the name
  int spool_line_ = 0;                                     // the <secondary> that gave the spool
};

template <typename Section>
void Append(std::vector<SettingSpec>& all, std::span<const BoundSetting<Section>> table) {
  for (const auto& setting : table) all.push_back(setting.spec);
}

}  // namespace

const StoreSpec* CollectorConfig::FindStore(std::string_view stream) const {
  using Kind = CategoryPattern::Kind;
  const StoreSpec* by_prefix = nullptr;
  size_t prefix_bytes = 0;
  const StoreSpec* by_default = nullptr;
  for (const StoreSpec& store : stores) {
    for (const CategoryPattern& pattern : store.categories) {
      if (pattern.kind == Kind::kExact && pattern.name == stream) return &store;
      if (pattern.kind == Kind::kDefault) by_default = &store;
      if (pattern.kind != Kind::kPrefix || !stream.starts_with(pattern.name)) continue;
      // Scribe tries prefixes in alphabetical order, so the shortest of those that fit wins.
      if (by_prefix != nullptr && pattern.name.size() >= prefix_bytes) continue;
      by_prefix = &store;
      prefix_bytes = pattern.name.size();
    }
  }
  return by_prefix != nullptr ? by_prefix : by_default;
}

Result<CollectorConfig> ParseScribeConf(std::string_view text, const std::string& file) {
  return ConfReader(file).Read(text);
}

std::span<const SettingSpec> CollectorSettings() {
  static const auto* const specs = [] {
    auto* all = new std::vector<SettingSpec>();
    Append(*all, GlobalSettings());
    Append(*all, StoreSettings());
    Append(*all, PrimaryFileSettings());
    Append(*all, PrimaryNetworkSettings());
    Append(*all, SecondarySettings());
    return all;
  }();
  return *specs;
}

}  // namespace databus
