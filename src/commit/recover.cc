#include "commit/recover.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/text_format.h"
#include "commit/originals.h"
#include "commit/staged_walk.h"

namespace databus {
namespace {

// Ok where the call was done, or had been done before (the source is gone and the fence is not
// ours).
Status SettledRename(StagingArea& own, const std::string& from, const std::string& to) {
  const Status moved = own.storage().Rename(from, to);
  if (moved.ok()) return moved;
  const auto source = own.storage().Stat(from);
  if (source.code() != Code::kNotFound) return moved;
  return own.CheckOurs();
}

// Takes `path` out of the way; `found` is the path it had when it was judged.
Status IntoQuarantine(ApplyContext context, const std::string& path, const std::string& found,
                      const std::string& reason) {
  StagingArea& own = context.own;
  const std::string to = QuarantinePath(own, paths::BaseName(found), "");
  DATABUS_RETURN_IF_ERROR(PrepareQuarantine(own, to, reason));
  context.incidents.push_back(
      {fmt::format("{}: {}: {}; it is now {}", own.storage().Describe(), found, reason, to)});
  return SettledRename(own, path, to);
}

class Recovery {
 public:
  explicit Recovery(ApplyContext context)
      : context_(context), own_(context.own), storage_(context.own.storage()) {}

  Result<Recovered> Run(const std::vector<uint64_t>& fenced) {
    for (const uint64_t epoch : fenced) {
      if (Planted(Bug::kOnlyNewestFenced) && epoch != fenced.back()) continue;
      if (Planted(Bug::kFencedRemoved)) {
        DATABUS_RETURN_IF_ERROR(
            RemoveTree(storage_, paths::FencedStaging(own_.view(), own_.group(), epoch)));
      }
      DATABUS_RETURN_IF_ERROR(SettledRename(own_,
                                            paths::FencedStaging(own_.view(), own_.group(), epoch),
                                            own_.PathOf(AdoptedName(epoch))));
    }
    DATABUS_ASSIGN_OR_RETURN(const std::vector<Adopted> adopted, Flatten());
    for (const Adopted& one : adopted) {
      DATABUS_RETURN_IF_ERROR(RecoverDir(one.dir));
    }
    return std::move(recovered_);
  }

 private:
  struct Adopted {
    uint64_t epoch;
    std::string dir;
  };

  // A recovery that was itself overtaken leaves r<old> inside r<newer>; bring all to one level, so
  // that paths do not grow. Answers them in the order in which they committed, which also empties
  // what could not be brought up before what it lies in.
  Result<std::vector<Adopted>> Flatten() {
    std::vector<Adopted> adopted;
    std::vector<std::string> open = {own_.dir()};
    while (!open.empty()) {
      const std::string dir = open.back();
      open.pop_back();
      DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage_.List(dir));
      for (const DirEntry& entry : entries) {
        const auto epoch = ParseAdoptedName(entry.name);
        if (!Planted(Bug::kStagedNumbersReused)) own_.SkipPast(staged::Parse(entry.name).number);
        if (!epoch || entry.info.kind != NodeKind::kDirectory) continue;
        std::string flat = own_.PathOf(entry.name);
        if (dir != own_.dir()) {
          const std::string nested = paths::Join(dir, entry.name);
          const Status moved = SettledRename(own_, nested, flat);
          // A slow taker may have got the number of an epoch that was adopted before.
          if (moved.code() == Code::kExists) {
            flat = nested;
          } else if (!moved.ok()) {
            return moved;
          }
        }
        adopted.push_back({*epoch, flat});
        open.push_back(std::move(flat));
      }
    }
    std::stable_sort(adopted.begin(), adopted.end(),
                     [](const Adopted& a, const Adopted& b) { return a.epoch < b.epoch; });
    if (Planted(Bug::kNewestFirst)) std::reverse(adopted.begin(), adopted.end());
    return adopted;
  }

