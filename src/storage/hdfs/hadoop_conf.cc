#include "storage/hdfs/hadoop_conf.h"

#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "storage/hdfs/hdfs_url.h"

namespace databus::hdfs {
namespace {

constexpr int kExpandDepthMax = 20;  // as Hadoop has it

std::string Trimmed(std::string_view text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::vector<std::string> List(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    if (std::string trimmed = Trimmed(part); !trimmed.empty()) parts.push_back(std::move(trimmed));
  }
  return parts;
}

// The factor of a suffix of Hadoop's numbers; 0 when it is none.
uint64_t FactorOf(std::string_view suffix) {
  if (suffix.empty()) return 1;
  constexpr std::string_view kSuffixes = "kmgtpe";
  const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(suffix.front())));
  const size_t at = kSuffixes.find(letter);
  if (suffix.size() != 1 || at == std::string_view::npos) return 0;
  return uint64_t{1} << (10 * (at + 1));
}

}  // namespace

Result<HadoopConf> HadoopConf::Read(const std::string& directory) {
  HadoopConf conf;
  conf.directory_ = directory;
  for (const char* name : {"core-site.xml", "hdfs-site.xml"}) {
    DATABUS_RETURN_IF_ERROR(conf.AddFile(directory + "/" + name));
  }
  return conf;
}

Result<HadoopConf> HadoopConf::OfText(std::string_view text) {
  HadoopConf conf;
  DATABUS_RETURN_IF_ERROR(conf.AddText("configuration", text));
  return conf;
}

Status HadoopConf::AddFile(const std::string& file) {
  std::error_code error;
  const bool there = std::filesystem::exists(file, error);
  if (error) return {Code::kUnavailable, file + ": " + error.message()};
  if (!there) return Status::Ok();
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    // An empty file has nothing to copy, which counts as a failure too.
    if (std::filesystem::is_regular_file(file, error) && std::filesystem::is_empty(file, error)) {
      return AddText(file, "");
    }
    return {Code::kUnavailable, file + ": cannot be read"};
  }
  return AddText(file, text.str());
}

Status HadoopConf::AddText(const std::string& file, std::string_view text) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
  const pugi::xml_node root = document.child("configuration");
  if (!parsed || !root) {
    return {Code::kInvalid,
            fmt::format("{}: not a configuration of Hadoop: {} at byte {}", file,
                        parsed ? "no <configuration>" : parsed.description(), parsed.offset)};
  }
  for (const pugi::xml_node property : root.children("property")) {
    const std::string name = Trimmed(property.child_value("name"));
    if (!name.empty()) values_[name] = Trimmed(property.child_value("value"));
  }
  return Status::Ok();
}

std::string HadoopConf::Expand(std::string value, int depth) const {
  const size_t start = value.find("${");
  const size_t end = start == std::string::npos ? start : value.find('}', start);
  if (end == std::string::npos || depth == kExpandDepthMax) return value;
  const auto other = values_.find(std::string_view(value).substr(start + 2, end - start - 2));
  if (other == values_.end()) return value;
  return Expand(value.substr(0, start) + other->second + value.substr(end + 1), depth + 1);
}

std::optional<std::string> HadoopConf::Find(std::string_view name) const {
  const auto at = values_.find(name);
  if (at == values_.end() || at->second.empty()) return std::nullopt;
  return Expand(at->second, 0);
}

Result<std::optional<uint64_t>> HadoopConf::Number(std::string_view name) const {
  const std::optional<std::string> value = Find(name);
  if (!value) return std::optional<uint64_t>();
  uint64_t number = 0;
  const char* const end = value->data() + value->size();
  const auto [stopped, error] = std::from_chars(value->data(), end, number);
  const uint64_t factor = FactorOf({stopped, static_cast<size_t>(end - stopped)});
  if (error != std::errc() || factor == 0 ||
      number > std::numeric_limits<uint64_t>::max() / factor) {
    return Status(Code::kInvalid,
                  fmt::format("{}: {}: found '{}', expected a number", directory_, name, *value));
  }
  return std::optional(number * factor);
}

Result<std::map<std::string, std::string>> HadoopConf::Pairs(std::string_view name) const {
  std::map<std::string, std::string> pairs;
  for (const std::string& pair : List(Find(name).value_or(""))) {
    const size_t equals = pair.find('=');
    const std::string key = Trimmed(pair.substr(0, equals));
    const std::string value =
        equals == std::string::npos ? std::string() : Trimmed(pair.substr(equals + 1));
    if (key.empty() || value.empty()) {
      return Status(Code::kInvalid, fmt::format("{}: {}: found '{}', expected name=address",
                                                directory_, name, pair));
    }
    pairs[key] = value;
  }
  return pairs;
}

Result<std::vector<Endpoint>> HadoopConf::NameNodesOf(const std::string& service) const {
  std::set<std::string> services;
  for (const char* name : {"dfs.nameservices", "dfs.internal.nameservices"}) {
    for (std::string& one : List(Find(name).value_or(""))) services.insert(std::move(one));
  }
  std::vector<Endpoint> name_nodes;
  if (!services.contains(service)) return name_nodes;
  std::vector<std::string> keys;
  for (const std::string& id : List(Find("dfs.ha.namenodes." + service).value_or(""))) {
    keys.push_back(fmt::format("dfs.namenode.rpc-address.{}.{}", service, id));
  }
  if (keys.empty()) keys.push_back("dfs.namenode.rpc-address." + service);
  for (const std::string& key : keys) {
    const std::optional<std::string> address = Find(key);
    if (!address) {
      return Status(Code::kInvalid, fmt::format("{}: {}: found nothing, expected host:port of a "
                                                "name node of '{}'",
                                                directory_, key, service));
    }
    const auto parsed = ParseHdfsUrl("hdfs://" + *address);
    if (!parsed.ok() || !parsed->directory.empty()) {
      return Status(Code::kInvalid, fmt::format("{}: {}: found '{}', expected host:port",
                                                directory_, key, *address));
    }
    name_nodes.push_back(parsed->name_node);
  }
  return name_nodes;
}

Status HadoopConf::CheckSupported() const {
  struct Unsupported {
    std::string_view key;
    std::string_view plain;  // the value that is supported, besides none
    std::string_view what;
  };
  for (const Unsupported& one :
       {Unsupported{"hadoop.security.authentication", "simple", "Kerberos"},
        Unsupported{"dfs.encrypt.data.transfer", "false", "encrypted transfer"}}) {
    const std::optional<std::string> value = Find(one.key);
    if (!value || *value == one.plain) continue;
    return {Code::kRefused, fmt::format("{}: {} is '{}': {} is not supported", directory_, one.key,
                                        *value, one.what)};
  }
  return Status::Ok();
}

}  // namespace databus::hdfs
