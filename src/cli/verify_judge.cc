#include "cli/verify_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "commit/apply.h"

namespace databus {
namespace {

using Index = std::unordered_map<std::string_view, std::vector<const SeenFile*>>;

Index ByIdentity(const SeenView& view) {
  Index index;
  for (const auto& file : view.files) index[file->identity].push_back(file.get());
  return index;
}

// Names may have got something put before them: where they were set aside, or on a collision (P18).
bool HoldsName(const std::set<std::string>& names, const std::string& name) {
  return std::ranges::any_of(names, [&](const std::string& n) { return n.ends_with(name); });
}

class Judgement {
 public:
  Judgement(const SeenStream& seen, const MinuteRange& range) : seen_(seen), range_(range) {
    for (const SeenView& view : seen_.views) indexes_.emplace(&view, ByIdentity(view));
  }

  std::vector<Finding> Run() {
    const SeenView* merged = seen_.Find(seen_.primary, View::kMerged);
    for (const SeenView& view : seen_.views) {
      if (!view.unreadable.empty()) {
        Add(Verdict::kUnknown, view, nullptr, "cannot be read: " + view.unreadable);
        continue;
      }
      Whole(view);
      Twice(view);
      if (view.view == View::kLocal) SetAside(view);
      if (merged == nullptr || &view == merged) continue;
      if (view.view == View::kLocal) {
        LocalIsMerged(view, *merged);
      } else {
        MirrorEquals(view, *merged);
      }
    }
    if (merged != nullptr && merged->unreadable.empty()) MergedIsLocal(*merged);
    for (const auto& [cluster, why] : seen_.unread) {
      findings_.push_back({Verdict::kUnknown, seen_.stream, cluster, View::kLocal, "", 0, 0,
                           "what waits there cannot be read: " + why});
    }
    for (const auto& [cluster, files] : seen_.delivered) {
      findings_.push_back({Verdict::kPending, seen_.stream, cluster, View::kLocal,
                           paths::DataStream(seen_.stream), files.size(), 0,
                           "delivered by collectors, not yet published"});
    }
    return std::move(findings_);
  }

 private:
  // About `file`, or the whole view when null; `where` is the view that it is said of.
  void Add(Verdict verdict, const SeenView& where, const SeenFile* file, std::string reason,
           std::optional<View> file_view = {}) {
    Finding finding{verdict, seen_.stream, where.cluster, where.view, "", 0, 0, std::move(reason)};
    if (file != nullptr) {
      finding.path =
          paths::MinuteFile(file_view.value_or(where.view), seen_.stream, file->minute, file->name);
      finding.files = 1;
      finding.messages = file->messages;
    }
    findings_.push_back(std::move(finding));
  }

  // Whether it is to be set aside, or fetched, is known when the mirror has been compared. That
  // what it holds is merged is judged by the local views.
  void AddDivergent(const SeenView& where, const SeenFile& file, const SeenView& mirror) {
    Add(Verdict::kPending, where, &file, mirror.divergent);
    findings_.back().divergent_at = mirror.cluster;
  }

  void Whole(const SeenView& view) {
    for (const auto& each : view.files) {
      const SeenFile& file = *each;
      if (range_.Holds(file.minute) && !file.damage.empty()) {
        Add(Verdict::kLost, view, &file, "damaged: " + file.damage);
      }
    }
  }

  // Of merged streams it is told by what the local ones have.
  void SetAside(const SeenView& local) {
    const auto files = std::ranges::count_if(
        local.set_aside, [](const std::string& name) { return !name.ends_with(kReasonSuffix); });
    if (files == 0) return;
    findings_.push_back({Verdict::kPending, seen_.stream, local.cluster, View::kLocal,
                         paths::Quarantine(View::kLocal, seen_.stream),
                         static_cast<uint64_t>(files), 0,
                         "set aside, and in no view; the .reason beside each says why"});
  }

  void Twice(const SeenView& view) {
    for (const auto& [identity, files] : indexes_.at(&view)) {
      for (size_t i = 1; i < files.size(); ++i) {
        if (!range_.Holds(files[i]->minute) && !range_.Holds(files[0]->minute)) continue;
        Add(Verdict::kDoubled, view, files[i],
            files[i]->LooksLike(*files[0])
                ? fmt::format("the same file is also in minute {} as {}", files[0]->minute.ToIso(),
                              files[0]->name)
                : fmt::format("another file of the same identity is in minute {} as {}: their "
                              "contents differ; compare them before one is deleted",
                              files[0]->minute.ToIso(), files[0]->name));
      }
    }
  }

