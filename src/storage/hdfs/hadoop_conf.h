// What Hadoop's own configuration says about a cluster: core-site.xml and hdfs-site.xml of a
// directory, as Hadoop's clients on this machine use it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/hdfs/socket.h"

namespace databus::hdfs {

class HadoopConf {
 public:
  // A directory without either file is as good as an empty configuration. kInvalid: a file that is
  // no configuration, with its name and place. kUnavailable: one that cannot be read.
  static Result<HadoopConf> Read(const std::string& directory);
  // Of the text of one file.
  static Result<HadoopConf> OfText(std::string_view text);
  // Of nothing.
  HadoopConf() = default;

  // The value, with ${other} replaced by what that is; nothing when it is not set, or empty.
  std::optional<std::string> Find(std::string_view name) const;

  // The name nodes of a name service; empty when it names none. kInvalid: it does, and a name node
  // has no address, or one that is none.
  Result<std::vector<Endpoint>> NameNodesOf(const std::string& service) const;
  // A number, with the suffixes of Hadoop (k, m, g, t: binary). kInvalid: something else.
  Result<std::optional<uint64_t>> Number(std::string_view name) const;
  // Pairs as in "name=address, name=address". kInvalid: something else.
  Result<std::map<std::string, std::string>> Pairs(std::string_view name) const;
  // kRefused, saying what and where, when it asks for what is not supported.
  Status CheckSupported() const;

 private:
  Status AddFile(const std::string& file);
  Status AddText(const std::string& file, std::string_view text);
  std::string Expand(std::string value, int depth) const;

  std::string directory_;
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace databus::hdfs
