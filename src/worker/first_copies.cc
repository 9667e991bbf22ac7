#include "worker/first_copies.h"

#include <fmt/format.h>

#include "base/planted.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"
#include "worker/fetch.h"

namespace databus {
namespace {

// Where the minutes begin that no manifest here describes.
Minute FirstOf(GroupWriter& writer, const std::string& stream) {
  const Ledger& ledger = writer.OwnLedger();
  const auto known = ledger.streams.find(stream);
  if (known == ledger.streams.end() || !known->second.newest) return kFirstMinute;
  return known->second.history ? known->second.history->Next() : *known->second.newest;
}

// Whether it is this one file or the way to it that is bad, and not this cluster or the whole
// other.
bool IsOfTheFile(const Status& status) {
  return status.code() == Code::kNotFound || status.code() == Code::kCorrupt ||
         status.code() == Code::kRefused;
}

class MinuteCopier {
 public:
  MinuteCopier(GroupWriter& writer, const FirstCopies& with, const std::string& stream,
               const std::string& mirror, Storage& source)
      : writer_(writer),
        with_(with),
        stream_(stream),
        mirror_(mirror),
        source_(source),
        here_(writer.staging().storage(), View::kMerged, writer.staging().group()),
        there_(source, View::kMerged, writer.staging().group()) {}

  // Whether the minute was changed.
  Result<bool> Copy(Minute minute) {
    MinuteChange change{"", stream_, minute, {}, {}, {}};
    DATABUS_ASSIGN_OR_RETURN(const auto described, here_.Described(stream_, minute));
    auto present = here_.Read(stream_, minute);
    if (!present.ok() && present.code() != Code::kNotFound) return present.status();
    if (present.ok()) change.holds = *std::move(present);
    auto fetched = Fetch(minute, change.holds);
    if (!fetched.ok() && !IsOfTheFile(fetched.status())) return fetched.status();
    if (!fetched.ok()) {
      with_.problems.Report(
          fmt::format("{}: {} of {} cannot be copied from {}: {}", with_.cluster, stream_,
                      minute.ToIso(), mirror_, fetched.status().ToString()),
          "what it holds is published as late files, as far as the local streams have it");
    }
    if (fetched.ok()) change.in = *std::move(fetched);
    if (change.in.empty() && described) return false;
    for (const NewFile& file : change.in) {
      change.holds[file.name] = file.facts;
      with_.stats.AddFile("mirror", stream_, file.facts.messages, file.facts.length,
                          with_.clock.Wall());
    }
    DATABUS_RETURN_IF_ERROR(writer_.ChangeMinute(std::move(change)));
    return true;
  }

 private:
  // Those whose names are free here.
  Result<std::vector<NewFile>> Fetch(Minute minute, const MinuteFiles& here) {
    DATABUS_ASSIGN_OR_RETURN(MinuteFiles files, there_.Read(stream_, minute));
    for (const auto& [name, facts] : here) files.erase(name);
    return FetchFiles(writer_, {source_, stream_, minute, with_.copy_threads}, files);
  }

  GroupWriter& writer_;
  const FirstCopies& with_;
  const std::string& stream_;
  const std::string& mirror_;
  Storage& source_;
  MinuteContent here_;
  MinuteContent there_;
};

}  // namespace

Status CopyFromMirrors(GroupWriter& writer, const FirstCopies& with,
                       const std::vector<const StreamSpec*>& streams) {
  if (Planted(Bug::kMirrorsNotAsked)) return Status::Ok();
  bool changed = false;
  for (const StreamSpec* stream : streams) {
    const Minute first = FirstOf(writer, stream->name);
    for (const std::string& mirror : stream->Mirrors()) {
      Storage* source = with.clusters.Find(mirror);
      if (source == nullptr) continue;
      DATABUS_ASSIGN_OR_RETURN(
          const std::vector<Minute> minutes,
          ListMinutes(*source, paths::Stream(View::kMerged, stream->name), first, *stream->cut));
      MinuteCopier copier(writer, with, stream->name, mirror, *source);
      for (const Minute minute : minutes) {
        DATABUS_ASSIGN_OR_RETURN(const bool copied, copier.Copy(minute));
        changed = changed || copied;
      }
    }
  }
  return changed ? writer.Reload() : Status::Ok();
}

}  // namespace databus
