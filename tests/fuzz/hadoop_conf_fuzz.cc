// Hadoop's own configuration files.
#include "storage/hdfs/hadoop_conf.h"
#include "storage/hdfs/hdfs_options.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto conf = hdfs::HadoopConf::OfText(fuzz::Text(data, size));
  if (!conf.ok()) {
    FUZZ_REQUIRE(conf.code() == Code::kInvalid);
    return 0;
  }
  const auto options = hdfs::HdfsOptionsOf({"hdfs://ns1", "/databus", "me"}, *conf);
  FUZZ_REQUIRE(!options.ok() || !options->name_nodes.name_nodes.empty());
  return 0;
}