  Status RecoverDir(const std::string& dir) {
    if (!Planted(Bug::kRecordsNotFinished)) DATABUS_RETURN_IF_ERROR(ApplyRecords(dir));
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage_.List(dir));
    for (const DirEntry& entry : entries) {
      DATABUS_RETURN_IF_ERROR(RecoverEntry(dir, entry));
    }
    context_.rows.Hit(RecoveryRow::kFencedDirEmpty);
    const Status removed = storage_.Remove(dir);
    // Not empty: a write that was under way when its holder was fenced has just ended here. The
    // next take-over sweeps it.
    if (removed.code() == Code::kRefused || removed.code() == Code::kNotFound) return Status::Ok();
    return removed;
  }

  Status ApplyRecords(const std::string& dir) {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage_.List(dir));
    std::map<uint64_t, std::map<uint64_t, std::string>> records;  // number, amendment, name
    for (const DirEntry& entry : entries) {
      const staged::Name name = staged::Parse(entry.name);
      if (name.kind != staged::Kind::kRecord || entry.info.kind != NodeKind::kFile) continue;
      records[name.number][name.amendment] = entry.name;
    }
    for (const auto& [number, amendments] : records) {
      DATABUS_RETURN_IF_ERROR(ApplyNewest(dir, amendments));
    }
    return Status::Ok();
  }

  // What the newest amendment has changed must not be done as it was before: where it cannot be
  // read the record is damaged, all of it. What it amends goes first, or would be found alone
  // later.
  Status ApplyNewest(const std::string& dir, const std::map<uint64_t, std::string>& amendments) {
    if (amendments.size() > 1) context_.rows.Hit(RecoveryRow::kRecordSuperseded);
    const std::string& newest = amendments.rbegin()->second;
    const std::string path = paths::Join(dir, newest);
    DATABUS_ASSIGN_OR_RETURN(const std::string text, storage_.ReadFile(path));
    Result<Record> record = Record::Decode(text, storage_.Describe() + ": " + path);
    // Of a newer version: not ours to judge.
    if (record.code() == Code::kInvalid) return record.status();
    if (record.ok()) {
      context_.rows.Hit(RecoveryRow::kRecordFound);
      return Apply(dir, std::move(*record));
    }
    context_.rows.Hit(RecoveryRow::kRecordDamaged);
    DATABUS_RETURN_IF_ERROR(FinishOriginals(dir, amendments));
    for (const auto& [number, amended] : amendments) {
      if (amended != newest) DATABUS_RETURN_IF_ERROR(RemoveSettled(paths::Join(dir, amended)));
    }
    const std::string own_name = staged::RecordName(own_.NextNumber(), 0);
    recovered_.damaged.push_back({own_name, path, record.status().ToString()});
    return SettledRename(own_, path, own_.PathOf(own_name));
  }

  Status Apply(const std::string& dir, Record record) {
    DATABUS_ASSIGN_OR_RETURN(const Applied applied,
                             ApplyRecord(context_, dir, std::move(record), Sources::kFound));
    if (!applied.pending.empty()) recovered_.pending.insert(applied.pending);
    return Status::Ok();
  }

  // The newest of them cannot be read. It was written when the record had been applied in part, and
  // which copies were published then is told by the view; which original each was made from, by any
  // one before. Those that stay would be published again: nobody knows them by their content.
  Status FinishOriginals(const std::string& dir,
                         const std::map<uint64_t, std::string>& amendments) {
    for (auto older = std::next(amendments.rbegin()); older != amendments.rend(); ++older) {
      const std::string path = paths::Join(dir, older->second);
      DATABUS_ASSIGN_OR_RETURN(const std::string text, storage_.ReadFile(path));
      const Result<Record> record = Record::Decode(text, storage_.Describe() + ": " + path);
      if (record.code() == Code::kInvalid) return record.status();
      if (!record.ok()) continue;
      DATABUS_ASSIGN_OR_RETURN(Record left, OriginalsOfPublished(storage_, *record));
      if (left.moves.empty() && left.clean_ups.empty()) return Status::Ok();
      left.number = own_.NextNumber();  // never written, unless its moves are refused
      return Apply(dir, std::move(left));
    }
    return Status::Ok();
  }

  Status RecoverEntry(const std::string& dir, const DirEntry& entry) {
    const bool is_dir = entry.info.kind == NodeKind::kDirectory;
    // What could not be brought up or emptied just now; the next take-over tries again.
    if (is_dir && ParseAdoptedName(entry.name)) return Status::Ok();
    staged::Name name = staged::Parse(entry.name);
    const bool named_as_dir =
        name.kind == staged::Kind::kMinuteDir || name.kind == staged::Kind::kPurged;
    if (is_dir != named_as_dir) name.kind = staged::Kind::kUnknown;
    const std::string path = paths::Join(dir, entry.name);
    switch (name.kind) {
      case staged::Kind::kRecord: return Status::Ok();  // came after the sweep of the records
      case staged::Kind::kPending: {
        context_.rows.Hit(RecoveryRow::kPendingFound);
        if (Planted(Bug::kPendingDropped)) return RemoveSettled(path);
        const std::string own_name = staged::PendingName(own_.NextNumber());
        recovered_.pending.insert(own_name);
        return SettledRename(own_, path, own_.PathOf(own_name));
      }
      case staged::Kind::kClaim: {
        context_.rows.Hit(RecoveryRow::kClaimWithoutRecord);
        if (Planted(Bug::kClaimsRemoved)) return RemoveSettled(path);
        const std::string own_name =
            staged::ClaimName(own_.NextNumber(), name.collector, name.data_name);
        recovered_.claims.push_back({own_name, name.collector, name.data_name});
        return SettledRename(own_, path, own_.PathOf(own_name));
      }
      case staged::Kind::kFile:
        context_.rows.Hit(RecoveryRow::kFileWithoutRecord);
        return RemoveSettled(path);
      case staged::Kind::kMinuteDir:
        context_.rows.Hit(RecoveryRow::kMinuteDirWithoutRecord);
        if (const Status removed = RemoveSettled(path); removed.code() != Code::kRefused) {
          return removed;
        }
        return SetAside(dir, entry.name, "somebody put something into a staged empty directory");
      case staged::Kind::kPurged:
        context_.rows.Hit(RecoveryRow::kPurgedHour);
        return RemoveTree(storage_, path);
      case staged::Kind::kUnknown:
        context_.rows.Hit(RecoveryRow::kUnknownName);
        return SetAside(dir, entry.name, "not a name that Databus gives in a staging directory");
    }
    __builtin_unreachable();
  }

  Status RemoveSettled(const std::string& path) {
    const Status removed = storage_.Remove(path);
    return removed.code() == Code::kNotFound ? Status::Ok() : removed;
  }

  Status SetAside(const std::string& dir, const std::string& name, const std::string& reason) {
    const std::string path = paths::Join(dir, name);
    return IntoQuarantine(context_, path, path, reason);
  }

  ApplyContext context_;
  StagingArea& own_;
  Storage& storage_;
  Recovered recovered_;
};

}  // namespace

