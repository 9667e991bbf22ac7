// Which change of its primary each merged stream has been brought through at a cluster (P32). One
// small file per group, put in place out of the holder's staging: so a stale holder cannot say
// what is not true any more.
//
// The primary says here that it has begun an era: nothing will be published any more into minutes
// up to the cut, and those are described by manifests. A mirror says that what it holds was
// compared with a primary that had begun.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/minute.h"
#include "cluster/topology.h"
#include "commit/group_writer.h"

namespace databus {

struct Era {
  std::string primary;
  std::optional<Minute> cut;
  uint64_t settled = 0;  // by which epoch a conflict about the stream was; 0: none
  // Nothing that the topology tells of came before it.
  bool IsFirst() const { return !cut && settled == 0; }
  friend bool operator==(const Era&, const Era&) = default;
};
// The one that the topology says.
Era EraOf(const StreamSpec& stream);

// How far a local stream of a source has been looked through for what is in no queue (P34).
struct Salvaged {
  uint32_t of = 0;  // a checksum over the era in which it was
  Minute to;        // closed minutes up to this one
  friend bool operator==(const Salvaged&, const Salvaged&) = default;
};

// A file that was found there and could not be fetched. It is tried again in every pass, and does
// not hold up the others.
struct MissedFile {
  std::string stream;
  std::string name;
  friend bool operator==(const MissedFile&, const MissedFile&) = default;
};

struct Eras {
  using SourceStream = std::pair<std::string, std::string>;  // cluster, stream
  std::map<std::string, Era> streams;
  std::map<SourceStream, Salvaged> salvaged;
  std::map<std::string, std::map<std::string, MissedFile>> missed;  // by cluster and path there

  // Whether the stream is in the era that its topology says. Nothing recorded: it is not.
  bool IsIn(const StreamSpec& stream) const;
  // The same, or it never had another one.
  bool HasBegun(const StreamSpec& stream) const;
  // Which one the stream is in; nothing: none was begun since the first.
  std::optional<Era> Of(const std::string& stream) const;

  std::string Encode() const;
  static Result<Eras> Decode(std::string_view text, std::string_view where);
  friend bool operator==(const Eras&, const Eras&) = default;
};

// What a cluster says of a group; nothing is said where there is no file or only a damaged one.
//   kUnavailable  also when it was replaced meanwhile
Result<Eras> ReadEras(Storage& storage, Group group);

// In place of what was said before.
Status WriteEras(GroupWriter& writer, const Eras& eras);

}  // namespace databus
