#include "cli/bench/merge_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "audit/announcement.h"
#include "base/crc32c.h"
#include "base/sync.h"
#include "cli/demo/services.h"
#include "cli/installation.h"
#include "cli/table.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "cluster/sealed_header.h"
#include "commit/cluster_id.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

constexpr Milliseconds kLookEvery{500};
// Of the example installation: merged at dc2, and then mirrored to dc1.
constexpr std::string_view kStream = "orders";
constexpr std::string_view kCollector = "bench";
constexpr size_t kPartBytes = size_t{4} << 20;

// Delivers sealed files as a collector would: announced one by one.
class Deliverer {
 public:
  Deliverer(Storage& tree, Group groups, Random& random, const Clock& clock)
      : tree_(tree), group_(GroupOf(std::string(kStream), groups)), clock_(clock) {
    incarnation_ = random.Hex(16);
    while (part_.size() < kPartBytes) part_ += random.Hex(64);
    part_.resize(kPartBytes);
  }

  Status MakeDirectories() {
    for (const std::string& dir :
         {paths::DataStream(Stream()), paths::DataCollector(Stream(), Collector()),
          paths::Sealed(Collector())}) {
      DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(tree_, "", dir));
    }
    return Status::Ok();
  }

  Status Deliver(uint64_t payload_bytes) {
    ++counter_;
    const std::string path = paths::DataFile(
        Stream(), Collector(),
        DataFileName{Stream(), Minute::Of(clock_.Wall()), counter_, true}.ToString());
    const SealedHeader header = HeaderFor(payload_bytes);
    AnnouncedFile file{.path = path, .messages = header.messages, .identity = header.identity};
    DATABUS_RETURN_IF_ERROR(Write(header, file));
    const paths::AnnouncementName name{group_, counter_};
    return tree_.WriteFile(paths::Join(paths::Sealed(Collector()), name.ToString()),
                           EncodeAnnouncement({file}));
  }

 private:
  static std::string Stream() { return std::string(kStream); }
  static std::string Collector() { return std::string(kCollector); }

  // Calls take(bytes) for each part of a payload.
  template <typename Take>
  Status ForParts(uint64_t bytes, Take&& take) const {
    for (uint64_t left = bytes; left > 0;) {
      const uint64_t some = std::min<uint64_t>(left, part_.size());
      DATABUS_RETURN_IF_ERROR(take(std::string_view(part_).substr(0, some)));
      left -= some;
    }
    return Status::Ok();
  }

  SealedHeader HeaderFor(uint64_t payload_bytes) const {
    SealedHeader header;
    header.identity = {"dc1", incarnation_, counter_};
    header.stream = Stream();
    header.collector = Collector();
    header.messages = 1;
    header.first_accepted = header.last_accepted = clock_.Wall();
    header.raw_bytes = header.payload_bytes = payload_bytes;
    static_cast<void>(ForParts(payload_bytes, [&](std::string_view part) {
      header.payload_crc32c = Crc32c(part, header.payload_crc32c);
      return Status::Ok();
    }));
    return header;
  }

  Status Write(const SealedHeader& header, AnnouncedFile& file) {
    DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer, tree_.Create(file.path));
    const auto append = [&](std::string_view part) {
      file.length += part.size();
      file.crc32c = Crc32c(part, file.crc32c);
      return writer->Append(part);
    };
    DATABUS_RETURN_IF_ERROR(append(EncodeSealedHeader(header)));
    DATABUS_RETURN_IF_ERROR(ForParts(header.payload_bytes, append));
    return writer->Finish();
  }

  Storage& tree_;
  const Group group_;
  const Clock& clock_;
  std::string incarnation_;
  std::string part_;
  uint64_t counter_ = 0;
};

Result<uint64_t> FilesOf(Storage& tree, View view) {
  const std::string stream(kStream);
  const auto minutes = ListMinutes(tree, paths::Stream(view, stream), kFirstMinute, kLastMinute);
  if (minutes.code() == Code::kNotFound) return uint64_t{0};
  if (!minutes.ok()) return minutes.status();
  uint64_t files = 0;
  for (const Minute minute : *minutes) {
    DATABUS_ASSIGN_OR_RETURN(const auto listed,
                             ListMinuteFiles(tree, paths::MinuteDir(view, stream, minute)));
    files += listed.size();
  }
  return files;
}

class Measurement {
 public:
  Measurement(const MergeMemoryOptions& options, Seams& seams) : options_(options), seams_(seams) {}

  Result<MergeMemory> Run() {
    DATABUS_ASSIGN_OR_RETURN(site_, MakeDemoSite(paths::Join(options_.directory, "site"),
                                                 seams_.network, seams_.random, options_.clusters));
    DATABUS_ASSIGN_OR_RETURN(source_, OpenCluster(seams_, site_.topology, "dc1"));
    DATABUS_ASSIGN_OR_RETURN(target_, OpenCluster(seams_, site_.topology, "dc2"));
    services_ = std::make_unique<DemoServices>(site_, std::string(Child::kSelf), seams_.clock);
    DATABUS_RETURN_IF_ERROR(StartBoth());
    DATABUS_RETURN_IF_ERROR(services_->Kill("worker-dc2"));
    DATABUS_RETURN_IF_ERROR(DeliverAll());
    DATABUS_RETURN_IF_ERROR(Await(*source_, View::kLocal, "published"));
    return Merge();
  }

