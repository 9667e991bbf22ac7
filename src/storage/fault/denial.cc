#include "storage/fault/denial.h"

namespace databus {
namespace {

bool IsBelow(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

bool Lists(Verb verb) { return verb == Verb::kList || verb == Verb::kListNames; }

bool Writes(Verb verb) {
  return verb == Verb::kCreate || verb == Verb::kMakeDir || verb == Verb::kRename ||
         verb == Verb::kRemove || verb == Verb::kReplace;
}

bool IsOf(Access access, Verb verb) {
  const bool reads = Lists(verb) || verb == Verb::kStat || verb == Verb::kOpen;
  switch (access) {
    case Access::kListing: return Lists(verb);
    case Access::kContents: return verb == Verb::kOpen;
    case Access::kReading: return reads;
    case Access::kWriting: return Writes(verb);
    case Access::kBoth: return reads || Writes(verb);
  }
  __builtin_unreachable();
}

}  // namespace

std::string_view AccessName(Access access) {
  switch (access) {
    case Access::kListing: return "listing";
    case Access::kContents: return "contents";
    case Access::kReading: return "reading";
    case Access::kWriting: return "writing";
    case Access::kBoth: return "access";
  }
  __builtin_unreachable();
}

bool Denial::Holds(const Call& call) const {
  if (!IsOf(denied, call.verb)) return false;
  if (Lists(call.verb) && call.path == directory) return true;
  return IsBelow(call.path, directory) || IsBelow(call.to, directory);
}

}  // namespace databus
