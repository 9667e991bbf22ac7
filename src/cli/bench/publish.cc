#include "cli/bench/publish.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <span>

#include "audit/gzip.h"
#include "cli/bench/child.h"
#include "cluster/paths.h"
#include "collector/seal/regroup.h"
#include "collector/seal/sealer.h"
#include "collector/spool/spool.h"
#include "net/entry_list.h"

namespace databus {
namespace {

constexpr size_t kMessageBytes = 300;
constexpr uint32_t kBatch = 100;
constexpr uint64_t kCutBytes = 64u << 20;  // as the delivering part cuts
constexpr size_t kFeedBytes = 256u << 10;  // as the sealer feeds the compressor
constexpr int kStreams = 4;

double ThreadCpuSeconds() {
  rusage use{};
  ::getrusage(RUSAGE_THREAD, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

Status FillSpool(Spool& spool, uint64_t bytes) {
  SampleLines lines(kMessageBytes);
  EntryList entries;
  Status refused;
  for (uint64_t done = 0, call = 0; done < bytes; ++call) {
    entries.Clear();
    const std::string stream = fmt::format("stream{}", call % kStreams);
    for (uint32_t i = 0; i < kBatch; ++i) entries.Add(stream, lines.Next());
    done += uint64_t{kBatch} * kMessageBytes;
    Frame frame = Frame::Copy(entries.bytes());
    const std::string_view view = frame.bytes();
    std::vector<SpoolBatch> batches;
    batches.push_back(
        {.frame = std::move(frame), .entries = view, .count = kBatch, .id = {}, .rejected = {}});
    spool.Append(std::move(batches), [&](std::span<const SpoolOutcome> outcomes) {
      if (outcomes[0].answer == SpoolAnswer::kKept) return;
      refused = Status(Code::kNoSpace, outcomes[0].reason);
    });
    if (call % kBatch == 0) spool.FlushOnce();
  }
  while (spool.FlushOnce()) {
  }
  return refused;
}

class Measurement {
 public:
  Measurement(const PublishOptions& options, Seams& seams)
      : options_(options), seams_(seams), plain_path_(paths::Join(options.directory, "plain")) {}

  Result<PublishRates> Run() {
    DATABUS_ASSIGN_OR_RETURN(
        spool_, Spool::Open({seams_.disk, seams_.clock, seams_.random},
                            {.dir = paths::Join(options_.directory, "spool"), .collector = "c1"}));
    DATABUS_RETURN_IF_ERROR(FillSpool(*spool_, options_.bytes));
    DATABUS_RETURN_IF_ERROR(WritePlain());
    for (int round = 0; round < options_.rounds; ++round) {
      DATABUS_RETURN_IF_ERROR(SealAll());
      CompressAll();
      DATABUS_RETURN_IF_ERROR(RunIgzip());
    }
    return std::move(rates_);
  }

 private:
  // Calls visit(stream) for every stream of every cut.
  template <typename Visit>
  Status ForEachCut(Visit&& visit) {
    for (const UnsealedRange& unsealed : spool_->UnsealedRanges()) {
      SpoolRange left = unsealed.range;
      while (left.begin < left.end) {
        Regrouped regrouped;
        DATABUS_ASSIGN_OR_RETURN(
            const SpoolRange read, spool_->Read(left, kCutBytes, [&](const SpoolRecord& record) {
              static_cast<void>(regrouped.Add(record.entries, record.accepted));
            }));
        for (const StreamMessages* stream : regrouped.Streams()) visit(*stream);
        left.begin = read.end;
      }
    }
    return Status::Ok();
  }

  // The bytes that sealing compresses, for the two others.
  Status WritePlain() {
    DATABUS_RETURN_IF_ERROR(ForEachCut([&](const StreamMessages& stream) {
      for (const std::string_view message : stream.messages) plain_.append(message).push_back('\n');
    }));
    std::ofstream file(plain_path_, std::ios::binary);
    file << plain_;
    file.close();
    rates_.raw_bytes = plain_.size();
    return file ? Status::Ok() : Status(Code::kNoSpace, "cannot write " + plain_path_);
  }

  Status SealAll() {
    const SealFormat format{.bytes_max = 128'000'000};
    uint64_t length = 0;
    const double before = ThreadCpuSeconds();
    DATABUS_RETURN_IF_ERROR(ForEachCut([&](const StreamMessages& stream) {
      const SealRange all = NextRange(stream, 0, format);
      length +=
          sealer_.Seal(stream, all, format, {{"bench", "0000000000000000", 1}, "c1"}).length();
    }));
    rates_.seal.push_back(Rate(ThreadCpuSeconds() - before));
    rates_.compressed_share = static_cast<double>(length) / static_cast<double>(plain_.size());
    return Status::Ok();
  }

  void CompressAll() {
    const double before = ThreadCpuSeconds();
    compressor_.Start();
    for (std::string_view left = plain_; !left.empty();
         left.remove_prefix(std::min(left.size(), kFeedBytes))) {
      compressor_.Append(left.substr(0, kFeedBytes));
    }
    compressor_.Finish();
    rates_.compressor.push_back(Rate(ThreadCpuSeconds() - before));
  }

  Status RunIgzip() {
    const std::string packed = paths::Join(options_.directory, "packed.gz");
    std::filesystem::remove(packed);
    DATABUS_ASSIGN_OR_RETURN(Child child,
                             Child::Start("igzip", {"-1", "-k", "-o", packed, plain_path_},
                                          paths::Join(options_.directory, "igzip.log")));
    DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child.Wait());
    if (end.exit_code != 0) return Status::Ok();
    rates_.igzip.push_back(Rate(end.cpu_s));
    rates_.igzip_compressed_share = static_cast<double>(std::filesystem::file_size(packed)) /
                                    static_cast<double>(plain_.size());
    return Status::Ok();
  }

  double Rate(double cpu_s) const { return static_cast<double>(plain_.size()) / cpu_s; }

  const PublishOptions& options_;
  Seams& seams_;
  const std::string plain_path_;
  std::unique_ptr<Spool> spool_;
  std::string plain_;
  Sealer sealer_;
  GzipCompressor compressor_;
  PublishRates rates_;
};

// Round by round, since the machine's speed changes from one to the next.
std::vector<double> Ratios(const std::vector<double>& ours, const std::vector<double>& theirs) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size() && i < theirs.size(); ++i) {
    ratios.push_back(ours[i] / theirs[i]);
  }
  return ratios;
}

std::vector<double> Mega(std::vector<double> rates) {
  for (double& rate : rates) rate /= 1e6;
  return rates;
}

}  // namespace