 private:
  // They make the trees.
  Status StartBoth() {
    for (const DemoService& worker : site_.workers) {
      DATABUS_RETURN_IF_ERROR(services_->Start(worker.name));
    }
    const BootTime deadline = seams_.clock.Boot() + options_.stalled_after;
    while (!ReadClusterId(*source_).ok() || !ReadClusterId(*target_).ok()) {
      DATABUS_RETURN_IF_ERROR(services_->Check());
      if (seams_.clock.Boot() > deadline) return {Code::kUnavailable, "the workers do not start"};
      Sleep();
    }
    return Status::Ok();
  }

  Status DeliverAll() {
    DATABUS_ASSIGN_OR_RETURN(const ClusterIdentity identity, ReadClusterId(*source_));
    Deliverer deliverer(*source_, identity.groups, seams_.random, seams_.clock);
    DATABUS_RETURN_IF_ERROR(deliverer.MakeDirectories());
    while (memory_.bytes < options_.bytes) {
      DATABUS_RETURN_IF_ERROR(deliverer.Deliver(options_.file_bytes));
      memory_.bytes += options_.file_bytes;
      ++memory_.files;
    }
    return Status::Ok();
  }

  Result<MergeMemory> Merge() {
    const BootTime begin = seams_.clock.Boot();
    DATABUS_RETURN_IF_ERROR(services_->Start("worker-dc2"));
    DATABUS_RETURN_IF_ERROR(Await(*target_, View::kMerged, "merged"));
    memory_.seconds = std::chrono::duration<double>(seams_.clock.Boot() - begin).count();
    DATABUS_ASSIGN_OR_RETURN(const ProcessUse merging, services_->Use("worker-dc2"));
    memory_.cpu_s = merging.cpu_s;
    memory_.merging_resident_bytes = merging.resident_bytes_max;
    DATABUS_RETURN_IF_ERROR(Await(*source_, View::kMerged, "mirrored"));
    DATABUS_ASSIGN_OR_RETURN(const ProcessUse other, services_->Use("worker-dc1"));
    memory_.other_resident_bytes = other.resident_bytes_max;
    return memory_;
  }

  // Until all files are in the view.
  Status Await(Storage& tree, View view, std::string_view what) {
    uint64_t seen = 0;
    BootTime deadline = seams_.clock.Boot() + options_.stalled_after;
    while (seen < memory_.files) {
      DATABUS_RETURN_IF_ERROR(services_->Check());
      Sleep();
      const auto files = FilesOf(tree, view);
      if (files.ok() && *files > seen) {
        seen = *files;
        deadline = seams_.clock.Boot() + options_.stalled_after;
      }
      if (seams_.clock.Boot() < deadline) continue;
      return {Code::kUnavailable,
              fmt::format("{} of {} files were {}, and then no more; see {}", seen, memory_.files,
                          what, paths::Join(site_.root, "log"))};
    }
    return Status::Ok();
  }

  void Sleep() const {
    StopFlag never;
    never.SleepUntil(seams_.clock, seams_.clock.Boot() + kLookEvery);
  }

  const MergeMemoryOptions& options_;
  Seams& seams_;
  DemoSite site_;
  std::unique_ptr<Storage> source_;
  std::unique_ptr<Storage> target_;
  std::unique_ptr<DemoServices> services_;
  MergeMemory memory_;
};

}  // namespace

Result<MergeMemory> MeasureMergeMemory(const MergeMemoryOptions& options, Seams& seams) {
  return Measurement(options, seams).Run();
}

std::string ToText(const MergeMemory& memory) {
  return fmt::format(
      "{} files, {} merged in {:.1f} s: {:.0f} MB/s, {:.2f} s of processor time\n"
      "most memory of the worker that merged: {:.1f} MB; of the one that published and mirrored: "
      "{:.1f} MB\n",
      Grouped(memory.files), HumanBytes(memory.bytes), memory.seconds,
      static_cast<double>(memory.bytes) / 1e6 / memory.seconds, memory.cpu_s,
      static_cast<double>(memory.merging_resident_bytes) / 1e6,
      static_cast<double>(memory.other_resident_bytes) / 1e6);
}

nlohmann::ordered_json ToJson(const MergeMemory& memory) {
  return {{"files", memory.files},
          {"bytes", memory.bytes},
          {"seconds", memory.seconds},
          {"cpu_s", memory.cpu_s},
          {"merging_resident_bytes", memory.merging_resident_bytes},
          {"other_resident_bytes", memory.other_resident_bytes}};
}

}  // namespace databus