  // Where else a file may be that is not in `view`; nothing: nowhere.
  std::optional<std::pair<Verdict, std::string>> Excuse(const SeenView& view,
                                                        const SeenFile& file) const {
    if (HoldsName(view.in_commit, file.name)) {
      return {
          {Verdict::kPending, fmt::format("in a commit of {} that is not finished", view.cluster)}};
    }
    if (HoldsName(view.set_aside, file.name)) {
      return {{Verdict::kPending, "set aside: " + paths::Quarantine(view.view, seen_.stream)}};
    }
    if (file.minute < view.kept_from) return {{Verdict::kPurged, "older than the retention"}};
    return {};
  }

  bool Queued(const std::string& from, const std::string& to, const std::string& path) const {
    const auto queue = seen_.queued.find({from, to});
    return queue != seen_.queued.end() && queue->second.contains(path);
  }

  // At a change of the primary, in a queue of one of before: the local service puts it into the
  // right one. Null: in none.
  const std::string* QueuedForAnother(const std::string& from, const std::string& path) const {
    for (const auto& [queue, lines] : seen_.queued) {
      if (queue.first == from && lines.contains(path)) return &queue.second;
    }
    return nullptr;
  }

  // Where something that cannot be read may tell of a file, which is said once, of the cluster.
  bool MayBeToldOf(const std::string& from, const std::string& to) const {
    return seen_.unread.contains(from) || seen_.unread.contains(to);
  }

  // Whether the primary will come to a file of this local stream that it lacks, and no queue names.
  bool IsToBeSalvaged(const std::string& source, Minute minute, const std::string& path) const {
    const auto known = seen_.salvage.find(source);
    if (known == seen_.salvage.end()) return false;
    return minute > known->second.looked_to || known->second.missed.contains(path);
  }

  void LocalIsMerged(const SeenView& local, const SeenView& merged) {
    if (!merged.unreadable.empty()) return;  // said once, of that view
    const Index& there = indexes_.at(&merged);
    for (const auto& each : local.files) {
      const SeenFile& file = *each;
      if (!range_.Holds(file.minute) || there.contains(file.identity)) continue;
      const std::string path =
          paths::MinuteFile(View::kLocal, seen_.stream, file.minute, file.name);
      if (Queued(local.cluster, merged.cluster, path)) {
        Add(Verdict::kPending, merged, &file,
            fmt::format("in the queue of {} for {}", local.cluster, merged.cluster), View::kLocal);
      } else if (const std::string* other = QueuedForAnother(local.cluster, path)) {
        Add(Verdict::kPending, merged, &file,
            fmt::format("in the queue of {} for {}, to be put into that for {}", local.cluster,
                        *other, merged.cluster),
            View::kLocal);
      } else if (HoldsName(local.in_commit, file.name)) {
        Add(Verdict::kPending, merged, &file,
            fmt::format("in a commit of {} that is not finished", local.cluster), View::kLocal);
      } else if (const auto excuse = Excuse(merged, file)) {
        Add(excuse->first, merged, &file, excuse->second, View::kLocal);
      } else if (MayBeToldOf(local.cluster, merged.cluster)) {
        continue;
      } else if (IsToBeSalvaged(local.cluster, file.minute, path)) {
        Add(Verdict::kPending, merged, &file,
            fmt::format(
                "{} has become the primary since, and has still to look for it in the local "
                "view of {}",
                merged.cluster, local.cluster),
            View::kLocal);
        findings_.back().to_be_salvaged = true;
      } else {
        Add(Verdict::kLost, merged, &file,
            fmt::format("in the local view of {}, in no queue, and not merged", local.cluster),
            View::kLocal);
      }
    }
  }

