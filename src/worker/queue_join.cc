#include "worker/queue_join.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "cluster/queue_lines.h"

namespace databus {
namespace {

// Of a name that is put into a longer one.
constexpr size_t kLastNameBytesMax = 200;
constexpr int kTokenDigits = 16;

// What becomes one entry.
struct Batch {
  Group group = 0;
  std::string last;          // the name of its youngest entry
  std::set<size_t> members;  // the entries it has lines of
  std::vector<std::string> lines;
  size_t bytes = 0;
};

struct Entry {
  std::string name;
  std::map<Group, std::vector<std::string>> lines;
};

bool IsEntryName(const std::string& name) { return name[0] != '.' && name[0] != '_'; }

std::map<Group, std::vector<std::string>> LinesByGroup(const std::string& text, Group groups) {
  std::map<Group, std::vector<std::string>> lines;
  std::vector<std::string> odd;
  for (const QueueLine& line : QueueLines(text)) {
    auto& of_its_kind = line.path ? lines[GroupOf(line.path->stream, groups)] : odd;
    of_its_kind.emplace_back(line.text);
  }
  if (!odd.empty()) {
    std::vector<std::string>& with = lines.empty() ? lines[0] : lines.begin()->second;
    with.insert(with.end(), odd.begin(), odd.end());
  }
  return lines;
}

class Joiner {
 public:
  Joiner(const QueueDirectory& queue, Random& random, JoinReport& report)
      : queue_(queue), random_(random), report_(report) {}

  Status ReadAll() {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> listed, queue_.storage.List(queue_.path));
    std::vector<std::string> names;
    for (const DirEntry& entry : listed) {
      if (!IsEntryName(entry.name)) continue;
      ++report_.entries_before;
      if (entry.info.kind != NodeKind::kFile) {
        LeaveAlone(entry.name, "is no file");
      } else if (entry.info.length > kQueueEntryBytesMax) {
        LeaveAlone(entry.name, "is too long for a queue entry");
      } else {
        names.push_back(entry.name);
      }
    }
    std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
      return QueueAgeOf(a) < QueueAgeOf(b);
    });
    return Read(names);
  }

  Status Read(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto text = queue_.storage.ReadFile(PathOf(name), kQueueEntryBytesMax);
      if (text.unknown()) return text.status();
      if (text.ok()) {
        auto lines = LinesByGroup(*text, queue_.groups);
        if (!lines.empty()) {
          entries_.push_back({name, std::move(lines)});
        } else {
          LeaveAlone(name, "is empty: perhaps somebody is writing it");
        }
      } else if (text.code() != Code::kNotFound) {
        LeaveAlone(name, text.status().ToString());
      }
    }
    return Status::Ok();
  }

  // Fills batches, group by group in the order of the entries. What would become what it is stays.
  void Plan(size_t bytes_max) {
    std::map<Group, Batch> open;
    for (size_t i = 0; i < entries_.size(); ++i) {
      for (const auto& [group, lines] : entries_[i].lines) {
        Batch& batch = open[group];
        batch.group = group;
        for (const std::string& line : lines) batch.bytes += line.size() + 1;
        batch.lines.insert(batch.lines.end(), lines.begin(), lines.end());
        batch.last = entries_[i].name;
        batch.members.insert(i);
        if (batch.bytes >= bytes_max) Close(std::exchange(batch, {}));
      }
    }
    for (auto& [group, batch] : open) Close(std::move(batch));
  }

  void Count() const {
    report_.joined = Members().size();
    report_.entries_after = report_.entries_before - report_.joined + batches_.size();
    for (const Batch& batch : batches_) report_.lines += TextOf(batch).second;
  }

  Status Publish() {
    std::vector<SmallFile> files;
    std::vector<Move> moves;
    for (const Batch& batch : batches_) {
      JoinedEntry entry =
          MakeJoinedEntry(queue_.path, batch.last, batch.group, TextOf(batch).first, random_);
      files.push_back(std::move(entry.staged));
      moves.push_back(std::move(entry.placed));
    }
    for (const Status& written : queue_.storage.WriteFiles(files)) {
      if (!written.ok()) return GiveUp(written, files);
    }
    for (const Status& moved : queue_.storage.Renames(moves)) {
      if (!moved.ok()) return GiveUp(moved, files);
    }
    return Status::Ok();
  }

  Status RemoveMembers() {
    std::vector<std::string> paths;
    for (const size_t i : Members()) paths.push_back(PathOf(entries_[i].name));
    for (const Status& removed : queue_.storage.Removes(paths)) {
      if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
    }
    return Status::Ok();
  }

  bool NothingToDo() const { return batches_.empty(); }

 private:
  std::string PathOf(const std::string& name) const { return paths::Join(queue_.path, name); }

  void LeaveAlone(const std::string& name, const std::string& why) {
    report_.left_alone.push_back(fmt::format("{} {}", PathOf(name), why));
  }

  void Close(Batch batch) {
    const bool as_it_is =
        batch.members.size() == 1 && entries_[*batch.members.begin()].lines.size() == 1;
    if (!batch.members.empty() && !as_it_is) batches_.push_back(std::move(batch));
  }

  std::set<size_t> Members() const {
    std::set<size_t> members;
    for (const Batch& batch : batches_) {
      members.insert(batch.members.begin(), batch.members.end());
    }
    return members;
  }

  // Each line once, and how many these are.
  static std::pair<std::string, size_t> TextOf(const Batch& batch) {
    std::pair<std::string, size_t> text;
    std::unordered_set<std::string_view> known;
    for (const std::string& line : batch.lines) {
      if (!known.insert(line).second) continue;
      text.first += line;
      text.first += '\n';
      ++text.second;
    }
    return text;
  }

  // Takes back what can be taken back of the staged files; those that are in place stay.
  Status GiveUp(const Status& why, const std::vector<SmallFile>& files) {
    std::vector<std::string> staged;
    for (const SmallFile& file : files) staged.push_back(file.path);
    for (const Status& removed : queue_.storage.Removes(staged)) {
      if (removed.unknown()) break;  // a worker that starts removes them
    }
    return why;
  }

  const QueueDirectory& queue_;
  Random& random_;
  JoinReport& report_;
  std::vector<Entry> entries_;  // the oldest first
  std::vector<Batch> batches_;
};

}  // namespace

