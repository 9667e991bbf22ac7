#include "commit/minute_tree.h"

#include <algorithm>
#include <array>

#include "base/planted.h"
#include "cluster/paths.h"

namespace databus {
namespace {

// The four levels above the minute: how many digits a name has, and the range it may have.
struct Level {
  size_t digits;
  int least;
  int most;
};
constexpr std::array<Level, 4> kLevels = {{{4, 1970, 9999}, {2, 1, 12}, {2, 1, 31}, {2, 0, 23}}};

std::optional<int> ParseLevel(const Level& level, std::string_view name) {
  if (name.size() != level.digits) return std::nullopt;
  int value = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value < level.least || value > level.most) return std::nullopt;
  return value;
}

class Walker {
 public:
  using Visit = std::function<Walk(Minute, const DirEntry&)>;
  Walker(Storage& storage, std::string root, Minute from, Minute to, Order order,
         const Visit& visit)
      : storage_(storage),
        root_(std::move(root)),
        from_(from.ToPath()),
        to_(to.ToPath()),
        order_(order),
        visit_(visit) {}

  // `prefix` is "", "2031", "2031/05", ... ; `depth` the number of its parts.
  Result<Walk> Descend(const std::string& prefix, size_t depth) {
    const std::string dir = prefix.empty() ? root_ : paths::Join(root_, prefix);
    auto listed = storage_.List(dir);
    if (listed.code() == Code::kNotFound || IsNoDirectory(listed.status(), dir)) {
      return Walk::kContinue;
    }
    if (!listed.ok()) return listed.status();
    if (order_ == Order::kDescending) std::reverse(listed->begin(), listed->end());
    if (depth == kLevels.size()) return VisitHour(prefix, *listed);
    for (const DirEntry& entry : *listed) {
      if (!ParseLevel(kLevels[depth], entry.name)) continue;
      const std::string path = prefix.empty() ? entry.name : paths::Join(prefix, entry.name);
      if (!Overlaps(path)) continue;
      DATABUS_ASSIGN_OR_RETURN(const Walk next, Descend(path, depth + 1));
      if (next == Walk::kStop) return Walk::kStop;
    }
    return Walk::kContinue;
  }

 private:
  // A file in the way is passed over. A directory that may not be read is not an empty one.
  bool IsNoDirectory(const Status& listed, const std::string& path) {
    if (listed.code() != Code::kRefused) return false;
    if (Planted(Bug::kDeniedMinutesAreNone)) return true;
    const auto there = storage_.Stat(path);
    return there.code() == Code::kNotFound || (there.ok() && there->kind != NodeKind::kDirectory);
  }

  // Paths are zero padded, so the order of times is the order of their prefixes.
  bool Overlaps(const std::string& path) const {
    return path >= from_.substr(0, path.size()) && path <= to_.substr(0, path.size());
  }

  Result<Walk> VisitHour(const std::string& hour, const std::vector<DirEntry>& entries) {
    const auto first = Minute::ParsePath(paths::Join(hour, "00"));
    if (!first) return Walk::kContinue;  // the 31st of February
    for (const DirEntry& entry : entries) {
      if (visit_(*first, entry) == Walk::kStop) return Walk::kStop;
    }
    return Walk::kContinue;
  }

  Storage& storage_;
  const std::string root_;
  const std::string from_;
  const std::string to_;
  const Order order_;
  const Visit& visit_;
};

Result<std::optional<Minute>> FirstInOrder(Storage& storage, const std::string& root, Order order,
                                           Minute latest) {
  std::optional<Minute> found;
  DATABUS_RETURN_IF_ERROR(WalkHours(
      storage, root, kFirstMinute, latest, order, [&](Minute hour, const DirEntry& entry) {
        const auto minute = MinuteInHour(hour, entry.name);
        if (entry.info.kind != NodeKind::kDirectory || !minute || *minute > latest) {
          return Walk::kContinue;
        }
        found = minute;
        return Walk::kStop;
      }));
  return found;
}

}  // namespace

std::optional<Minute> MinuteInHour(Minute hour, std::string_view name) {
  const auto value = ParseLevel({2, 0, 59}, name);
  if (!value) return std::nullopt;
  return hour + *value;
}

Status WalkHours(Storage& storage, const std::string& root, Minute from, Minute to, Order order,
                 const std::function<Walk(Minute, const DirEntry&)>& visit) {
  if (from > to) return Status::Ok();
  return Walker(storage, root, from, to, order, visit).Descend("", 0).status();
}

Result<std::vector<Minute>> ListMinutes(Storage& storage, const std::string& root, Minute from,
                                        Minute to) {
  std::vector<Minute> minutes;
  DATABUS_RETURN_IF_ERROR(WalkHours(
      storage, root, from, to, Order::kAscending, [&](Minute hour, const DirEntry& entry) {
        const auto minute = MinuteInHour(hour, entry.name);
        if (minute && entry.info.kind == NodeKind::kDirectory && *minute >= from && *minute <= to) {
          minutes.push_back(*minute);
        }
        return Walk::kContinue;
      }));
  return minutes;
}

Result<std::optional<Minute>> NewestMinute(Storage& storage, const std::string& root,
                                           Minute latest) {
  return FirstInOrder(storage, root, Order::kDescending, latest);
}

Result<std::optional<Minute>> NewestMinuteOfHour(Storage& storage, const std::string& root,
                                                 Minute minute) {
  const std::string hour(paths::Parent(minute.ToPath()));
  const auto first = Minute::ParsePath(paths::Join(hour, "00"));
  const auto listed = storage.List(paths::Join(root, hour));
  if (listed.code() == Code::kNotFound || !first) return std::optional<Minute>();
  DATABUS_RETURN_IF_ERROR(listed.status());
  std::optional<Minute> newest;
  for (const DirEntry& entry : *listed) {
    const auto found = MinuteInHour(*first, entry.name);
    if (found && entry.info.kind == NodeKind::kDirectory) newest = found;
  }
  return newest;
}

Result<std::optional<Minute>> OldestMinute(Storage& storage, const std::string& root) {
  return FirstInOrder(storage, root, Order::kAscending, kLastMinute);
}

bool IsVisibleFile(const DirEntry& entry) {
  return entry.info.kind == NodeKind::kFile && entry.name[0] != '_' && entry.name[0] != '.';
}

Result<bool> OldestMinutes::MayHold(const std::string& stream, Minute minute) {
  auto known = oldest_.find(stream);
  if (known == oldest_.end()) {
    DATABUS_ASSIGN_OR_RETURN(const auto oldest,
                             OldestMinute(storage_, paths::Stream(view_, stream)));
    known = oldest_.emplace(stream, oldest).first;
  }
  return known->second && *known->second <= minute;
}

}  // namespace databus
