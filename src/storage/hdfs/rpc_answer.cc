#include "storage/hdfs/rpc_answer.h"

#include "storage/hdfs/wire/rpc.pb.h"
#include "storage/hdfs/wire_format.h"

namespace databus::hdfs {
namespace {

constexpr size_t kHeaderBytesMax = 1u << 20;
constexpr uint32_t kSuccess = 0;
constexpr uint32_t kFatal = 2;

}  // namespace

Result<RpcAnswer> ParseAnswer(std::string_view frame) {
  wire::RpcResponseHeader header;
  if (TakeDelimited(frame, header, kHeaderBytesMax) != Taken::kWhole) {
    return {Code::kUnavailable,
            "an answer that cannot be understood: no name node of Hadoop 3, or damaged"};
  }
  RpcAnswer answer;
  answer.call_id = static_cast<int32_t>(header.call_id());
  answer.body = frame;
  if (header.status() == kSuccess) return answer;
  answer.kind = header.status() == kFatal ? RpcAnswer::Kind::kFatal : RpcAnswer::Kind::kFailed;
  answer.error = RemoteError{header.exception_class(), header.error_message()};
  return answer;
}

}  // namespace databus::hdfs
