#include "storage/probe.h"

#include <string>
#include <string_view>
#include <vector>

namespace databus {
namespace {

class Probe {
 public:
  Probe(Storage& storage, std::string directory)
      : storage_(storage), directory_(std::move(directory)) {}

  Status Run() {
    DATABUS_RETURN_IF_ERROR(storage_.MakeDir(directory_));
    Status status = Content();
    if (status.ok()) status = NamesAreNotTakenOver();
    if (status.ok()) status = ParentsAreNotMade();
    if (status.ok()) status = ListingIsCurrent();
    const Status removed = RemoveTree();
    return status.ok() ? removed : status;
  }

 private:
  std::string In(std::string_view name) const { return directory_ + "/" + std::string(name); }

  Status Wrong(const std::string& what) const {
    return Status(Code::kRefused,
                  storage_.Describe() + ": " + what + "; Databus cannot run on this store");
  }

  // Ok when the store answered `want`, its own failure when it did not answer, else wrong.
  Status Want(const Status& got, Code want, const std::string& what) const {
    if (got.code() == want) return Status::Ok();
    if (got.unknown()) return got;
    return Wrong(what + " answered \"" + got.ToString() + "\", not \"" +
                 std::string(CodeName(want)) + "\"");
  }

  Status WantContent(std::string_view name, std::string_view content, const std::string& when) {
    const Result<std::string> read = storage_.ReadFile(In(name));
    DATABUS_RETURN_IF_ERROR(Want(read.status(), Code::kOk, "reading a file " + when));
    if (*read != content) return Wrong("a file reads back differently " + when);
    const Result<NodeInfo> info = storage_.Stat(In(name));
    DATABUS_RETURN_IF_ERROR(Want(info.status(), Code::kOk, "asking for a file " + when));
    if (info->kind == NodeKind::kFile && info->length == content.size()) return Status::Ok();
    return Wrong("a file has the wrong kind or length " + when);
  }

  Status WantNames(const std::string& path, const std::vector<std::string>& names,
                   const std::string& when) {
    const Result<std::vector<DirEntry>> entries = storage_.List(path);
    DATABUS_RETURN_IF_ERROR(Want(entries.status(), Code::kOk, "listing a directory " + when));
    std::vector<std::string> got;
    for (const DirEntry& entry : *entries) got.push_back(entry.name);
    return got == names ? Status::Ok() : Wrong("a listing is not current " + when);
  }

  Status Content() {
    DATABUS_RETURN_IF_ERROR(storage_.WriteFile(In("a"), "first"));
    DATABUS_RETURN_IF_ERROR(storage_.WriteFile(In("b"), "the second"));
    DATABUS_RETURN_IF_ERROR(WantContent("a", "first", "after it was written"));
    return WantContent("b", "the second", "after it was written");
  }

  Status NamesAreNotTakenOver() {
    DATABUS_RETURN_IF_ERROR(
        Want(storage_.Create(In("a")).status(), Code::kExists, "creating a file over another"));
    DATABUS_RETURN_IF_ERROR(WantContent("a", "first", "after a refused creation"));
    DATABUS_RETURN_IF_ERROR(
        Want(storage_.Rename(In("a"), In("b")), Code::kExists, "renaming a file over another"));
    DATABUS_RETURN_IF_ERROR(WantContent("a", "first", "after a refused rename"));
    DATABUS_RETURN_IF_ERROR(WantContent("b", "the second", "after a refused rename"));
    DATABUS_RETURN_IF_ERROR(storage_.MakeDir(In("d")));
    DATABUS_RETURN_IF_ERROR(storage_.MakeDir(In("e")));
    DATABUS_RETURN_IF_ERROR(
        Want(storage_.MakeDir(In("e")), Code::kExists, "making a directory over another"));
    DATABUS_RETURN_IF_ERROR(Want(storage_.Rename(In("d"), In("e")), Code::kExists,
                                 "renaming a directory over an empty one"));
    return WantNames(directory_, {"a", "b", "d", "e"}, "after refused renames");
  }

  Status ParentsAreNotMade() {
    DATABUS_RETURN_IF_ERROR(Want(storage_.Create(In("no/a")).status(), Code::kNotFound,
                                 "creating a file in a missing directory"));
    DATABUS_RETURN_IF_ERROR(
        Want(storage_.MakeDir(In("no/d")), Code::kNotFound, "making a directory in a missing one"));
    DATABUS_RETURN_IF_ERROR(Want(storage_.Rename(In("a"), In("no/a")), Code::kNotFound,
                                 "renaming a file into a missing directory"));
    return Want(storage_.Stat(In("no")).status(), Code::kNotFound,
                "asking for a directory that nobody made");
  }

  Status ListingIsCurrent() {
    DATABUS_RETURN_IF_ERROR(storage_.Rename(In("a"), In("d/c")));
    DATABUS_RETURN_IF_ERROR(WantNames(directory_, {"b", "d", "e"}, "after a rename"));
    DATABUS_RETURN_IF_ERROR(WantNames(In("d"), {"c"}, "after a rename"));
    DATABUS_RETURN_IF_ERROR(storage_.Rename(In("d"), In("f")));
    DATABUS_RETURN_IF_ERROR(WantNames(directory_, {"b", "e", "f"}, "after a rename"));
    DATABUS_RETURN_IF_ERROR(WantNames(In("f"), {"c"}, "after a rename"));
    return WantContent("f/c", "first", "after a rename");
  }

  // Also what only a store that got something wrong has let us make.
  Status RemoveTree() {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage_.List(directory_));
    for (const DirEntry& entry : entries) {
      const std::string path = In(entry.name);
      if (entry.info.kind == NodeKind::kDirectory) {
        DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> inner, storage_.List(path));
        for (const DirEntry& leaf : inner) {
          DATABUS_RETURN_IF_ERROR(storage_.Remove(path + "/" + leaf.name));
        }
      }
      DATABUS_RETURN_IF_ERROR(storage_.Remove(path));
    }
    return storage_.Remove(directory_);
  }

  Storage& storage_;
  const std::string directory_;
};

}  // namespace

Status ProbeStorage(Storage& storage, Random& random) {
  return Probe(storage, "system/tmp/probe-" + random.Hex(16)).Run().WithContext("probe");
}

}  // namespace databus
