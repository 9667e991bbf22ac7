// What a minute of a stream holds at a cluster, whoever closed it. The stream may have changed its
// primary since, so that a group's minute can be described by several manifests: the cluster's own
// (MM), those of copies (MM-<primary>), and amendments (MM~<n>) for single streams. The highest
// amendment that names the stream rules, then a copy, then the own one: what a stale primary had
// closed by its own right is set aside before a copy takes its place (P32).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commit/manifest.h"
#include "storage/storage.h"

namespace databus {

// Remembers the hour and the minute that it looked at last: made for one walk over minutes, not to
// be kept. One thread at a time.
class MinuteContent {
 public:
  using Streams = std::map<std::string, MinuteFiles>;

  MinuteContent(Storage& storage, View view, Group group)
      : storage_(storage), view_(view), group_(group) {}

  // All streams that the manifests of the minute name. A damaged manifest names none. kRefused: one
  // may not be read, and nothing is known of any stream.
  Result<const Streams*> Described(Minute minute);
  // One of them; nothing: no manifest names it.
  Result<std::optional<MinuteFiles>> Described(const std::string& stream, Minute minute);
  // The same, or what lies in the directory. kNotFound: neither.
  Result<MinuteFiles> Read(const std::string& stream, Minute minute);
  // A manifest of the minute that Described was asked for last that cannot be read, or empty.
  const std::string& damaged() const { return damaged_; }
  // Whether there is anything but the own manifest of the minute.
  Result<bool> IsAmended(Minute minute);
  // Whether there is any manifest of it, damaged or not.
  Result<bool> IsDescribed(Minute minute);
  // How many files it has read: manifests, and what lies in directories in their place.
  uint64_t reads() const { return reads_; }
  // The number of the minute's next amendment.
  Result<uint64_t> NextAmendment(Minute minute);
  // A manifest was placed there since.
  void Add(const std::string& path);

 private:
  Status LoadHour(Minute minute);
  Result<std::optional<Manifest>> ReadNamed(const std::string& name);

  Storage& storage_;
  const View view_;
  const Group group_;
  std::string hour_;                // the directory, or empty
  std::vector<std::string> names_;  // in it
  std::optional<Minute> minute_;    // that streams_ is of
  Streams streams_;
  std::string damaged_;
  uint64_t reads_ = 0;
};

}  // namespace databus