JoinedEntry MakeJoinedEntry(const std::string& queue, const std::string& youngest, Group group,
                            std::string text, Random& random) {
  const auto joined = paths::JoinedEntryName::Parse(youngest);
  const std::string last = (joined ? joined->last : youngest).substr(0, kLastNameBytesMax);
  const std::string token = random.Hex(kTokenDigits);
  const std::string staged = paths::JoinStaging(token);
  const paths::JoinedEntryName name{last, group, token};
  return {{staged, std::move(text)}, {staged, paths::Join(queue, name.ToString())}};
}

QueueAge QueueAgeOf(const std::string& name) {
  const auto joined = paths::JoinedEntryName::Parse(name);
  const std::string& base = joined ? joined->last : name;
  const std::string rest = joined ? name : "";
  const auto ours = paths::QueueEntryName::Parse(base);
  if (ours) return {ours->epoch, ours->number, "", rest};
  return {0, 0, base, rest};
}

std::optional<Group> GroupOfEntry(const std::string& name) {
  if (const auto joined = paths::JoinedEntryName::Parse(name)) return joined->group;
  if (const auto ours = paths::QueueEntryName::Parse(name)) return ours->group;
  return std::nullopt;
}

Result<JoinReport> JoinQueue(const QueueDirectory& queue, Random& random, JoinMode mode) {
  JoinReport report;
  Joiner joiner(queue, random, report);
  DATABUS_RETURN_IF_ERROR(joiner.ReadAll());
  joiner.Plan(kJoinedBytes);
  joiner.Count();
  if (joiner.NothingToDo() || mode == JoinMode::kDryRun) return report;
  DATABUS_RETURN_IF_ERROR(joiner.Publish());
  DATABUS_RETURN_IF_ERROR(joiner.RemoveMembers());
  return report;
}

Status SplitQueueEntries(const QueueDirectory& queue, Random& random,
                         const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    JoinReport report;
    Joiner joiner(queue, random, report);
    DATABUS_RETURN_IF_ERROR(joiner.Read({name}));
    joiner.Plan(kQueueEntryBytesMax);
    if (joiner.NothingToDo()) continue;
    DATABUS_RETURN_IF_ERROR(joiner.Publish());
    DATABUS_RETURN_IF_ERROR(joiner.RemoveMembers());
  }
  return Status::Ok();
}

}  // namespace databus
