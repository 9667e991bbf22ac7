#include "storage/tree_path.h"

namespace databus {
namespace {

bool IsComponent(std::string_view name) {
  return !name.empty() && name.size() <= kComponentBytesMax && name != "." && name != ".." &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

Status CheckPath(std::string_view path) {
  if (path.empty()) return Status::Ok();
  std::string_view rest = path;
  while (true) {
    const size_t slash = rest.find('/');
    if (!IsComponent(rest.substr(0, slash))) {
      return Status(Code::kInvalid, std::string(path) + ": not a path below the root");
    }
    if (slash == std::string_view::npos) return Status::Ok();
    rest.remove_prefix(slash + 1);
  }
}

std::string_view ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool IsWithin(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace databus
