#include "sim/reader.h"

#include <fmt/format.h>

#include "commit/minute_tree.h"

namespace databus::sim {
namespace {

std::map<std::string, uint64_t> Lengths(const std::vector<DirEntry>& entries) {
  std::map<std::string, uint64_t> lengths;
  for (const DirEntry& entry : entries) lengths[entry.name] = entry.info.length;
  return lengths;
}

// Somebody puts right what is being read.
Status PutRight() { return {Code::kUnavailable, "is being put right"}; }

}  // namespace

void StreamReader::Fail(const std::string& promise, const std::string& what,
                        const std::string& path) const {
  options_.tell({promise, fmt::format("{}: a reader finds {}", options_.cluster, what), path});
}

Status StreamReader::Poll(Storage& tree) {
  DATABUS_RETURN_IF_ERROR(LookAgain(tree));
  const std::string root = paths::Stream(options_.view, options_.stream);
  if (!position_) {
    DATABUS_ASSIGN_OR_RETURN(position_, OldestMinute(tree, root));
    first_ = position_;
  }
  while (position_) {
    const uint64_t forgotten = forgotten_;
    const auto next = tree.Stat(Dir(position_->Next()));
    if (forgotten != forgotten_) return PutRight();
    if (next.code() == Code::kNotFound) break;  // still open, or purged with all before it
    DATABUS_RETURN_IF_ERROR(next.status());
    DATABUS_RETURN_IF_ERROR(ReadMinute(tree, *position_));
    position_ = position_->Next();
  }
  if (!position_ || tree.Stat(Dir(*position_)).code() != Code::kNotFound) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> oldest, OldestMinute(tree, root));
  if (!oldest || *oldest <= *position_) return Status::Ok();
  fell_behind_ = true;
  position_ = oldest;
  return Status::Ok();
}

Status StreamReader::ReadMinute(Storage& tree, Minute minute) {
  const uint64_t forgotten = forgotten_;
  auto entries = tree.List(Dir(minute));
  if (forgotten != forgotten_) return PutRight();
  if (entries.code() == Code::kNotFound) {
    fell_behind_ = true;
    return Status::Ok();
  }
  DATABUS_RETURN_IF_ERROR(entries.status());
  std::unordered_set<uint64_t> messages;  // all or none of a minute: it may be read again
  for (const DirEntry& entry : *entries) {
    const std::string path = paths::Join(Dir(minute), entry.name);
    const auto bytes = tree.ReadFile(path);
    if (forgotten != forgotten_) return PutRight();
    if (bytes.code() == Code::kNotFound) fell_behind_ = true;
    if (bytes.code() == Code::kNotFound) return Status::Ok();
    DATABUS_RETURN_IF_ERROR(bytes.status());
    const MessageReader::Content& content = messages_.Read(*bytes);
    if (!content.damage.empty()) Fail("G2", content.damage, path);
    for (const uint64_t key : content.keys) {
      if (read_.contains(key) || !messages.insert(key).second) {
        Fail("G3", MessageText(key) + " a second time", path);
      }
    }
  }
  for (const uint64_t key : messages) read_.emplace(key, minute);
  last_ = minute;
  last_files_ = Lengths(*entries);
  return Status::Ok();
}

void StreamReader::Forget(Minute minute) {
  if (last_ && *last_ >= minute) last_.reset();
  if (!position_ || *position_ < minute) return;
  ++forgotten_;
  position_ = minute;
  first_ = std::min(*first_, minute);
  std::erase_if(read_, [&](const auto& one) { return one.second >= minute; });
}

// G4: what was closed is what it was, or purged.
Status StreamReader::LookAgain(Storage& tree) {
  if (!last_) return Status::Ok();
  const auto entries = tree.List(Dir(*last_));
  if (!last_) return PutRight();
  if (entries.code() == Code::kNotFound) last_.reset();
  if (entries.code() == Code::kNotFound) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(entries.status());
  if (Lengths(*entries) != last_files_) {
    Fail("G4", fmt::format("the closed minute {} changed", last_->ToIso()), Dir(*last_));
  }
  last_.reset();
  return Status::Ok();
}

}  // namespace databus::sim
