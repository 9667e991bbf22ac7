#include "base/status.h"

namespace databus {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk: return "ok";
    case Code::kNotFound: return "not found";
    case Code::kExists: return "exists";
    case Code::kRefused: return "refused";
    case Code::kNoSpace: return "no space";
    case Code::kInvalid: return "invalid";
    case Code::kCorrupt: return "corrupt";
    case Code::kStale: return "stale";
    case Code::kStopped: return "stopped";
    case Code::kUnavailable: return "unavailable";
  }
  __builtin_unreachable();
}

std::string Status::ToString() const {
  if (ok()) return "ok";
  return message_ + " (" + std::string(CodeName(code_)) + ")";
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  return {code_, std::string(context) + ": " + message_};
}

}  // namespace databus
