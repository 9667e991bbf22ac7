#include "storage/open.h"

#include <string_view>

#include "storage/local/local_storage.h"
#include "storage/tree_path.h"

namespace databus {
namespace {

constexpr std::string_view kFileScheme = "file://";

std::string_view Trim(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// The directory on this machine that is the root of the tree.
Result<std::string> LocalRoot(const std::string& url, const std::string& root_dir) {
  for (const std::string_view scheme : {"hdfs://", "webhdfs://", "swebhdfs://"}) {
    if (url.starts_with(scheme)) {
      return Status(Code::kInvalid, url + ": " + std::string(scheme) +
                                        " is not supported yet; supported: file:///dir");
    }
  }
  if (!url.starts_with(kFileScheme)) {
    return Status(Code::kInvalid, url + ": not the URL of a cluster; supported: file:///dir");
  }
  const std::string_view directory = std::string_view(url).substr(kFileScheme.size());
  if (!directory.starts_with('/')) {
    return Status(Code::kInvalid, url + ": has a host name; expected file:///dir");
  }
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
  if (root.empty()) return Status(Code::kInvalid, url + ": needs a directory or a rootdir");
  return root;
}

}  // namespace

Result<std::unique_ptr<Storage>> OpenStorage(const std::string& url, const std::string& root_dir) {
  DATABUS_ASSIGN_OR_RETURN(std::string root, LocalRoot(url, root_dir));
  return OpenLocalStorage(std::move(root));
}

Status CreateRoot(const std::string& url, const std::string& root_dir) {
  DATABUS_ASSIGN_OR_RETURN(const std::string root, LocalRoot(url, root_dir));
  return CreateLocalRoot(root);
}

}  // namespace databus
