// A consumer of one stream in one view of one cluster: it polls the tree, takes a minute for closed
// when the next one exists, reads it once, and looks a second time whether it is still the same.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/minute.h"
#include "cluster/paths.h"
#include "sim/checker.h"
#include "sim/messages.h"
#include "storage/storage.h"

namespace databus::sim {

class StreamReader {
 public:
  struct Options {
    std::string cluster;
    View view = View::kLocal;
    std::string stream;
    std::function<void(Violation)> tell;  // what it sees that must not be
  };
  explicit StreamReader(Options options) : options_(std::move(options)) {}

  // Reads the minutes that are closed and were not read. kUnavailable: stopped where the tree did
  // not answer; the next poll goes on there.
  Status Poll(Storage& tree);

  // P32: the minute is being put right; it, and what is later, is to be read again.
  void Forget(Minute minute);

  const Options& options() const { return options_; }
  // The first minute that it has not read; nothing before it found one.
  std::optional<Minute> position() const { return position_; }
  // Where it began.
  std::optional<Minute> first() const { return first_; }
  bool HasRead(uint64_t message) const { return read_.contains(message); }
  // Minutes were purged before it came to them.
  bool fell_behind() const { return fell_behind_; }

 private:
  Status ReadMinute(Storage& tree, Minute minute);
  Status LookAgain(Storage& tree);
  std::string Dir(Minute minute) const {
    return paths::MinuteDir(options_.view, options_.stream, minute);
  }
  void Fail(const std::string& promise, const std::string& what, const std::string& path) const;

  const Options options_;
  MessageReader messages_;
  std::optional<Minute> first_;
  std::optional<Minute> position_;
  std::unordered_map<uint64_t, Minute> read_;  // and where
  // The minute that was read last: names and lengths.
  std::optional<Minute> last_;
  std::map<std::string, uint64_t> last_files_;
  bool fell_behind_ = false;
  uint64_t forgotten_ = 0;  // how often
};

}  // namespace databus::sim