  void MirrorEquals(const SeenView& mirror, const SeenView& primary) {
    if (!primary.unreadable.empty()) return;
    const auto same_place = [](const Index& index, const SeenFile& file) {
      const auto found = index.find(file.identity);
      return found != index.end() && std::ranges::any_of(found->second, [&](const SeenFile* other) {
               return other->minute == file.minute && other->name == file.name;
             });
    };
    for (const auto& each : primary.files) {
      const SeenFile& file = *each;
      if (!range_.Holds(file.minute) || same_place(indexes_.at(&mirror), file)) continue;
      const std::string path =
          paths::MinuteFile(View::kMerged, seen_.stream, file.minute, file.name);
      if (!mirror.newest || file.minute >= *mirror.newest) {
        Add(Verdict::kPending, mirror, &file, "the mirror has not closed this minute yet");
      } else if (Queued(primary.cluster, mirror.cluster, path)) {
        Add(Verdict::kPending, mirror, &file,
            fmt::format("in the queue of {} for {}", primary.cluster, mirror.cluster));
      } else if (const auto excuse = Excuse(mirror, file)) {
        Add(excuse->first, mirror, &file, excuse->second);
      } else if (!mirror.divergent.empty()) {
        AddDivergent(mirror, file, mirror);
      } else if (!MayBeToldOf(primary.cluster, mirror.cluster)) {
        Add(Verdict::kLost, mirror, &file,
            fmt::format("on the primary {}, and not at this path here", primary.cluster));
      }
    }
    for (const auto& each : mirror.files) {
      const SeenFile& file = *each;
      // At another place there: said already, of this mirror.
      if (!range_.Holds(file.minute) || indexes_.at(&primary).contains(file.identity)) continue;
      if (const auto excuse = Excuse(primary, file)) {
        Add(excuse->first, primary, &file, excuse->second);
      } else if (!mirror.divergent.empty()) {
        AddDivergent(primary, file, mirror);
      } else if (!MayBeToldOf(primary.cluster, mirror.cluster)) {
        Add(Verdict::kLost, primary, &file,
            fmt::format("on the mirror {}, and not at this path here", mirror.cluster));
      }
    }
  }

  void MergedIsLocal(const SeenView& merged) {
    for (const auto& each : merged.files) {
      const SeenFile& file = *each;
      if (!range_.Holds(file.minute) || file.source.empty()) continue;
      const SeenView* local = seen_.Find(file.source, View::kLocal);
      if (local == nullptr || !local->unreadable.empty()) continue;
      // Its local minute may lie before what was read.
      if (file.sealed - range_.from < kClockMinutesMax && range_.from != kFirstMinute) continue;
      if (indexes_.at(local).contains(file.identity)) continue;
      if (const auto excuse = Excuse(*local, file)) {
        Add(excuse->first, *local, &file, excuse->second, View::kMerged);
      } else if (file.sealed < local->kept_from) {
        // Merged late, and what waited for that went from the local view as soon as it might.
        Add(Verdict::kPurged, *local, &file, "older than the retention", View::kMerged);
      } else {
        Add(Verdict::kLost, *local, &file,
            fmt::format("merged at {}, and not in the local view it came from", merged.cluster),
            View::kMerged);
      }
    }
  }

  const SeenStream& seen_;
  const MinuteRange& range_;
  std::map<const SeenView*, Index> indexes_;
  std::vector<Finding> findings_;
};

bool IsAlarm(const Finding& finding) {
  return finding.verdict == Verdict::kLost || finding.verdict == Verdict::kDoubled;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kLost: return "lost";
    case Verdict::kDoubled: return "doubled";
    case Verdict::kPending: return "pending";
    case Verdict::kPurged: return "purged";
    case Verdict::kUnknown: return "unknown";
  }
  __builtin_unreachable();
}

const SeenView* SeenStream::Find(std::string_view cluster, View view) const {
  for (const SeenView& seen : views) {
    if (seen.cluster == cluster && seen.view == view) return &seen;
  }
  return nullptr;
}

Minute FirstToRead(const MinuteRange& range) {
  return std::max(kFirstMinute,
                  range.from + -std::min(kClockMinutesMax, range.from - kFirstMinute));
}

std::vector<Finding> Judge(const SeenStream& seen, const MinuteRange& range) {
  return Judgement(seen, range).Run();
}

std::vector<Finding> Confirm(const std::vector<Finding>& first, std::vector<Finding> second) {
  const auto key = [](const Finding& f) {
    return std::tuple(f.verdict, f.stream, f.cluster, f.view, f.path);
  };
  std::set<std::tuple<Verdict, std::string, std::string, View, std::string>> known;
  for (const Finding& finding : first) known.insert(key(finding));
  for (Finding& finding : second) {
    if (!IsAlarm(finding) || known.contains(key(finding))) continue;
    finding.verdict = Verdict::kPending;
    finding.reason = "seen once, while the views moved: " + finding.reason;
  }
  return second;
}

}  // namespace databus
