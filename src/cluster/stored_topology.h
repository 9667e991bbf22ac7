// One epoch of the installation's stored topology: what `system/topology/<epoch>.xml` of every
// cluster holds, and what every process obeys (P27). It is a databus.xml with what a file of 2012
// cannot say: which epoch it is and which one it follows, how collectors deliver, and which streams
// are on their way from one primary to another.
//
//   <databus-topology version="1" epoch="3" adopted="no" author="...">
//     <before epoch="2" digest="0123456789abcdef" plain="0123456789abcdef" adopted="yes"/>
//     <before epoch="1" ...
//     <replaces digest="..."/>
//     <cluster-id cluster="dc1" id="..."/>
//     <alone cluster="dc1"/>
//     <collectors cluster="dc1" stream="clicks" mode="redirect" to="dc2">
//       <receiver>h1:1463</receiver>
//     </collectors>
//     <merged stream="clicks" publication="frozen" cut="2031-05-06T10:04Z"
//             settled="3"/>
//     <databus>...</databus>
//   </databus-topology>
//   <!-- crc32c 01234567 -->
//
// The same value has one text: so the same change, made twice, is the same epoch. Each names all
// that came before it, so that one file tells whether it follows the one that a process obeys.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cluster/route.h"
#include "cluster/topology.h"

namespace databus {

inline constexpr int kStoredTopologyVersion = 1;

// How the collectors of a cluster deliver a stream.
struct ModeRule {
  std::string cluster;
  std::string stream;  // empty: every stream that has no rule of its own
  DeliveryMode mode = DeliveryMode::kDeliver;
  std::string to{};                   // kRedirect: the cluster whose live collectors receive
  std::vector<Endpoint> receivers{};  // kRedirect: these instead of them
  friend bool operator==(const ModeRule&, const ModeRule&) = default;
};

// Whether an operator's file is behind the epoch (then an instance that is started with an older
// file is refused, P29), or a command.
enum class Adopted : uint8_t { kNo, kYes };

// An epoch that came before.
struct PastEpoch {
  uint64_t epoch = 0;
  std::string digest;  // of its text
  std::string plain;   // PlainDigest of its topology
  Adopted adopted = Adopted::kNo;
  friend bool operator==(const PastEpoch&, const PastEpoch&) = default;
};
inline constexpr size_t kPastEpochsMax = 1000;

// The rule of `modes` for a stream of a cluster's collectors: its own, else the cluster's (`stream`
// empty: only that). Null: none.
const ModeRule* FindModeRule(const std::vector<ModeRule>& modes, std::string_view cluster,
                             std::string_view stream);

struct StoredTopology {
  uint64_t epoch = 1;
  std::vector<PastEpoch> before;      // the newest first; the oldest beyond kPastEpochsMax are gone
  std::vector<std::string> replaces;  // digests of the other sides of conflicts that were settled
  Adopted adopted = Adopted::kNo;
  std::string author;                              // one line: what made it
  std::map<std::string, std::string> cluster_ids;  // P1, as far as they were known
  // P28: the cluster that an operator has confirmed to be the only one there is; it need not read a
  // majority for streams that wait when they are alone. Stays until an epoch says otherwise: a
  // change of roles clears it. Empty: none.
  std::string alone{};
  std::vector<ModeRule> modes;
  Topology topology;

  std::string Encode() const;
  // kCorrupt: damaged, or not one; kInvalid: of a newer version. `where` is for messages.
  static Result<StoredTopology> Decode(std::string_view text, const std::string& where);

  const ModeRule* FindMode(std::string_view cluster, std::string_view stream) const {
    return FindModeRule(modes, cluster, stream);
  }

  // The epoch after this one, with everything as it is but the author: to be changed and stored.
  StoredTopology Next(std::string author_of_next) const;
  // Whether the text with this digest came before this one, or was replaced by it.
  bool Follows(std::string_view digest) const;
};

// By which a later epoch names this text.
std::string TopologyDigest(std::string_view text);
// "7/0123456789abcdef": one of several epochs of a number, as operators name it.
std::string EpochLabel(uint64_t epoch, std::string_view digest);

// The topology as a databus.xml, without what only a stored one says.
std::string FormatTopology(const Topology& topology);
// Of that, whatever the order of its clusters, streams, sources and destinations.
std::string PlainDigest(const Topology& topology);

}  // namespace databus
