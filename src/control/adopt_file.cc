#include "control/adopt_file.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/topology_diff.h"

namespace databus {
namespace {

constexpr size_t kChangesShown = 20;

// Text alone: the same file, read twice, is the same epoch wherever it is adopted.
TopologyEpoch First(const Topology& file) {
  StoredTopology first;
  first.adopted = Adopted::kYes;
  first.author = "databus.xml";
  first.topology = file;
  return TopologyEpoch::Of(std::move(first));
}

// Whether the file is one that the stored epoch has come from by commands alone.
bool CameFrom(const StoredTopology& stored, const std::string& plain) {
  if (plain == PlainDigest(stored.topology)) return true;
  Adopted adopted = stored.adopted;
  for (const PastEpoch& past : stored.before) {
    if (adopted == Adopted::kYes) return false;
    if (past.plain == plain) return true;
    adopted = past.adopted;
  }
  return false;
}

StoredTopology Adopt(const Topology& file, const StoredTopology& stored) {
  StoredTopology next = stored.Next("databus.xml, by --adopt-config");
  next.adopted = Adopted::kYes;
  TakeFile(file, next);
  return next;
}

std::string Changes(const StoredTopology& stored, const Topology& file) {
  Topology plain = stored.topology;
  for (StreamSpec& stream : plain.streams) {
    stream.publication = Publication::kOpen;
    stream.cut.reset();
    stream.settled = 0;
  }
  std::vector<std::string> lines = DescribeChanges(plain, file);
  const size_t more = lines.size() - std::min(lines.size(), kChangesShown);
  lines.resize(lines.size() - more);
  if (more != 0) lines.push_back(fmt::format("and {} more", more));
  return fmt::format("{}", fmt::join(lines, "\n  "));
}

}  // namespace

void TakeFile(const Topology& file, StoredTopology& next) {
  const Topology before = std::exchange(next.topology, file);
  for (StreamSpec& stream : next.topology.streams) {
    const StreamSpec* was = before.FindStream(stream.name);
    if (was == nullptr) continue;
    if (was->Primary() != stream.Primary()) {
      // A new era without a known cut: what the one before has merged and nobody mirrored is looked
      // for (P34), and its minutes are compared (P32).
      stream.settled = next.epoch;
      next.alone.clear();
      continue;
    }
    stream.publication = was->publication;
    stream.cut = was->cut;
    stream.settled = was->settled;
  }
  if (file.FindCluster(next.alone) == nullptr) next.alone.clear();
  std::erase_if(next.modes, [&](const ModeRule& rule) {
    return file.FindCluster(rule.cluster) == nullptr ||
           (!rule.to.empty() && file.FindCluster(rule.to) == nullptr);
  });
}

Result<FileVerdict> JudgeFile(const Topology& file, const TopologyEpoch* stored,
                              std::optional<uint64_t> adopt) {
  using Kind = FileVerdict::Kind;
  if (stored == nullptr) {
    if (!adopt) return FileVerdict{Kind::kFirst, First(file)};
    return Status(Code::kInvalid, fmt::format("--adopt-config={}: no topology is stored yet; start "
                                              "without it",
                                              *adopt));
  }
  const StoredTopology& now = stored->stored;
  const std::string plain = PlainDigest(file);
  if (adopt && plain != PlainDigest(now.topology)) {
    if (*adopt == now.epoch) return FileVerdict{Kind::kNext, TopologyEpoch::Of(Adopt(file, now))};
    return Status(
        Code::kInvalid,
        fmt::format("{}: was made from topology epoch {}, but epoch {} ({}) is stored by "
                    "now. From what is stored to the file:\n  {}\nPut into the file what "
                    "it lacks, then use --adopt-config={}",
                    file.file, *adopt, now.epoch, now.author, Changes(now, file), now.epoch));
  }
  if (adopt || CameFrom(now, plain)) return FileVerdict{Kind::kStored, *stored};
  return Status(
      Code::kInvalid,
      fmt::format("{}: differs from the stored topology, epoch {} ({}). From what is stored to the "
                  "file:\n  {}\nTo go on with what is stored, replace the file (`databus topology "
                  "show --topology {} --xml`); to make the file the next epoch, start with "
                  "--adopt-config={}",
                  file.file, now.epoch, now.author, Changes(now, file), file.file, now.epoch));
}

}  // namespace databus
