#include "worker/comparison.h"

#include <algorithm>
#include <map>

#include "commit/ledger.h"
#include "commit/minute_tree.h"
#include "worker/fetch.h"

namespace databus {
namespace {

Result<std::set<Minute>> MinutesOf(Storage& storage, const std::string& stream) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(storage, paths::Stream(View::kMerged, stream), kFirstMinute, kLastMinute));
  return std::set<Minute>(minutes.begin(), minutes.end());
}

// The first minute that is compared; nothing: there is nothing to compare with.
std::optional<Minute> Begin(const Compared& of, std::optional<Minute> cut) {
  std::optional<Minute> begin;
  if (!of.there.empty()) begin = *of.there.begin();
  if (cut) begin = begin ? std::min(*begin, cut->Next()) : cut->Next();
  return begin;
}

// Names and lengths of the files of a minute directory, without reading them.
Result<std::map<std::string, uint64_t>> Lengths(Storage& storage, const std::string& dir) {
  std::map<std::string, uint64_t> lengths;
  const auto entries = storage.List(dir);
  if (entries.code() == Code::kNotFound) return lengths;
  DATABUS_RETURN_IF_ERROR(entries.status());
  for (const DirEntry& entry : *entries) {
    if (entry.info.kind != NodeKind::kFile || entry.name[0] == '_' || entry.name[0] == '.')
      continue;
    lengths[entry.name] = entry.info.length;
  }
  return lengths;
}

}  // namespace

Result<Compared> Comparison::Compare(const std::string& stream, std::optional<Minute> cut) {
  Compared of;
  DATABUS_ASSIGN_OR_RETURN(of.there, MinutesOf(there_tree_, stream));
  DATABUS_ASSIGN_OR_RETURN(of.here, MinutesOf(here_tree_, stream));
  if (of.here.empty()) {
    of.wrong = of.there;
    return of;
  }
  const std::optional<Minute> begin = Begin(of, cut);
  if (!begin) {
    of.here.clear();
    return of;
  }
  std::set<Minute> minutes(of.here.lower_bound(*begin), of.here.end());
  minutes.insert(of.there.lower_bound(std::max(*begin, *of.here.begin())), of.there.end());
  for (const Minute minute : minutes) {
    bool equal = of.here.contains(minute) && of.there.contains(minute);
    if (equal) {
      DATABUS_ASSIGN_OR_RETURN(equal, IsEqual(stream, minute, of));
    }
    if (!equal) of.wrong.insert(minute);
  }
  of.equal = of.wrong.empty() ? *of.here.rbegin() : *of.wrong.begin() + -1;
  const auto right = std::find_if(of.here.rbegin(), of.here.rend(),
                                  [&](Minute minute) { return !of.wrong.contains(minute); });
  if (right != of.here.rend() && !of.there.empty() && right->Next() < *of.there.begin()) {
    of.too_old = Compared::TooOld::kYes;
    of.equal = *of.there.begin() + -1;
  }
  return of;
}

Result<bool> Comparison::IsEqual(const std::string& stream, Minute minute, const Compared& of) {
  DATABUS_ASSIGN_OR_RETURN(const auto there, there_.Described(stream, minute));
  // As the original's readers knew it: a minute is closed when the next one exists.
  if (!there && minute == *of.there.rbegin()) return false;
  DATABUS_ASSIGN_OR_RETURN(const auto here, here_.Described(stream, minute));
  if (!there && !here) return IsListedEqual(stream, minute);
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles files_here, here_.Read(stream, minute));
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles files_there, there_.Read(stream, minute));
  return Without(files_here, files_there).empty() && Without(files_there, files_here).empty();
}

// Minutes of the original system: reading all their bytes would take as long as fetching them.
Result<bool> Comparison::IsListedEqual(const std::string& stream, Minute minute) {
  const std::string dir = paths::MinuteDir(View::kMerged, stream, minute);
  DATABUS_ASSIGN_OR_RETURN(const auto here, Lengths(here_tree_, dir));
  DATABUS_ASSIGN_OR_RETURN(const auto there, Lengths(there_tree_, dir));
  return here == there;
}

}  // namespace databus
