#include "collector/spool/marks.h"

#include <algorithm>

#include "base/planted.h"

namespace databus {

MarkTable::Verdict MarkTable::Judge(const BatchId& id) {
  const std::optional<uint64_t> durable = Find(id.sender);
  if (durable && id.number <= *durable) return Verdict::kRepeat;
  const auto pending = pending_.find(id.sender);
  uint64_t mark = pending != pending_.end() ? pending->second : durable.value_or(0);
  // The sender has seen everything below its base acknowledged: a lower mark is a lost memory.
  if (id.base > mark + 1) mark = id.base - 1;
  if (id.number <= mark) {
    return Planted(Bug::kRepeatAnsweredEarly) ? Verdict::kRepeat : Verdict::kPendingRepeat;
  }
  if (id.number != mark + 1 && !Planted(Bug::kGapAccepted)) return Verdict::kGap;
  pending_[id.sender] = id.number;
  return Verdict::kAccept;
}

void MarkTable::Commit(uint64_t segment, WallTime now) {
  for (const auto& [sender, number] : pending_) durable_[sender] = {number, segment, now};
  pending_.clear();
  if (durable_.size() > senders_max_) ForgetOldest();
}

void MarkTable::Restore(const BatchMark& mark, uint64_t segment) {
  if (Planted(Bug::kMarksForgotten)) return;
  Mark& known = durable_[mark.sender];
  if (known.number < mark.number) known = {mark.number, segment, mark.seen};
}

std::vector<BatchMark> MarkTable::ProvedBy(uint64_t segment) const {
  std::vector<BatchMark> marks;
  for (const auto& [sender, mark] : durable_) {
    if (mark.segment == segment) marks.push_back({sender, mark.number, mark.seen});
  }
  return marks;
}

void MarkTable::Forget(WallTime before) {
  std::erase_if(durable_, [&](const auto& item) { return item.second.seen < before; });
}

std::vector<BatchMark> MarkTable::All() const {
  std::vector<BatchMark> marks;
  marks.reserve(durable_.size());
  for (const auto& [sender, mark] : durable_) marks.push_back({sender, mark.number, mark.seen});
  std::sort(marks.begin(), marks.end(),
            [](const BatchMark& a, const BatchMark& b) { return a.sender < b.sender; });
  return marks;
}

std::optional<uint64_t> MarkTable::Find(uint64_t sender) const {
  const auto found = durable_.find(sender);
  if (found == durable_.end()) return std::nullopt;
  return found->second.number;
}

// A tenth goes at once, so that this is rare.
void MarkTable::ForgetOldest() {
  std::vector<BatchMark> marks = All();
  const auto cut = marks.begin() + static_cast<std::ptrdiff_t>(marks.size() / 10 + 1);
  std::nth_element(marks.begin(), cut - 1, marks.end(),
                   [](const BatchMark& a, const BatchMark& b) { return a.seen < b.seen; });
  for (auto it = marks.begin(); it != cut; ++it) durable_.erase(it->sender);
}

}  // namespace databus
