// From an hdfs:// URL, and what the machine says about Hadoop, to the options of a storage.
#pragma once

#include <string>

#include "base/status.h"
#include "storage/hdfs/hadoop_conf.h"
#include "storage/hdfs/hdfs_storage.h"

namespace databus::hdfs {

struct HdfsPlace {
  std::string url;   // hdfs://host:port or hdfs://nameservice, with a directory behind it maybe
  std::string root;  // below that; "" or "/a/b"
  std::string user;
};

// A host name that is a name service of `conf` stands for its name nodes. kInvalid or kRefused,
// saying what and where, for what is wrong or not supported.
Result<HdfsOptions> HdfsOptionsOf(const HdfsPlace& place, const HadoopConf& conf);

}  // namespace databus::hdfs
