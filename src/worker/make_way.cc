#include "worker/make_way.h"

#include <fmt/format.h>

namespace databus {
namespace {

// From the minute's directory upwards: the first thing that is there has to be a directory.
Status ClearPathTo(GroupWriter& writer, const std::string& minute_dir) {
  const std::string top = paths::ViewRoot(writer.staging().view());
  for (std::string path = minute_dir; path != top; path = std::string(paths::Parent(path))) {
    const auto there = writer.staging().storage().Stat(path);
    if (there.unknown()) return there.status();
    if (!there.ok()) continue;
    if (there->kind == NodeKind::kDirectory) break;
    return writer.SetAside(path, "was where a directory of minutes must be");
  }
  return Status::Ok();
}

std::string WhyWrong(const ManifestFile& here, const WantedMinute& at, const ManifestFile& there) {
  return fmt::format("has length {} and checksum {:08x}, {} holds it with {} and {:08x}",
                     here.length, here.crc32c, at.primary, there.length, there.crc32c);
}

// One entry of the minute's directory that has the name of a wanted file and that the writer does
// not know.
Status JudgeEntry(GroupWriter& writer, const WantedMinute& at, const DirEntry& entry,
                  WantedFiles& wanted) {
  const auto promised = wanted.find(entry.name);
  if (promised == wanted.end()) return Status::Ok();
  const std::string path =
      paths::MinuteFile(writer.staging().view(), at.stream, at.minute, entry.name);
  if (entry.info.kind != NodeKind::kFile) {
    return writer.SetAside(path, "was where a file of " + at.primary + " must be");
  }
  if (promised->second == nullptr) {
    wanted.erase(promised);
    return Status::Ok();
  }
  const auto facts = ReadFacts(writer.staging().storage(), path);
  if (facts.unknown()) return facts.status();
  // May not be read: nobody can say that it is wrong.
  if (facts.code() == Code::kRefused) return facts.status();
  if (!facts.ok()) return writer.SetAside(path, facts.status().ToString());
  if (SameBytes(facts->file, *promised->second)) return Status::Ok();  // the move will find it
  return writer.SetAside(path, WhyWrong(facts->file, at, *promised->second));
}

}  // namespace

Status MakeWay(GroupWriter& writer, const WantedMinute& at, WantedFiles& wanted) {
  const View view = writer.staging().view();
  const auto known = writer.CopyLedger(at.primary).streams.find(at.stream);
  if (known != writer.CopyLedger(at.primary).streams.end()) {
    const MinuteFiles files = known->second.open_files;
    for (const auto& [name, promised] : wanted) {
      const auto here = files.find(name);
      if (here == files.end() || promised == nullptr) continue;
      DATABUS_RETURN_IF_ERROR(writer.SetAside(paths::MinuteFile(view, at.stream, at.minute, name),
                                              WhyWrong(here->second, at, *promised)));
    }
  }
  const std::string dir = paths::MinuteDir(view, at.stream, at.minute);
  const auto entries = writer.staging().storage().List(dir);
  if (entries.unknown()) return entries.status();
  if (!entries.ok()) {
    DATABUS_RETURN_IF_ERROR(ClearPathTo(writer, dir));
    if (entries.code() != Code::kRefused) return Status::Ok();
    // It may be there, and not to be looked into.
    const auto there = writer.staging().storage().Stat(dir);
    return there.code() == Code::kNotFound ? Status::Ok() : entries.status();
  }
  for (const DirEntry& entry : *entries) {
    DATABUS_RETURN_IF_ERROR(JudgeEntry(writer, at, entry, wanted));
  }
  return Status::Ok();
}

}  // namespace databus
