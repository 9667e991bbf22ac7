// The proof of a torture: reads what became visible, each file once, and compares it with the
// producers' records, with what was there before, and with the other clusters.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "cli/demo/hop_watch.h"
#include "cli/seams.h"
#include "storage/storage.h"
#include "tests/torture/installation.h"

namespace databus {

// One thread. What is promised and broken comes as kCorrupt, with all there is to say.
class Audit {
 public:
  Audit(const Installation& installation, Seams& seams);

  // Reads the files that are new. kCorrupt: a message that is there twice, or that nobody sent.
  // Any other: something cannot be read (now).
  Status Read();
  // Ok when every acknowledged number is in every hop and every mirror holds what its primary does,
  // as far as Read has come. kUnavailable: what is missing first, and where it was last seen.
  Status Complete() const;
  // At the end of a round: no minute that was closed has changed, no minute is missing between two,
  // and nothing is left that somebody would have to repair: nothing in quarantine, in data/ or
  // rejected by a collector.
  Status CheckTrees();
  // Every file that was ever read still has the same bytes.
  Status ReadAgain();

  uint64_t acknowledged() const;
  uint64_t seen() const;  // different messages in the local streams
  size_t files() const { return files_; }

 private:
  struct File {
    uint64_t length = 0;
    uint32_t crc32c = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  using Files = std::map<std::string, File>;  // by name
  struct Tree {
    HopView where;
    std::unique_ptr<Storage> storage;
    std::map<Minute, Files> minutes = {};
  };
  // Where each number of a source was seen on one hop: an index of places_, 0 is nowhere.
  using Numbers = std::vector<uint32_t>;

  Status ReadTree(Tree& tree, Minute from);
  Status ReadMinute(Tree& tree, Minute minute);
  Status Tally(const Tree& tree, std::string_view line, const std::string& path);
  Status CompareMirrors() const;
  Status CompareClosed(Tree& tree);
  Status FindLeftovers() const;
  std::string LastSeen(const DemoSource& source, uint64_t number) const;

  const Installation& installation_;
  Seams& seams_;
  std::vector<Tree> trees_;
  std::array<std::map<DemoSource, Numbers>, kAllHops.size()> numbers_;
  std::vector<std::string> places_{""};
  Status cannot_open_ = Status::Ok();
  size_t files_ = 0;
};

}  // namespace databus
