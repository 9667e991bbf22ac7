#include "collector/deliver/hand_over_note.h"

#include "collector/spool/format.h"
#include "net/batch_id.h"

namespace databus {
namespace {

constexpr uint32_t kVersion = 1;

}  // namespace

std::string EncodeHandOverNote(const HandOverNote& note) {
  std::string out;
  PutU32(out, kVersion);
  PutText(out, note.receiver.ToString());
  PutText(out, note.incarnation);
  PutU64(out, note.sender);
  PutU64(out, note.first);
  PutU64(out, note.acknowledged);
  PutU64(out, note.messages);
  PutU32(out, static_cast<uint32_t>(note.batches.size()));
  for (const SpoolPosition& begin : note.batches) {
    PutU64(out, begin.segment);
    PutU64(out, begin.offset);
    PutU64(out, begin.entry);
  }
  PutU32(out, static_cast<uint32_t>(note.streams.size()));
  for (const SpoolDeferral& stream : note.streams) {
    PutText(out, stream.stream);
    PutU64(out, stream.bytes);
    PutU64(out, static_cast<uint64_t>(stream.oldest.time_since_epoch().count()));
  }
  return out;
}

Result<HandOverNote> DecodeHandOverNote(std::string_view text) {
  const auto corrupt = [](std::string_view what) {
    return Status(Code::kCorrupt, "note of a hand-over: " + std::string(what));
  };
  FieldReader fields(text);
  if (fields.U32() != kVersion) return corrupt("of an unknown version");
  HandOverNote note;
  const auto receiver = Endpoint::Parse(fields.Text());
  if (!receiver) return corrupt("no address");
  note.receiver = *receiver;
  note.incarnation = fields.Text();
  note.sender = fields.U64();
  note.first = fields.U64();
  note.acknowledged = fields.U64();
  note.messages = fields.U64();
  for (uint32_t left = fields.U32(); left > 0 && fields.ok(); --left) {
    SpoolPosition begin;
    begin.segment = fields.U64();
    begin.offset = fields.U64();
    begin.entry = fields.U64();
    if (!note.batches.empty() && begin <= note.batches.back()) return corrupt("no order");
    note.batches.push_back(begin);
  }
  for (uint32_t left = fields.U32(); left > 0 && fields.ok(); --left) {
    SpoolDeferral stream;
    stream.stream = fields.Text();
    stream.bytes = fields.U64();
    stream.oldest = WallTime(Milliseconds(static_cast<int64_t>(fields.U64())));
    note.streams.push_back(std::move(stream));
  }
  if (!fields.ok() || !fields.AtEnd()) return corrupt("too short or too long");
  const bool known = !note.incarnation.empty();
  if (known != ParseSender(note.incarnation).has_value() || known != (note.first != 0) ||
      note.acknowledged > note.batches.size()) {
    return corrupt("numbers that cannot be");
  }
  return note;
}

}  // namespace databus
