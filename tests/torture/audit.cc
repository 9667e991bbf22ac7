#include "tests/torture/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "audit/gzip.h"
#include "base/crc32c.h"
#include "cli/installation.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

namespace fs = std::filesystem;

std::string_view Short(std::string_view line) { return line.substr(0, line.find(' ', 24)); }

Status Broken(std::string what) { return {Code::kCorrupt, std::move(what)}; }

// The first regular file below `directory`, or nothing.
std::string FirstFile(const std::string& directory) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_regular_file(error)) return entry->path().string();
  }
  return "";
}

}  // namespace

Audit::Audit(const Installation& installation, Seams& seams)
    : installation_(installation), seams_(seams) {
  for (const HopView& view : HopViews(installation.site.topology)) {
    auto storage = OpenCluster(seams, installation.site.topology, view.cluster);
    if (storage.ok()) {
      trees_.push_back({.where = view, .storage = std::move(*storage)});
    } else {
      cannot_open_ = storage.status();
    }
  }
}

// In the direction of the flow, so that what was seen downstream was seen upstream.
Status Audit::Read() {
  DATABUS_RETURN_IF_ERROR(cannot_open_);  // what is not looked at is not clean
  for (Tree& tree : trees_) {
    DATABUS_RETURN_IF_ERROR(
        ReadTree(tree, tree.minutes.empty() ? kFirstMinute : tree.minutes.rbegin()->first));
  }
  return Status::Ok();
}

Status Audit::ReadTree(Tree& tree, Minute from) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(*tree.storage, paths::Stream(tree.where.view(), tree.where.stream), from,
                  kLastMinute));
  for (const Minute minute : minutes) DATABUS_RETURN_IF_ERROR(ReadMinute(tree, minute));
  return Status::Ok();
}

Status Audit::ReadMinute(Tree& tree, Minute minute) {
  const View view = tree.where.view();
  const std::string directory = paths::MinuteDir(view, tree.where.stream, minute);
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries,
                           ListMinuteFiles(*tree.storage, directory));
  Files& known = tree.minutes[minute];
  for (const DirEntry& entry : entries) {
    if (known.contains(entry.name)) continue;
    const std::string path = paths::Join(directory, entry.name);
    DATABUS_ASSIGN_OR_RETURN(const std::string bytes, tree.storage->ReadFile(path, 1u << 30));
    const auto text = GunzipAll(bytes);
    if (!text.ok())
      return Broken(fmt::format("{} {}: {}", tree.where.cluster, path, text.status().ToString()));
    for (size_t at = 0; at < text->size();) {
      const size_t end = std::min(text->find('\n', at), text->size());
      DATABUS_RETURN_IF_ERROR(Tally(tree, std::string_view(*text).substr(at, end - at), path));
      at = end + 1;
    }
    known[entry.name] = {bytes.size(), Crc32c(bytes)};
    ++files_;
  }
  return Status::Ok();
}

Status Audit::Tally(const Tree& tree, std::string_view line, const std::string& path) {
  const auto message = installation_.input->Recognise(line);
  if (!message || message->source.stream != tree.where.stream) {
    return Broken(
        fmt::format("strange: \"{}\" in {} of {}", line.substr(0, 80), path, tree.where.cluster));
  }
  Numbers& numbers = numbers_[static_cast<size_t>(tree.where.hop)][message->source];
  if (numbers.size() < message->number) numbers.resize(message->number);
  uint32_t& place = numbers[message->number - 1];
  std::string here = fmt::format("{}: {}", tree.where.cluster, path);
  if (place != 0) {
    return Broken(fmt::format("doubled in {}: \"{}\", in {} and in {}", HopName(tree.where.hop),
                              Short(line), places_[place], here));
  }
  if (places_.back() != here) places_.push_back(std::move(here));
  place = static_cast<uint32_t>(places_.size() - 1);
  return Status::Ok();
}

std::string Audit::LastSeen(const DemoSource& source, uint64_t number) const {
  std::string seen;
  for (const Hop hop : kAllHops) {
    const auto& numbers = numbers_[static_cast<size_t>(hop)];
    const auto found = numbers.find(source);
    const uint32_t place =
        found == numbers.end() || found->second.size() < number ? 0 : found->second[number - 1];
    seen += fmt::format("; {}: {}", HopName(hop), place == 0 ? "nowhere" : places_[place]);
  }
  return seen;
}

Status Audit::Complete() const {
  for (const Hop hop : kAllHops) {
    for (const SourceRecord& record : installation_.records) {
      const auto& of_hop = numbers_[static_cast<size_t>(hop)];
      const auto found = of_hop.find(record.source);
      const Numbers none;
      const Numbers& numbers = found == of_hop.end() ? none : found->second;
      const RecordFile& file = *record.file;
      for (uint32_t index = 0; index < file->lives; ++index) {
        const ProducerLife& life = file->life[index];
        const uint64_t used = life.last + 1 - life.first;
        uint64_t may_miss = used - std::min<uint64_t>(used, life.acknowledged);
        for (uint64_t number = life.first; number <= life.last; ++number) {
          if (number <= numbers.size() && numbers[number - 1] != 0) continue;
          // One batch under way at a time is answered in order: what was acknowledged comes first.
          const bool certain = file->in_flight_max == 1 && number < life.first + life.acknowledged;
          if (!certain && may_miss > 0) {
            --may_miss;
            continue;
          }
          return {Code::kUnavailable,
                  fmt::format("missing in {}: {} {} {} (life {} of its producer: {} to {}, {} "
                              "acknowledged){}",
                              HopName(hop), record.source.stream, record.source.collector, number,
                              index + 1, life.first.load(), life.last.load(),
                              life.acknowledged.load(), LastSeen(record.source, number))};
        }
      }
    }
  }
  return CompareMirrors();
}

