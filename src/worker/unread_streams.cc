#include "worker/unread_streams.h"

#include <fmt/format.h>

#include "commit/ledger.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

// Of a manifest that cannot be read nothing is said here: it is not the stream's.
Status CheckAsDescribed(Storage& tree, Group group, const std::string& stream, Minute minute,
                        const MinuteFiles& files) {
  MinuteContent content(tree, View::kMerged, group);
  const auto described = content.Described(stream, minute);
  if (!described.ok() || !*described) return Status::Ok();
  for (const auto& [name, facts] : **described) {
    const auto found = files.find(name);
    if (found == files.end() || SameBytes(found->second, facts)) continue;
    return {Code::kCorrupt, fmt::format("{}: differs from the manifest",
                                        paths::MinuteFile(View::kMerged, stream, minute, name))};
  }
  return Status::Ok();
}

Status ReadMinute(Storage& tree, Group group, const std::string& stream, Minute minute) {
  const auto files = ReadMinuteFiles(tree, paths::MinuteDir(View::kMerged, stream, minute));
  if (files.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(files.status());
  return CheckAsDescribed(tree, group, stream, minute, *files);
}

}  // namespace

Status UnreadStreams::Read(const Sides& sides, const std::string& stream,
                           std::optional<Minute> minute) {
  for (const Side& side : {sides.primary, sides.here}) {
    const std::string root = paths::Stream(View::kMerged, stream);
    const Status read = minute ? ReadMinute(side.tree, sides.group, stream, *minute)
                               : ListMinutes(side.tree, root, kFirstMinute, kLastMinute).status();
    DATABUS_RETURN_IF_ERROR(read.WithContext(side.cluster));
  }
  return Status::Ok();
}

bool UnreadStreams::Note(const Sides& sides, const std::string& stream,
                         std::optional<Minute> minute, const Status& why) {
  if (!CannotBeRead(why)) return false;
  const Status read = Read(sides, stream, minute);
  if (!CannotBeRead(read)) return false;
  Unread unread{minute, read.message(), {}};
  unread.pause.Begin(clock_.Boot());
  Tell(stream, unread_.insert_or_assign(stream, unread).first->second);
  return true;
}

std::set<std::string> UnreadStreams::Waiting(const Sides& sides,
                                             const std::set<std::string>& streams) {
  std::set<std::string> waiting;
  const BootTime now = clock_.Boot();
  for (const std::string& stream : streams) {
    const auto known = unread_.find(stream);
    if (known == unread_.end()) continue;
    if (known->second.pause.IsOver(now)) {
      const Status read = Read(sides, stream, known->second.minute);
      if (read.ok()) {
        problems_.Clear(Topic(stream));
        unread_.erase(known);
        continue;
      }
      known->second.why = read.message();
      known->second.pause.Begin(now);
    }
    Tell(stream, known->second);
    waiting.insert(stream);
  }
  return waiting;
}

std::string UnreadStreams::Topic(const std::string& stream) const {
  return fmt::format("{} mirror unread {}", cluster_, stream);
}

void UnreadStreams::Tell(const std::string& stream, const Unread& unread) {
  problems_.Raise(Topic(stream), unread.why, kUnreadWaits, {stream});
}

}  // namespace databus
