#include "storage/hdfs/hdfs_options.h"

#include <utility>

#include <fmt/format.h>

#include "storage/hdfs/hdfs_url.h"
#include "storage/tree_path.h"

namespace databus::hdfs {
namespace {

// Ours, not Hadoop's: addresses in place of those by which the name node knows its data nodes.
constexpr std::string_view kHostsKey = "databus.datanode.hosts";

// Data nodes wait for one another as long as a client, and 5 s more for each of their pipeline.
// With three of them this is the time that they have to say which one it was.
constexpr Milliseconds kForThePipeline{15'000};

// Sets `value` to the milliseconds that `conf` has under `name`, if any, and `more`.
Status SetMilliseconds(const HadoopConf& conf, std::string_view name, Milliseconds& value,
                       Milliseconds more = {}) {
  DATABUS_ASSIGN_OR_RETURN(const std::optional<uint64_t> found, conf.Number(name));
  // None is no limit for Hadoop; here nothing waits for ever.
  if (found && *found > 0) value = Milliseconds(*found) + more;
  return Status::Ok();
}

}  // namespace

Result<HdfsOptions> HdfsOptionsOf(const HdfsPlace& place, const HadoopConf& conf) {
  DATABUS_ASSIGN_OR_RETURN(const HdfsUrl url, ParseHdfsUrl(place.url));
  DATABUS_RETURN_IF_ERROR(conf.CheckSupported());
  HdfsOptions options;
  DATABUS_ASSIGN_OR_RETURN(options.name_nodes.name_nodes, conf.NameNodesOf(url.name_node.host));
  options.url = "hdfs://" + url.name_node.host;
  if (options.name_nodes.name_nodes.empty()) {
    options.name_nodes.name_nodes = {url.name_node};
    options.url = "hdfs://" + url.name_node.ToString();
  } else if (place.url.starts_with(fmt::format("{}:", options.url))) {
    return Status(Code::kInvalid, place.url + ": '" + url.name_node.host +
                                      "' is a name service, which has no port");
  }
  options.root = url.directory + place.root;
  if (!options.root.empty()) {
    DATABUS_RETURN_IF_ERROR(
        CheckPath(std::string_view(options.root).substr(1)).WithContext(place.url));
  }
  options.name_nodes.user = place.user;
  Patience& patience = options.name_nodes.patience;
  DATABUS_RETURN_IF_ERROR(SetMilliseconds(conf, "ipc.client.connect.timeout", patience.connect));
  DATABUS_RETURN_IF_ERROR(
      SetMilliseconds(conf, "dfs.client.socket-timeout", patience.transfer, kForThePipeline));
  options.data_nodes.connect = patience.connect;
  if (conf.Find("dfs.client.use.datanode.hostname") == "true") {
    options.data_nodes.addressing = DataNodes::Addressing::kByName;
  }
  DATABUS_ASSIGN_OR_RETURN(options.data_nodes.hosts, conf.Pairs(kHostsKey));
  DATABUS_ASSIGN_OR_RETURN(const auto replication, conf.Number("dfs.replication"));
  if (replication) options.replication = static_cast<uint32_t>(*replication);
  DATABUS_ASSIGN_OR_RETURN(options.block_bytes, conf.Number("dfs.blocksize"));
  return options;
}

}  // namespace databus::hdfs