Result<Recovered> Recover(ApplyContext context, const std::vector<uint64_t>& fenced) {
  return Recovery(context).Run(fenced);
}

Status SetAsideDamaged(ApplyContext context, const std::vector<DamagedRecord>& damaged) {
  for (const DamagedRecord& record : damaged) {
    DATABUS_RETURN_IF_ERROR(
        IntoQuarantine(context, context.own.PathOf(record.staged), record.found, record.reason));
  }
  return Status::Ok();
}

Status RemoveTree(Storage& storage, const std::string& path) {
  auto listed = storage.List(path);
  if (listed.code() == Code::kNotFound) return Status::Ok();
  if (listed.code() == Code::kRefused) return storage.Remove(path);
  if (!listed.ok()) return listed.status();
  std::vector<std::string> files;
  for (const DirEntry& entry : *listed) {
    const std::string below = paths::Join(path, entry.name);
    if (entry.info.kind == NodeKind::kDirectory) {
      DATABUS_RETURN_IF_ERROR(RemoveTree(storage, below));
    } else {
      files.push_back(below);
    }
  }
  for (const Status& removed : storage.Removes(files)) {
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  const Status removed = storage.Remove(path);
  return removed.code() == Code::kNotFound ? Status::Ok() : removed;
}

}  // namespace databus
