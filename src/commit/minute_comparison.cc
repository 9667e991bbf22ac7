#include "commit/minute_comparison.h"

#include <map>
#include <optional>
#include <utility>

#include "commit/minute_tree.h"

namespace databus {
namespace {

using Kind = MinuteVerdict::Kind;

bool SameFile(const ManifestFile& one, const ManifestFile& other) { return SameBytes(one, other); }
bool SameFile(uint64_t one, uint64_t other) { return one == other; }

template <typename Files>
MinuteVerdict JudgeFiles(const Files& here, const Files& there) {
  for (const auto& [name, file] : there) {
    const auto found = here.find(name);
    if (found == here.end()) return {Kind::kFileMissing, name};
    if (!SameFile(found->second, file)) return {Kind::kFileDiffers, name};
  }
  for (const auto& [name, file] : here) {
    if (!there.contains(name)) return {Kind::kFileSurplus, name};
  }
  return {Kind::kEqual};
}

// Null: there is no such minute.
template <typename Files>
MinuteVerdict Judge(const Files* here, const Files* there) {
  if (here == nullptr && there == nullptr) return {Kind::kNeither};
  if (here == nullptr) return {Kind::kOnlyThere};
  if (there == nullptr) return {Kind::kOnlyHere};
  return JudgeFiles(*here, *there);
}

// Names and lengths; nothing: no such directory.
using Lengths = std::map<std::string, uint64_t>;
Result<std::optional<Lengths>> ListLengths(Storage& storage, const std::string& dir) {
  const auto entries = storage.List(dir);
  if (entries.code() == Code::kNotFound) return std::optional<Lengths>();
  DATABUS_RETURN_IF_ERROR(entries.status());
  Lengths lengths;
  for (const DirEntry& entry : *entries) {
    if (!IsVisibleFile(entry)) continue;
    lengths[entry.name] = entry.info.length;
  }
  return std::optional<Lengths>(std::move(lengths));
}

// What a side holds: as its manifests say, else as its directory does.
class SideFiles {
 public:
  // The manifests' word is `content`'s own, until it is asked for another minute.
  Result<const MinuteFiles*> Of(MinuteContent& content, const std::string& stream, Minute minute) {
    DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* streams, content.Described(minute));
    if (const auto found = streams->find(stream); found != streams->end()) return &found->second;
    auto listed = content.Read(stream, minute);
    if (listed.code() == Code::kNotFound) return static_cast<const MinuteFiles*>(nullptr);
    DATABUS_RETURN_IF_ERROR(listed.status());
    listed_ = *std::move(listed);
    return &listed_;
  }

 private:
  MinuteFiles listed_;
};

}  // namespace

Result<MinuteVerdict> MinuteComparison::Compare(const std::string& stream, Minute minute) {
  DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* here, here_.Described(minute));
  DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* there, there_.Described(minute));
  if (undescribed_ == Undescribed::kByLength && !there->contains(stream) &&
      !here->contains(stream)) {
    return CompareLengths(stream, minute);
  }
  // Here first: what a mirror has by now, its primary has had before.
  SideFiles side_here;
  SideFiles side_there;
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles* files_here, side_here.Of(here_, stream, minute));
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles* files_there, side_there.Of(there_, stream, minute));
  return Judge(files_here, files_there);
}

Status MinuteComparison::ReadManifests(Minute minute) {
  DATABUS_RETURN_IF_ERROR(here_.Described(minute).status());
  return there_.Described(minute).status();
}

Result<bool> MinuteComparison::IsDescribedThere(const std::string& stream, Minute minute) {
  DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* there, there_.Described(minute));
  return there->contains(stream);
}

Result<bool> MinuteComparison::IsDescribedHere(const std::string& stream, Minute minute) {
  DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* here, here_.Described(minute));
  return here->contains(stream);
}

Result<MinuteVerdict> MinuteComparison::CompareLengths(const std::string& stream, Minute minute) {
  const std::string dir = paths::MinuteDir(View::kMerged, stream, minute);
  listed_ += 2;
  DATABUS_ASSIGN_OR_RETURN(const auto here, ListLengths(trees_.here, dir));
  DATABUS_ASSIGN_OR_RETURN(const auto there, ListLengths(trees_.there, dir));
  return Judge(here ? &*here : nullptr, there ? &*there : nullptr);
}

}  // namespace databus
