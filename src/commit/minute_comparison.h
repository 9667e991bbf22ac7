// Whether a minute of a stream is equal at two clusters (P16, P32, P35): by manifests, whoever
// closed it, else by what lies in its directory. The one meaning of "equal", for workers that bring
// a mirror in line and for the gates of a failover.
//
// Manifests are of a whole group. So go through the minutes in turn, and in each minute through all
// the streams: then each manifest is read once at each side, however many streams there are.
#pragma once

#include <cstdint>
#include <string>

#include "commit/minute_content.h"

namespace databus {

struct MinuteVerdict {
  enum class Kind : uint8_t {
    kEqual,
    kNeither,  // there is no such minute at either side
    kOnlyHere,
    kOnlyThere,
    kFileMissing,  // a file that is there is not here
    kFileDiffers,
    kFileSurplus,  // one that is here is not there
  };
  Kind kind = Kind::kEqual;
  std::string file{};  // the first that is not equal
};

// Of one group of merged streams at two clusters. For one walk over minutes, not to be kept. One
// thread at a time.
class MinuteComparison {
 public:
  // How minutes are compared that no manifest describes at either side, as in trees of the original
  // system.
  enum class Undescribed : uint8_t {
    kByContent,  // all bytes are read
    kByLength,   // names and lengths: all bytes would take as long as copying them
  };
  struct Trees {
    Storage& here;
    Storage& there;
  };
  MinuteComparison(const Trees& trees, Group group, Undescribed undescribed)
      : trees_(trees),
        undescribed_(undescribed),
        here_(trees.here, View::kMerged, group),
        there_(trees.there, View::kMerged, group) {}

  // Those of the minute at both sides, which are of all its streams; here first, as by Compare.
  // What Compare cannot read of the minute after that is the stream's own.
  Status ReadManifests(Minute minute);
  // kUnavailable, kRefused, kCorrupt: it cannot be known now.
  Result<MinuteVerdict> Compare(const std::string& stream, Minute minute);
  // Whether a manifest there, or here, names the stream.
  Result<bool> IsDescribedThere(const std::string& stream, Minute minute);
  Result<bool> IsDescribedHere(const std::string& stream, Minute minute);
  // How many manifests and other files it has read, and directories listed in their place.
  uint64_t reads() const { return here_.reads() + there_.reads() + listed_; }

 private:
  Result<MinuteVerdict> CompareLengths(const std::string& stream, Minute minute);

  const Trees trees_;
  const Undescribed undescribed_;
  MinuteContent here_;
  MinuteContent there_;
  uint64_t listed_ = 0;
};

}  // namespace databus