Status Audit::CompareMirrors() const {
  for (const Tree& mirror : trees_) {
    if (mirror.where.hop != Hop::kMirror) continue;
    const auto primary = std::ranges::find_if(trees_, [&](const Tree& tree) {
      return tree.where.hop == Hop::kMerged && tree.where.stream == mirror.where.stream;
    });
    for (const auto& [minute, files] : mirror.minutes) {
      const auto same = primary->minutes.find(minute);
      if (same == primary->minutes.end()) {
        return {Code::kUnavailable, fmt::format("{} has minute {}, its primary has not",
                                                mirror.where.cluster, minute.ToIso())};
      }
      for (const auto& [name, file] : files) {
        const auto original = same->second.find(name);
        if (original == same->second.end() || original->second != file) {
          return {Code::kUnavailable, fmt::format("{} {} in {} is not what its primary has",
                                                  minute.ToIso(), name, mirror.where.cluster)};
        }
      }
    }
    // Its newest minute may be one that the mirror does not have yet, if nothing is in it.
    for (const auto& [minute, files] : primary->minutes) {
      const auto same = mirror.minutes.find(minute);
      if (same == mirror.minutes.end() && files.empty() &&
          minute == primary->minutes.rbegin()->first) {
        continue;
      }
      if (same == mirror.minutes.end() || same->second.size() != files.size()) {
        return {Code::kUnavailable, fmt::format("{} of {} is not all in its mirror", minute.ToIso(),
                                                mirror.where.stream)};
      }
    }
  }
  return Status::Ok();
}

Status Audit::CheckTrees() {
  for (Tree& tree : trees_) DATABUS_RETURN_IF_ERROR(CompareClosed(tree));
  return FindLeftovers();
}

Status Audit::CompareClosed(Tree& tree) {
  const View view = tree.where.view();
  const std::string root = paths::Stream(view, tree.where.stream);
  const std::string what =
      fmt::format("{} of {} in {}", root, tree.where.cluster, HopName(tree.where.hop));
  DATABUS_ASSIGN_OR_RETURN(const std::vector<Minute> minutes,
                           ListMinutes(*tree.storage, root, kFirstMinute, kLastMinute));
  for (size_t index = 1; index < minutes.size(); ++index) {
    if (minutes[index] - minutes[index - 1] != 1) {
      return Broken(fmt::format("{}: a hole after minute {}", what, minutes[index - 1].ToIso()));
    }
  }
  for (const auto& [minute, files] : tree.minutes) {
    if (minutes.empty() || minute < minutes.front() || minute > minutes.back()) {
      return Broken(fmt::format("{}: minute {} is gone", what, minute.ToIso()));
    }
    DATABUS_ASSIGN_OR_RETURN(
        const std::vector<DirEntry> entries,
        ListMinuteFiles(*tree.storage, paths::MinuteDir(view, tree.where.stream, minute)));
    if (minute != minutes.back() && entries.size() != files.size() &&
        minute != tree.minutes.rbegin()->first) {
      return Broken(fmt::format("{}: closed minute {} had {} files and has {}", what,
                                minute.ToIso(), files.size(), entries.size()));
    }
    size_t same = 0;
    for (const DirEntry& entry : entries) {
      const auto known = files.find(entry.name);
      same += known != files.end() && known->second.length == entry.info.length ? 1 : 0;
    }
    if (same != files.size()) {
      return Broken(fmt::format("{}: a file of minute {} is gone or has another length", what,
                                minute.ToIso()));
    }
  }
  return Status::Ok();
}

Status Audit::FindLeftovers() const {
  for (const ClusterSpec& cluster : installation_.site.topology.clusters) {
    const std::string root = installation_.ClusterRoot(cluster.name);
    for (const std::string& part : {std::string("system/quarantine"), paths::Data()}) {
      const std::string file = FirstFile(paths::Join(root, part));
      if (!file.empty()) return {Code::kUnavailable, "left over: " + file};
    }
  }
  for (const DemoService& collector : installation_.site.collectors) {
    const std::string spool =
        paths::Join(paths::Join(installation_.site.root, "spool"), collector.name);
    const std::string file = FirstFile(paths::Join(spool, "rejected"));
    if (!file.empty()) return {Code::kUnavailable, "left over: " + file};
  }
  return Status::Ok();
}

Status Audit::ReadAgain() {
  for (const Tree& tree : trees_) {
    for (const auto& [minute, files] : tree.minutes) {
      for (const auto& [name, file] : files) {
        const std::string path =
            paths::MinuteFile(tree.where.view(), tree.where.stream, minute, name);
        DATABUS_ASSIGN_OR_RETURN(const std::string bytes, tree.storage->ReadFile(path, 1u << 30));
        if (File{bytes.size(), Crc32c(bytes)} != file) {
          return Broken(fmt::format("{} {}: other bytes than before", tree.where.cluster, path));
        }
      }
    }
  }
  return Status::Ok();
}

uint64_t Audit::acknowledged() const {
  uint64_t sum = 0;
  for (const SourceRecord& record : installation_.records) {
    const RecordFile& file = *record.file;
    for (uint32_t index = 0; index < file->lives; ++index) sum += file->life[index].acknowledged;
  }
  return sum;
}

uint64_t Audit::seen() const {
  uint64_t sum = 0;
  for (const auto& [source, numbers] : numbers_[static_cast<size_t>(Hop::kLocal)]) {
    sum += numbers.size() - static_cast<uint64_t>(std::ranges::count(numbers, 0u));
  }
  return sum;
}

}  // namespace databus
