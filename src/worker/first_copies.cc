#include "worker/first_copies.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

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

// Whether it is this one file that is bad, and not this cluster or the whole other. What may not be
// read is not bad: it is waited for, as a mirror that is passed over would set aside what it has.
bool IsOfTheFile(const Status& status) {
  return status.code() == Code::kNotFound || status.code() == Code::kCorrupt;
}

// One group's minutes at one mirror, and here.
class MinuteCopier {
 public:
  MinuteCopier(GroupWriter& writer, const FirstCopies& with, const std::string& mirror,
               Storage& source)
      : writer_(writer),
        with_(with),
        mirror_(mirror),
        source_(source),
        here_(writer.staging().storage(), View::kMerged, writer.staging().group()),
        there_(source, View::kMerged, writer.staging().group()) {}

  // P1: nothing is absent from a cluster that went away in the middle.
  Status CheckThere() {
    return with_.clusters.CheckStill(mirror_).WithContext(mirror_ +
                                                          " went away while it was copied from");
  }

  // Whether the minute was changed: one commit, whatever the number of streams.
  Result<bool> Copy(Minute minute, const std::set<std::string>& streams) {
    MinuteChange change{"", minute, {}};
    for (const std::string& stream : streams) {
      DATABUS_RETURN_IF_ERROR(writer_.GoOn());
      DATABUS_ASSIGN_OR_RETURN(auto of_stream, CopyStream(stream, minute));
      if (of_stream) change.streams.emplace(stream, *std::move(of_stream));
    }
    if (change.streams.empty()) return false;
    for (const auto& [stream, of_stream] : change.streams) {
      for (const NewFile& file : of_stream.in) {
        with_.stats.AddFile("mirror", stream, file.facts.messages, file.facts.length,
                            with_.clock.Wall());
      }
    }
    DATABUS_RETURN_IF_ERROR(writer_.ChangeMinute(std::move(change), here_));
    return true;
  }

 private:
  // Nothing: it is as it has to be.
  Result<std::optional<MinuteChange::OfStream>> CopyStream(const std::string& stream,
                                                           Minute minute) {
    MinuteChange::OfStream change;
    DATABUS_ASSIGN_OR_RETURN(const auto described, here_.Described(stream, minute));
    auto present = here_.Read(stream, minute);
    if (!present.ok() && present.code() != Code::kNotFound) return present.status();
    if (present.ok()) change.holds = *std::move(present);
    auto fetched = Fetch(stream, minute, change.holds);
    if (!fetched.ok() && !IsOfTheFile(fetched.status())) return fetched.status();
    if (!fetched.ok()) {
      DATABUS_RETURN_IF_ERROR(CheckThere());
      with_.problems.Report(
          fmt::format("{}: {} of {} cannot be copied from {}: {}", with_.cluster, stream,
                      minute.ToIso(), mirror_, fetched.status().ToString()),
          "what it holds is published as late files, as far as the local streams have it");
    }
    if (fetched.ok()) change.in = *std::move(fetched);
    if (change.in.empty() && described) return std::optional<MinuteChange::OfStream>();
    for (const NewFile& file : change.in) change.holds[file.name] = file.facts;
    return std::optional<MinuteChange::OfStream>(std::move(change));
  }

  // Those whose names are free here.
  Result<std::vector<NewFile>> Fetch(const std::string& stream, Minute minute,
                                     const MinuteFiles& here) {
    DATABUS_ASSIGN_OR_RETURN(MinuteFiles files, there_.Read(stream, minute));
    for (const auto& [name, facts] : here) files.erase(name);
    return FetchFiles(writer_, {source_, stream, minute, with_.copy_threads}, files);
  }

  GroupWriter& writer_;
  const FirstCopies& with_;
  const std::string& mirror_;
  Storage& source_;
  MinuteContent here_;
  MinuteContent there_;
};

using StreamsOfMinutes = std::map<Minute, std::set<std::string>>;
// By stream, and nothing for one that is in its first. A stream is not there as long as there is no
// minute of it here: then the first mirror that has any decides.
using ErasHere = std::map<std::string, std::optional<Era>>;

ErasHere ErasOfMinutes(GroupWriter& writer, const Eras& eras,
                       const std::vector<const StreamSpec*>& streams) {
  ErasHere here;
  for (const StreamSpec* stream : streams) {
    const auto known = writer.OwnLedger().streams.find(stream->name);
    const bool any = known != writer.OwnLedger().streams.end() && known->second.newest;
    if (any) here.emplace(stream->name, eras.Of(stream->name));
  }
  return here;
}

// The minutes up to the streams' cuts that the mirror has and that may not all be here.
Result<StreamsOfMinutes> ListAtMirror(GroupWriter& writer, const std::string& mirror,
                                      Storage& source,
                                      const std::vector<const StreamSpec*>& streams,
                                      ErasHere& here) {
  StreamsOfMinutes all;
  DATABUS_ASSIGN_OR_RETURN(const Eras there, ReadEras(source, writer.staging().group()));
  for (const StreamSpec* stream : streams) {
    const std::vector<std::string> mirrors = stream->Mirrors();
    if (std::ranges::count(mirrors, mirror) == 0) continue;
    const auto era = here.find(stream->name);
    const bool same = era == here.end() || era->second == there.Of(stream->name);
    if (!same) continue;
    DATABUS_ASSIGN_OR_RETURN(const std::vector<Minute> minutes,
                             ListMinutes(source, paths::Stream(View::kMerged, stream->name),
                                         FirstOf(writer, stream->name), *stream->cut));
    for (const Minute minute : minutes) all[minute].insert(stream->name);
    if (!minutes.empty()) here.emplace(stream->name, there.Of(stream->name));
  }
  return all;
}

}  // namespace

Status CopyFromMirrors(GroupWriter& writer, const FirstCopies& with,
                       const std::vector<const StreamSpec*>& streams) {
  if (Planted(Bug::kMirrorsNotAsked)) return Status::Ok();
  std::set<std::string> mirrors;
  for (const StreamSpec* stream : streams) {
    for (const std::string& mirror : stream->Mirrors()) mirrors.insert(mirror);
  }
  bool changed = false;
  ErasHere here = ErasOfMinutes(writer, with.eras, streams);
  for (const std::string& mirror : mirrors) {
    Storage* source = with.clusters.Find(mirror);
    if (source == nullptr) continue;
    DATABUS_ASSIGN_OR_RETURN(const StreamsOfMinutes all,
                             ListAtMirror(writer, mirror, *source, streams, here));
    MinuteCopier copier(writer, with, mirror, *source);
    for (const auto& [minute, of_minute] : all) {
      DATABUS_ASSIGN_OR_RETURN(const bool copied, copier.Copy(minute, of_minute));
      changed = changed || copied;
    }
    // Also for what was not listed.
    DATABUS_RETURN_IF_ERROR(copier.CheckThere());
  }
  return changed ? writer.Reload() : Status::Ok();
}

}  // namespace databus
