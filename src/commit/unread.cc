// What a group's writer knows of streams that cannot be read (P11): nothing. They wait.
#include <algorithm>

#include <fmt/format.h>

#include "commit/group_writer_draft.h"

namespace databus {

std::map<std::string, std::string> GroupWriter::Unread() const {
  std::map<std::string, std::string> unread;
  for (const auto& [primary, ledger] : ledgers_) {
    for (const auto& [stream, why] : ledger.unread) {
      unread[stream] = fmt::format("{}: {}: {}", options_.storage.Describe(),
                                   paths::Stream(options_.view, stream), why);
    }
  }
  return unread;
}

bool GroupWriter::IsUnread(const std::string& stream) const {
  return std::ranges::any_of(
      ledgers_, [&](const auto& ledger) { return ledger.second.unread.contains(stream); });
}

// What such a record has published and told nobody of may lie in what cannot be read.
Status GroupWriter::CheckAllRead() const {
  const auto unread = Unread();
  if (unread.empty()) return Status::Ok();
  return {Code::kRefused,
          "a commit record is damaged, and what it published has to be looked for: " +
              unread.begin()->second};
}

void GroupWriter::LeaveOut(const std::string& stream, std::string why,
                           std::function<Status()> again) {
  Ledger& ledger = LedgerOf("");
  ledger.streams.erase(stream);
  ledger.unread.emplace(stream, std::move(why));
  left_out_.insert_or_assign(stream, std::move(again));
}

// The stream by itself, and what the others' open minute asks of it beside that.
bool GroupWriter::CanReadMore() const {
  const auto is_read = [](const Status& read) {
    return read.ok() || read.code() == Code::kNotFound;
  };
  for (const auto& [primary, ledger] : ledgers_) {
    for (const auto& [stream, why] : ledger.unread) {
      const auto left_out = left_out_.find(stream);
      if (left_out != left_out_.end() && !is_read(left_out->second())) continue;
      const auto now = LoadLedger(options_.storage, options_.view, options_.group, primary,
                                  {stream}, options_.latest, CutsOf({stream}));
      if (!now.ok() || !now->unread.empty()) continue;
      if (!ledger.open || now->open == ledger.open) return true;
      const auto in_open =
          ReadMinuteFiles(options_.storage, paths::MinuteDir(options_.view, stream, *ledger.open));
      if (is_read(in_open.status())) return true;
    }
  }
  return false;
}

}  // namespace databus
