// What an exception of Hadoop's servers means.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace databus::hdfs {

// An exception as it comes over the wire.
struct RemoteError {
  std::string exception_class;  // with its package
  std::string message;          // with stack lines behind it

  // "FileNotFoundException": the class without its package.
  std::string ShortClass() const;
  // The message without stack lines.
  std::string FirstLine() const;
};

// What to do about a call that was answered so.
enum class Reaction : uint8_t {
  kFinal,          // it is the answer
  kOtherNameNode,  // not executed: this one is not the active one
  kSameLater,      // not executed: too busy, or not up yet
};
Reaction ReactionTo(const RemoteError& error);

// The status that says so in our words, with what to do about it. Codes other than kUnavailable are
// certain; what nobody can classify is kUnavailable.
Status StatusOf(const RemoteError& error);

}  // namespace databus::hdfs
