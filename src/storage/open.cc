#include "storage/open.h"

#include <pwd.h>
#include <unistd.h>

#include <string_view>

#include <fmt/format.h>

#include "storage/hdfs/hdfs_options.h"
#include "storage/hdfs/hdfs_storage.h"
#include "storage/local/local_storage.h"
#include "storage/tree_path.h"

namespace databus {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kHdfsScheme = "hdfs://";
constexpr std::string_view kSupported = "supported: file:///dir, hdfs://host:port";

std::string_view Trim(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

Status NotAnUrl(const std::string& url) {
  for (const std::string_view scheme : {"webhdfs://", "swebhdfs://"}) {
    if (url.starts_with(scheme)) {
      return {
          Code::kInvalid,
          fmt::format("{}: {} is not supported yet; use hdfs:// with the name node's RPC port; {}",
                      url, scheme, kSupported)};
    }
  }
  return {Code::kInvalid, fmt::format("{}: not the URL of a cluster; {}", url, kSupported)};
}

// "/a/b" for the directory of the URL and the one below it; "" is the root of all.
Result<std::string> JoinRoot(const std::string& url, std::string_view directory,
                             const std::string& root_dir) {
  // The root itself may be written with '/' around it, as in <rootdir>/databus</rootdir>.
  std::string_view below = Trim(root_dir);
  if (below.starts_with('/')) below.remove_prefix(1);
  const std::string_view trimmed = Trim(directory);
  if (!trimmed.empty()) {
    DATABUS_RETURN_IF_ERROR(CheckPath(trimmed.substr(1)).WithContext(url));
  }
  DATABUS_RETURN_IF_ERROR(CheckPath(below).WithContext(url));
  std::string root(trimmed);
  if (!below.empty()) root += "/" + std::string(below);
  return root;
}

// The directory on this machine that is the root of the tree.
Result<std::string> LocalRoot(const std::string& url, const std::string& root_dir) {
  const std::string_view directory = std::string_view(url).substr(kFileScheme.size());
  if (!directory.starts_with('/')) {
    return Status(Code::kInvalid, url + ": has a host name; expected file:///dir");
  }
  DATABUS_ASSIGN_OR_RETURN(std::string root, JoinRoot(url, directory, root_dir));
  if (root.empty()) return Status(Code::kInvalid, url + ": needs a directory or a rootdir");
  return root;
}

// Whom the name node takes us for, without security: who runs this process.
std::string UserName() {
  char buffer[4096];
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return std::to_string(::geteuid());
}

Result<HdfsOptions> HdfsOptionsFor(const StorageEnvironment& environment, const std::string& url,
                                   const std::string& root_dir) {
  DATABUS_ASSIGN_OR_RETURN(std::string root, JoinRoot(url, "", root_dir));
  hdfs::HadoopConf conf;
  if (!environment.hadoop_conf_dir.empty()) {
    DATABUS_ASSIGN_OR_RETURN(conf, hdfs::HadoopConf::Read(environment.hadoop_conf_dir));
  }
  const std::string user =
      environment.hadoop_user_name.empty() ? UserName() : environment.hadoop_user_name;
  DATABUS_ASSIGN_OR_RETURN(HdfsOptions options,
                           hdfs::HdfsOptionsOf({url, std::move(root), user}, conf));
  options.calls = environment.calls;
  options.name_nodes.hurry = options.data_nodes.hurry = environment.hurry;
  return options;
}

}  // namespace

Result<std::unique_ptr<Storage>> OpenStorageIn(const StorageEnvironment& environment,
                                               const std::string& url,
                                               const std::string& root_dir) {
  if (url.starts_with(kFileScheme)) {
    DATABUS_ASSIGN_OR_RETURN(std::string root, LocalRoot(url, root_dir));
    return OpenLocalStorage(std::move(root));
  }
  if (url.starts_with(kHdfsScheme)) {
    DATABUS_ASSIGN_OR_RETURN(HdfsOptions options, HdfsOptionsFor(environment, url, root_dir));
    return OpenHdfsStorage(std::move(options));
  }
  return NotAnUrl(url);
}

Status CreateRootIn(const StorageEnvironment& environment, const std::string& url,
                    const std::string& root_dir) {
  if (url.starts_with(kFileScheme)) {
    DATABUS_ASSIGN_OR_RETURN(const std::string root, LocalRoot(url, root_dir));
    return CreateLocalRoot(root);
  }
  if (url.starts_with(kHdfsScheme)) {
    DATABUS_ASSIGN_OR_RETURN(const HdfsOptions options, HdfsOptionsFor(environment, url, root_dir));
    return CreateHdfsRoot(options);
  }
  return NotAnUrl(url);
}

Result<std::unique_ptr<Storage>> OpenStorage(const std::string& url, const std::string& root_dir) {
  return OpenStorageIn({}, url, root_dir);
}

Status CreateRoot(const std::string& url, const std::string& root_dir) {
  return CreateRootIn({}, url, root_dir);
}

}  // namespace databus
