#include "collector/service/entry_judge.h"

#include <fmt/format.h>

#include <utility>

#include "cluster/names.h"

namespace databus {

void EntryJudge::Use(ConfigSnapshot config) {
  if (config == config_) return;
  config_ = std::move(config);
  ++configs_;
}

std::optional<std::string> EntryJudge::Refuse(std::string_view name, std::string_view message,
                                              Stream*& stream) {
  stream = nullptr;
  if (message.size() > static_cast<uint64_t>(config_->message_bytes_max)) {
    return fmt::format("message of {} bytes, at most {} are taken", message.size(),
                       config_->message_bytes_max);
  }
  auto at = streams_.find(name);
  if (at == streams_.end() || at->second->known != configs_) {
    // Names are remembered only when they are good, so that bad ones cost no memory.
    if (const Status valid = ValidateStreamName(name); !valid.ok()) return valid.message();
    if (config_->FindStore(name) == nullptr) {
      return "no <store> takes this stream, and there is none of category=default";
    }
    MutexLock lock(mutex_);
    at = streams_.try_emplace(std::string(name), std::make_unique<Stream>()).first;
    at->second->known = configs_;
  }
  stream = at->second.get();
  return std::nullopt;
}

Judgement EntryJudge::Judge(std::string_view entries) {
  Judgement judgement;
  ++calls_;
  std::string_view last_name;
  Stream* last = nullptr;
  const auto message_bytes_max = static_cast<uint64_t>(config_->message_bytes_max);
  const auto visit = [&](std::string_view name, std::string_view message) {
    // Neighbours are mostly of one stream.
    if (last == nullptr || name != last_name || message.size() > message_bytes_max) {
      if (name.empty()) ++judgement.blank_categories;
      if (auto reason = Refuse(name, message, last)) {
        judgement.rejected.push_back({std::string(name), std::string(message), *std::move(reason)});
        return;
      }
      last_name = name;
      if (last->call != calls_) {
        last->call = calls_;
        last->share = judgement.shares.size();
        judgement.shares.push_back({.counts = &last->counts});
      }
    }
    StreamShare& share = judgement.shares[last->share];
    share.bytes += message.size();
    ++share.messages;
    if (message.empty()) ++judgement.empty_messages;
  };
  // Well-formed, as the caller says.
  static_cast<void>(ForEachEntry(entries, visit));
  for (const StreamShare& share : judgement.shares) {
    if (share.counts->queued_bytes >= static_cast<uint64_t>(config_->max_queue_bytes)) {
      judgement.verdict = Verdict::kFull;
      share.counts->denied_for_queue_size += share.messages;
    }
  }
  return judgement;
}

EntryList EntryJudge::KeepGood(std::string_view entries) {
  EntryList good;
  static_cast<void>(ForEachEntry(entries, [&](std::string_view name, std::string_view message) {
    Stream* stream = nullptr;
    if (!Refuse(name, message, stream)) good.Add(name, message);
  }));
  return good;
}

void EntryJudge::Enter(const std::vector<StreamShare>& shares) {
  for (const StreamShare& share : shares) share.counts->queued_bytes += share.bytes;
}

void EntryJudge::Leave(const std::vector<StreamShare>& shares) {
  for (const StreamShare& share : shares) share.counts->queued_bytes -= share.bytes;
}

void EntryJudge::AddCounters(std::map<std::string, int64_t>& counters) const {
  MutexLock lock(mutex_);
  for (const auto& [name, stream] : streams_) {
    counters[name + ":received good"] = static_cast<int64_t>(stream->counts.received_good);
    const uint64_t denied = stream->counts.denied_for_queue_size;
    if (denied > 0) counters[name + ":denied for queue size"] = static_cast<int64_t>(denied);
  }
}

}  // namespace databus
