// Every path below a cluster's root, built and parsed in this one place (design: "Files on a
// cluster"). All are relative to `<hdfsurl>/<rootdir>`; times are UTC and zero padded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/minute.h"

namespace databus {

// kLocal: what this cluster's collectors delivered (`streams_local`). kMerged: the merged stream,
// or the mirror of it (`streams`). In our own paths the views are called "local" and "streams".
enum class View : uint8_t { kLocal, kMerged };
std::string_view ViewName(View view);
std::optional<View> ParseViewName(std::string_view name);

// The bucket of streams that is leased, closed and queued together: CRC32C of the name mod
// `groups`.
using Group = uint32_t;
inline constexpr Group kGroupsDefault = 16;
Group GroupOf(std::string_view stream, Group groups);

namespace paths {

std::string Join(std::string_view directory, std::string_view name);
std::string_view Parent(std::string_view path);    // "" for a top-level name
std::string_view BaseName(std::string_view path);  // the last component

// data/
std::string Data();                               // data
std::string DataStream(std::string_view stream);  // data/<stream>
std::string DataCollector(std::string_view stream, std::string_view collector);
std::string DataFile(std::string_view stream, std::string_view collector, std::string_view name);

// streams_local/ and streams/
std::string ViewRoot(View view);  // streams_local | streams
std::string Stream(View view, std::string_view stream);
std::string Hour(View view, std::string_view stream, Minute minute);  // .../YYYY/MM/DD/HH
std::string MinuteDir(View view, std::string_view stream, Minute minute);
std::string MinuteFile(View view, std::string_view stream, Minute minute, std::string_view name);

// What a path below streams_local/ or streams/ names: a minute directory, or a file in one.
struct MinutePath {
  View view = View::kLocal;
  std::string stream;
  Minute minute;
  std::string file;  // empty for the directory itself
  friend bool operator==(const MinutePath&, const MinutePath&) = default;
};
std::optional<MinutePath> ParseMinutePath(std::string_view path);
// A queue line: the full URL that the original wrote, or a relative path. Everything up to and
// including the last "/<view root>/" that leaves a valid minute path is cut off; doubled slashes
// are folded. Nothing when no such path is in it.
std::optional<MinutePath> ParseQueueLine(std::string_view line);

// system/
std::string ClusterId();                              // system/cluster-id
std::string Consumers(std::string_view destination);  // system/consumers/<c>
std::string Mirrors(std::string_view mirror);         // system/mirrors/<c>
// Queue entries and announcements of ours are per group. `<group>.<epoch>.<n>`
struct QueueEntryName {
  Group group = 0;
  uint64_t epoch = 0;
  uint64_t number = 0;
  std::string ToString() const;
  static std::optional<QueueEntryName> Parse(std::string_view name);  // nothing: a foreign entry
  friend bool operator==(const QueueEntryName&, const QueueEntryName&) = default;
};
// What entries, or parts of them, were joined into (worker/queue_join.h): `<last>~<group>-<token>`.
// It has the place in the order of `last`, the youngest of them; the token makes the name new.
struct JoinedEntryName {
  std::string last;
  Group group = 0;
  std::string token;  // 16 hexadecimal digits
  std::string ToString() const;
  static std::optional<JoinedEntryName> Parse(std::string_view name);
  friend bool operator==(const JoinedEntryName&, const JoinedEntryName&) = default;
};
std::string JoinStaging(std::string_view token);       // system/tmp/queue.<token>
bool IsJoinStagingName(std::string_view name_in_tmp);  // "queue.<token>"
std::string OnceStaging(std::string_view token);       // system/tmp/once.<token>
bool IsOnceStagingName(std::string_view name_in_tmp);  // "once.<token>"

std::string Tmp();                                                  // system/tmp
std::string Staging(View view, Group group);                        // system/tmp/<view>/<group>
std::string EpochStaging(View view, Group group, uint64_t epoch);   // .../<epoch>
std::string FencedStaging(View view, Group group, uint64_t epoch);  // .../<epoch>.fenced
struct StagingName {
  uint64_t epoch = 0;
  bool fenced = false;
};
std::optional<StagingName> ParseStagingName(
    std::string_view name);                                // "<epoch>" or "<epoch>.fenced"
std::string CollectorStaging(std::string_view collector);  // system/tmp/data/<collector>

std::string SealedRoot();                        // system/sealed
std::string Sealed(std::string_view collector);  // system/sealed/<collector>
struct AnnouncementName {                        // `<group>.<n>`
  Group group = 0;
  uint64_t number = 0;
  std::string ToString() const;
  static std::optional<AnnouncementName> Parse(std::string_view name);
  friend bool operator==(const AnnouncementName&, const AnnouncementName&) = default;
};

std::string Quarantine(View view, std::string_view stream);  // system/quarantine/<view>/<s>
std::string StatusRoot();                                    // system/status
std::string StatusFile(std::string_view process);            // system/status/<process>.json
// The process, in system/status, that drives the failover with this id.
std::string DriverProcess(std::string_view journal_id);            // failover-<id>
std::string TopologyRoot();                                        // system/topology
std::string TopologyFile(uint64_t epoch);                          // system/topology/<epoch>.xml
std::optional<uint64_t> ParseTopologyName(std::string_view name);  // "<epoch>.xml"
// system/failover/<id>.<revision>.json: the journal of a failover, a file for each revision.
std::string FailoverRoot();
struct FailoverJournalName {
  std::string id;
  uint64_t revision = 0;  // the highest one rules
  std::string ToString() const;
  static std::optional<FailoverJournalName> Parse(std::string_view name);  // nothing: not one
  friend bool operator==(const FailoverJournalName&, const FailoverJournalName&) = default;
};
std::string FailoverJournal(const FailoverJournalName& name);
std::string Leases();  // system/leases
// system/manifests/<view>/<group>/YYYY/MM/DD/HH/MM, or .../MM-<primary> for what a mirror closed as
// a copy of `primary`'s minute. `primary` empty: closed by this cluster's own clock.
std::string ManifestRoot(View view, Group group);
std::string Manifest(View view, Group group, Minute minute, std::string_view primary);
// What corrects or completes the manifests of a closed minute for the streams that it names:
// .../MM~<number>; of several the highest number rules (commit/minute_content.h).
std::string ManifestAmendment(View view, Group group, Minute minute, uint64_t number);
// The last part of the path of any of them.
struct ManifestName {
  std::string minute;  // of the hour: "04"
  std::string primary;
  std::optional<uint64_t> amendment;
  static std::optional<ManifestName> Parse(std::string_view name);
};
// system/divergent/<era>/<stream>/YYYY/MM/DD/HH/MM: what a stale primary published, set aside
// (P32).
std::string DivergentRoot();
std::string DivergentStream(std::string_view era, std::string_view stream);
std::string DivergentMinute(std::string_view era, std::string_view stream, Minute minute);
// system/eras/<group>.<epoch>.<n>, of several of a group the last one rules (commit/eras.h).
std::string Eras();
std::string Checkpoints();  // system/checkpoint: of the original, read once when a tree is adopted
std::string TrashRoot();    // system/trash
// The original of a file that was published as a copy:
// `<collector>~<data file name>~<epoch>-<number>~<bytes published>`. Never twice the same; the data
// file name begins with the stream.
struct TrashName {
  std::string collector;
  std::string data_name;
  uint64_t epoch = 0;
  uint64_t number = 0;
  uint64_t published_bytes = 0;
  std::string ToString() const;
  static std::optional<TrashName> Parse(std::string_view name);  // nothing: somebody else's
  friend bool operator==(const TrashName&, const TrashName&) = default;
};
std::string TrashHour(WallTime now);  // system/trash/YYYY-MM-DD/HH

}  // namespace paths
}  // namespace databus
