// `databus verify`, the judgement: what was seen of one stream on all clusters, and what follows
// from it, file by file. Pure; the facts come from cli/verify_observe.h.
//
// What must hold, by identity (P17, P18):
//   every file of a local view is in the merged view of the stream's primary,
//   every file of the merged view is in the local view of the cluster it came from,
//   every mirror's minute has the files of the primary's minute (G6),
//   no view shows an identity twice (G3), and every file is whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/minute.h"
#include "cli/installation.h"
#include "cluster/paths.h"

namespace databus {

enum class Verdict : uint8_t {
  kLost,     // it should be in a view and is in none of the places where it may wait
  kDoubled,  // it is visible more than once in one view
  kPending,  // on its way, or set aside where somebody is told
  kPurged,   // gone by retention
  kUnknown,  // something that decides it cannot be read
};
std::string_view VerdictName(Verdict verdict);

struct SeenFile {
  std::string identity;  // of the header; of a foreign file: its name and length
  std::string source;    // the cluster it came from; empty when only the name could tell
  Minute minute;         // of its directory
  Minute sealed;         // of its name
  std::string name;
  uint64_t messages = 0;
  std::string damage;  // why it is not whole; empty: nothing found
  // What tells one content from another, as far as it is known without reading it.
  uint64_t length = 0;
  std::optional<uint32_t> payload_crc32c{};  // of the header

  bool LooksLike(const SeenFile& other) const {
    return length == other.length && messages == other.messages &&
           payload_crc32c == other.payload_crc32c;
  }
};

// One view of the stream on one cluster. `files` are those from the first minute asked for on.
struct SeenView {
  std::string cluster;
  View view = View::kLocal;
  std::string unreadable;  // why; then nothing else is known
  std::vector<std::shared_ptr<const SeenFile>> files;
  std::optional<Minute> newest;     // read before the files
  Minute kept_from;                 // retention may have removed older minutes
  std::set<std::string> in_commit;  // names of files in commits that are not finished
  std::set<std::string> set_aside;  // names in this view's quarantine
  // Of a mirror that has not been brought through the last change of its primary, so that it may
  // differ still (P32): that this is so.
  std::string divergent{};
};

// How far the primary has looked through a source's local stream for what no queue names any more,
// since it became the primary (P34).
struct SeenSalvage {
  Minute looked_to = kFirstMinute;  // closed minutes up to this one
  // Paths that were found, could not be fetched, and are tried again.
  std::set<std::string> missed{};
};

struct SeenStream {
  std::string stream;
  std::string primary;
  std::vector<SeenView> views = {};  // locals, then the primary's merged one, then the mirrors'
  // Paths in the queues, by (holder, destination).
  std::map<std::pair<std::string, std::string>, std::set<std::string>> queued = {};
  // Clusters of which something besides its views cannot be read (data/, a queue, its eras), and
  // why: nothing is lost that may be told of there.
  std::map<std::string, std::string> unread = {};
  // Files in data/ that are not published, by cluster: the names that they will get.
  std::map<std::string, std::set<std::string>> delivered = {};
  // By source, read before the primary's merged view: what was looked at by then is merged in that.
  // Empty: the stream has never had another primary.
  std::map<std::string, SeenSalvage> salvage = {};

  const SeenView* Find(std::string_view cluster, View view) const;
};

struct Finding {
  Verdict verdict = Verdict::kUnknown;
  std::string stream;
  std::string cluster;  // where it is missing, doubled, damaged
  View view = View::kLocal;
  std::string path;  // of the file, where it is
  uint64_t files = 1;
  uint64_t messages = 0;
  std::string reason;
  std::string divergent_at{};   // the mirror that has to be compared before it is known
  bool to_be_salvaged = false;  // pending: the primary has still to look for it (SeenSalvage)
};

// A collector's clock may be this much ahead of the worker's that publishes its file, and that much
// ahead of the worker's that merges it.
inline constexpr int64_t kClockMinutesMax = 5;

// From where on views have to be read, so that the files of `range` can be judged: what answers to
// one of them in another view may lie in an earlier minute there.
Minute FirstToRead(const MinuteRange& range);

// Judges the files of `range`.
std::vector<Finding> Judge(const SeenStream& seen, const MinuteRange& range);

// Lost and doubled are believed when two observations, one after the other, say the same: views
// move while they are read. What only `second` says is pending.
std::vector<Finding> Confirm(const std::vector<Finding>& first, std::vector<Finding> second);

}  // namespace databus
