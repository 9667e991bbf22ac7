#include "storage/fault/denial.h"

namespace databus {
namespace {

bool IsBelow(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

bool Lists(Verb verb) { return verb == Verb::kList || verb == Verb::kListNames; }

bool Reads(Verb verb) { return Lists(verb) || verb == Verb::kStat || verb == Verb::kOpen; }

bool Writes(Verb verb) {
  return verb == Verb::kCreate || verb == Verb::kMakeDir || verb == Verb::kRename ||
         verb == Verb::kRemove || verb == Verb::kReplace;
}

}  // namespace

std::string_view AccessName(Access access) {
  switch (access) {
    case Access::kReading: return "reading";
    case Access::kWriting: return "writing";
    case Access::kBoth: return "access";
  }
  __builtin_unreachable();
}

bool Denial::Holds(const Call& call) const {
  const bool reading = denied != Access::kWriting && Reads(call.verb);
  const bool writing = denied != Access::kReading && Writes(call.verb);
  if (!reading && !writing) return false;
  if (Lists(call.verb) && call.path == directory) return true;
  return IsBelow(call.path, directory) || IsBelow(call.to, directory);
}

}  // namespace databus