Result<PublishRates> MeasurePublish(const PublishOptions& options, Seams& seams) {
  return Measurement(options, seams).Run();
}

std::string ToText(const PublishRates& rates) {
  std::string text = fmt::format(
      "{:.0f} MB of messages; MB per second of processor time, min / median / max\n"
      "  sealing (spool to sealed file)  {}  to {:.1f} %\n"
      "  the compressor alone            {}\n",
      static_cast<double>(rates.raw_bytes) / 1e6, ToText(SpreadOf(Mega(rates.seal)), 0),
      rates.compressed_share * 100, ToText(SpreadOf(Mega(rates.compressor)), 0));
  if (rates.igzip.empty()) return text + "  igzip -1 is not installed (package isal)\n";
  return text + fmt::format(
                    "  igzip -1                        {}  to {:.1f} %\n"
                    "sealing over igzip: {}; the compressor over igzip: {}\n",
                    ToText(SpreadOf(Mega(rates.igzip)), 0), rates.igzip_compressed_share * 100,
                    ToText(SpreadOf(Ratios(rates.seal, rates.igzip)), 2),
                    ToText(SpreadOf(Ratios(rates.compressor, rates.igzip)), 2));
}

nlohmann::ordered_json ToJson(const PublishRates& rates) {
  const auto spread = [](const std::vector<double>& values) {
    const Spread s = SpreadOf(values);
    return nlohmann::ordered_json{s.min, s.median, s.max};
  };
  nlohmann::ordered_json json = {{"raw_bytes", rates.raw_bytes},
                                 {"compressed_share", rates.compressed_share},
                                 {"seal_bytes_per_cpu_s", spread(rates.seal)},
                                 {"compressor_bytes_per_cpu_s", spread(rates.compressor)}};
  if (rates.igzip.empty()) return json;
  json["igzip_bytes_per_cpu_s"] = spread(rates.igzip);
  json["igzip_compressed_share"] = rates.igzip_compressed_share;
  json["seal_over_igzip"] = spread(Ratios(rates.seal, rates.igzip));
  json["compressor_over_igzip"] = spread(Ratios(rates.compressor, rates.igzip));
  return json;
}

}  // namespace databus
