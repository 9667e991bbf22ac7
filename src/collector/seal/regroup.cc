#include "collector/seal/regroup.h"

#include <algorithm>
#include <cstring>

#include "net/entry_list.h"

namespace databus {
namespace {

constexpr size_t kChunkBytes = size_t{4} << 20;

}  // namespace

std::string_view Regrouped::Keep(std::string_view bytes) {
  if (bytes.size() > chunk_left_) {
    const size_t size = std::max(bytes.size(), kChunkBytes);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    chunk_next_ = chunks_.back().get();
    chunk_left_ = size;
  }
  std::memcpy(chunk_next_, bytes.data(), bytes.size());
  const std::string_view kept(chunk_next_, bytes.size());
  chunk_next_ += bytes.size();
  chunk_left_ -= bytes.size();
  return kept;
}

StreamMessages& Regrouped::Find(std::string_view stream) {
  if (last_ != nullptr && last_->stream == stream) return *last_;
  auto found = streams_.find(stream);
  if (found == streams_.end()) {
    auto fresh = std::make_unique<StreamMessages>();
    fresh->stream = stream;
    const std::string_view key = fresh->stream;
    found = streams_.emplace(key, std::move(fresh)).first;
  }
  last_ = found->second.get();
  return *last_;
}

Status Regrouped::Add(std::string_view entries, WallTime accepted) {
  records_.push_back(Keep(entries));
  return ForEachEntry(records_.back(), [&](std::string_view stream, std::string_view message) {
    StreamMessages& to = Find(stream);
    if (to.runs.empty() || to.runs.back().accepted != accepted) {
      to.runs.push_back({to.messages.size(), accepted});
    }
    to.messages.push_back(message);
    ++messages_;
  });
}

std::vector<const StreamMessages*> Regrouped::Streams() const {
  std::vector<const StreamMessages*> streams;
  streams.reserve(streams_.size());
  for (const auto& [name, stream] : streams_) streams.push_back(stream.get());
  std::sort(streams.begin(), streams.end(),
            [](const auto* a, const auto* b) { return a->stream < b->stream; });
  return streams;
}

}  // namespace databus
