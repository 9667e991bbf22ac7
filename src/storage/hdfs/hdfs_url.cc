#include "storage/hdfs/hdfs_url.h"

#include <charconv>

#include <fmt/format.h>

namespace databus::hdfs {
namespace {

constexpr std::string_view kScheme = "hdfs://";

Status Wrong(std::string_view url, std::string_view why) {
  return {Code::kInvalid, fmt::format("{}: {}; expected hdfs://host:port", url, why)};
}

}  // namespace

Result<HdfsUrl> ParseHdfsUrl(std::string_view url) {
  if (!url.starts_with(kScheme)) return Wrong(url, "not an hdfs:// URL");
  std::string_view rest = url.substr(kScheme.size());
  const size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  HdfsUrl parsed;
  if (slash != std::string_view::npos) parsed.directory = rest.substr(slash);
  while (parsed.directory.ends_with('/')) parsed.directory.pop_back();
  if (authority.find('@') != std::string_view::npos) {
    return Wrong(url, "has a user name, which has no place there");
  }
  std::string_view host = authority;
  std::string_view port;
  const size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return Wrong(url, "has no closing bracket");
    host = authority.substr(1, bracket - 1);
    port = authority.substr(bracket + 1);
  } else if (colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (host.empty()) return Wrong(url, "has no host");
  parsed.name_node = {std::string(host), kDefaultPort};
  if (port.empty()) return parsed;
  const char* const end = port.data() + port.size();
  const auto [stopped, error] = std::from_chars(port.data() + 1, end, parsed.name_node.port);
  if (port.front() != ':' || error != std::errc() || stopped != end || parsed.name_node.port == 0) {
    return Wrong(url, fmt::format("'{}' is no port", port));
  }
  return parsed;
}

}  // namespace databus::hdfs
