// What collectors tell of messages that may never come. No view can show it: they were in none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace databus {

struct ToldLosses {
  std::vector<std::string> losses;  // one for each problem, with whose it is
  // Heartbeats of collectors that cannot be read, and why: they may tell of more.
  std::vector<std::string> unread;

  bool empty() const { return losses.empty() && unread.empty(); }
};

// What a tree that is not among them tells is left out: its collectors are waited for, and told of,
// by others.
ToldLosses LossesToldOf(const std::map<std::string, Storage*>& trees);

// Behind a sentence that says that nothing is lost in the views; empty: nothing is told.
std::string SentenceOfLossesTold(const ToldLosses& told);

}  // namespace databus
