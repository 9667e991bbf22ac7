// What collectors tell of messages that may never come. No view can show it: they were in none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace databus {

// One for each problem, with whose it is. What a tree does not tell now is left out: its collectors
// are waited for, and told of, by others.
std::vector<std::string> LossesToldOf(const std::map<std::string, Storage*>& trees);

// Behind a sentence that says that nothing is lost in the views; empty: nothing is told.
std::string SentenceOfLossesTold(const std::vector<std::string>& told);

}  // namespace databus
