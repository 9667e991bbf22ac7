#include "storage/hdfs/errors.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace databus::hdfs {
namespace {

struct Meaning {
  // The end of the class's name, so that its relatives are found as well.
  std::string_view exception;
  // What the message must contain, if anything.
  std::string_view text;
  Code code;
  // Put before the server's words; "" leaves them alone.
  std::string_view words;
};

// The first that fits holds.
constexpr std::array kMeanings = {
    // A path below a file is looked up with the permission to pass through it.
    Meaning{"AccessControlException", "(is not a directory)", Code::kNotFound, ""},
    Meaning{"AccessControlException", "SIMPLE authentication is not enabled", Code::kRefused,
            "this cluster wants Kerberos, which is not supported"},
    Meaning{"AccessControlException", "", Code::kRefused,
            "no permission; give the user access to the tree"},
    Meaning{"FileNotFoundException", "", Code::kNotFound, ""},
    Meaning{"ParentNotDirectoryException", "", Code::kNotFound, ""},
    Meaning{"FileAlreadyExistsException", "", Code::kExists, ""},
    Meaning{"AlreadyBeingCreatedException", "", Code::kExists, "somebody is writing it"},
    Meaning{"RecoveryInProgressException", "", Code::kExists, "its writer has died"},
    Meaning{"PathIsNotEmptyDirectoryException", "", Code::kRefused, ""},
    Meaning{"QuotaExceededException", "", Code::kNoSpace,
            "a quota is used up; raise it or free some"},
    Meaning{"QuotaByStorageTypeExceededException", "", Code::kNoSpace,
            "a quota is used up; raise it or free some"},
    Meaning{"SafeModeException", "", Code::kUnavailable,
            "the name node is in safe mode and changes nothing until it leaves it"},
    Meaning{"LeaseExpiredException", "", Code::kRefused,
            "the file is no longer this writer's: it was removed, or closed by another"},
    Meaning{"UnknownCryptoProtocolVersionException", "", Code::kRefused,
            "an encryption zone, which is not supported; take a directory outside of it"},
    Meaning{"InvalidPathException", "", Code::kInvalid, "a name that HDFS does not take"},
    Meaning{"PathComponentTooLongException", "", Code::kRefused, "a name too long for HDFS"},
    Meaning{"MaxDirectoryItemsExceededException", "", Code::kNoSpace, "the directory is full"},
    Meaning{"IllegalArgumentException", "reserved name", Code::kInvalid, ""},
    Meaning{"UnresolvedPathException", "", Code::kRefused,
            "a symbolic link, which is not supported"},
    Meaning{"RpcNoSuchMethodException", "", Code::kRefused,
            "this Hadoop is older than any that is supported"},
    Meaning{"RpcNoSuchProtocolException", "", Code::kRefused,
            "this server is no HDFS name node; the port must be that of fs.defaultFS"},
    Meaning{"StandbyException", "", Code::kUnavailable, "not the active name node"},
    Meaning{"RetriableException", "", Code::kUnavailable,
            "the name node is too busy or not up yet"},
    Meaning{"IOException", "file under source", Code::kRefused, "lies within what is moved"},
    Meaning{"IOException", "must both be directories", Code::kExists, ""},
    Meaning{"IOException", "Pathname too long", Code::kRefused, ""},
    Meaning{"IOException", "could only be written to 0 of", Code::kUnavailable,
            "no data node took the block: all are full, dead or busy"},
    Meaning{"IOException", "could only be written to", Code::kUnavailable,
            "too few data nodes took the block: the others are full, dead or busy"},
};

}  // namespace

std::string RemoteError::ShortClass() const {
  return exception_class.substr(exception_class.find_last_of(".$") + 1);
}

std::string RemoteError::FirstLine() const {
  constexpr size_t kBytesMax = 500;
  return message.substr(0, std::min(message.find('\n'), kBytesMax));
}

Reaction ReactionTo(const RemoteError& error) {
  const std::string name = error.ShortClass();
  if (name == "StandbyException" || name == "ObserverRetryOnActiveException") {
    return Reaction::kOtherNameNode;
  }
  return name == "RetriableException" ? Reaction::kSameLater : Reaction::kFinal;
}

Status StatusOf(const RemoteError& error) {
  const std::string name = error.ShortClass();
  const std::string said = fmt::format("{}: {}", name, error.FirstLine());
  for (const Meaning& meaning : kMeanings) {
    if (!name.ends_with(meaning.exception)) continue;
    if (error.message.find(meaning.text) == std::string::npos) continue;
    if (meaning.words.empty()) return {meaning.code, said};
    return {meaning.code, fmt::format("{} ({})", meaning.words, said)};
  }
  return {Code::kUnavailable, said};
}

}  // namespace databus::hdfs
