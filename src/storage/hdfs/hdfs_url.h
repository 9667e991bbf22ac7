// The form of hdfs:// URLs.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/hdfs/socket.h"

namespace databus::hdfs {

// The port of a name node when a URL has none, as for Hadoop's own clients.
inline constexpr uint16_t kDefaultPort = 8020;

struct HdfsUrl {
  Endpoint name_node;
  std::string directory;  // "" or "/a/b", without a trailing '/'
};

// "hdfs://host", "hdfs://host:port", either with a directory behind it; an IPv6 address in
// brackets. kInvalid, saying what is wrong, for anything else.
Result<HdfsUrl> ParseHdfsUrl(std::string_view url);

}  // namespace databus::hdfs
