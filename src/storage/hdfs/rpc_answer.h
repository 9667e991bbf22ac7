// What a name node sends: one frame, one answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "storage/hdfs/errors.h"

namespace databus::hdfs {

struct RpcAnswer {
  enum class Kind : uint8_t {
    kDone,
    kFailed,  // with `error`
    kFatal,   // with `error`; whatever call it names, the server closes after it
  };
  Kind kind = Kind::kDone;
  int32_t call_id = 0;
  std::optional<RemoteError> error;
  std::string_view body;  // of the frame: the answering message, delimited
};

// kUnavailable: the bytes are no answer.
Result<RpcAnswer> ParseAnswer(std::string_view frame);

}  // namespace databus::hdfs
