// What the own cluster says of its eras (commit/eras.h), for the services that share its writers:
// read once of a writer, and nothing begun that is perhaps over.
#pragma once

#include <cstdint>
#include <map>

#include "commit/eras.h"

namespace databus {

// One thread at a time.
class EraBook {
 public:
  // `topology_epoch`: the one that the services obey.
  explicit EraBook(uint64_t topology_epoch) : topology_epoch_(topology_epoch) {}

  // Valid until the next call for the group.
  Result<const Eras*> Of(GroupWriter& writer);
  // Whether the stream is known to be in the era of the topology that the services obey. Once true
  // that stays so while they obey it, whoever holds the group.
  bool KnowsBegun(Group group, const StreamSpec& stream) const;
  // Writes it, if it is not what is there.
  //   kUnavailable  also where it would begin an era that is perhaps over: the topology that is
  //                 stored here is newer than the one that the services obey
  Status Set(GroupWriter& writer, Eras eras);

 private:
  struct Page {
    uint64_t epoch = 0;  // of the writer that read it: another one may find another
    Eras eras;
  };

  const uint64_t topology_epoch_;
  std::map<Group, Page> pages_;
};

}  // namespace databus
