#include "cli/failover/salvage_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/failover/verification.h"
#include "cli/table.h"
#include "cli/verify_observe.h"
#include "commit/cluster_id.h"
#include "telemetry/iso_time.h"
#include "worker/eras.h"

namespace databus {
namespace {

using failover::LossLine;
using State = SalvageLine::State;

constexpr int64_t kLateMinutes = 60;
// A local stream may be behind by so much, and collectors' clocks ahead.
constexpr int64_t kSwapSlackMinutes = 3;

std::string_view StateName(State state) {
  switch (state) {
    case State::kRecovered: return "recovered";
    case State::kMissing: return "missing";
    case State::kUnknown: return "unknown";
  }
  return "";
}

// The names of the files that were set aside at a cluster, of one stream (P32).
Result<std::vector<std::string>> SetAside(Storage& tree, const std::string& stream) {
  std::vector<std::string> names;
  DATABUS_ASSIGN_OR_RETURN(const auto eras, ListIfThere(tree, paths::DivergentRoot()));
  for (const DirEntry& era : eras) {
    const std::string root = paths::Join(paths::Join(paths::DivergentRoot(), era.name), stream);
    DATABUS_ASSIGN_OR_RETURN(const auto minutes,
                             ListMinutes(tree, root, kFirstMinute, kLastMinute));
    for (const Minute minute : minutes) {
      DATABUS_ASSIGN_OR_RETURN(const auto files,
                               ListIfThere(tree, paths::DivergentMinute(era.name, stream, minute)));
      for (const DirEntry& file : files) names.push_back(file.name);
    }
  }
  return names;
}

class Account {
 public:
  Account(const failover::Journal& journal, const TopologyDesk& desk,
          const failover::Observation& seen, Seams& seams, const Topology& topology)
      : journal_(journal),
        desk_(desk),
        seen_(seen),
        topology_(topology),
        observer_(topology_, seams, Depth::kHeaders) {}

  SalvageLine Of(const LossLine& line) {
    SalvageLine account{.line = line, .why = ""};
    if (line.what == LossLine::What::kSpool) {
      OfSpool(account);
      return account;
    }
    const std::string& lost = journal_.change.from;
    if (const auto& tree = seen_.TreeOf(lost); !tree.Answers()) {
      account.why = fmt::format("cluster {} does not answer: {}", lost, tree.why_away);
      return account;
    }
    const failover::StreamChange* const change = journal_.change.Find(line.stream);
    const auto stream = change == nullptr ? std::nullopt : StreamToVerify(*change, topology_);
    if (!stream) {
      account.why = "the stream is not configured any more";
    } else if (line.what == LossLine::What::kMinutes && !IsCompared(*stream)) {
      account.why = fmt::format("{} has not compared its minutes with those of {} yet", lost,
                                stream->Primary());
    } else {
      OfStream(*stream, account);
    }
    return account;
  }

 private:
  // P32: by then what the lost cluster had published alone is set aside, and not before.
  bool IsCompared(const StreamSpec& stream) const {
    Storage& tree = *desk_.Tree(journal_.change.from);
    const auto identity = ReadClusterId(tree);
    if (!identity.ok()) return false;
    const auto eras = ReadEras(tree, GroupOf(stream.name, identity->groups));
    return eras.ok() && eras->IsIn(stream);
  }

  void OfStream(const StreamSpec& stream, SalvageLine& account) {
    // What was delivered shortly before the cut may not have been merged by then.
    const bool stays = !account.line.after && !account.line.holder.empty();
    const Minute cut =
        stays ? Minute::Of(journal_.started) : account.line.after.value_or(kFirstMinute);
    const Minute from = stays || account.line.after ? cut + (-kLateMinutes) : kFirstMinute;
    const SeenStream seen = observer_.Observe(stream, from);
    const SeenView* const merged = seen.Find(stream.Primary(), View::kMerged);
    if (merged == nullptr || !merged->unreadable.empty()) {
      account.why = fmt::format("the merged stream at {} cannot be read", stream.Primary());
      return;
    }
    std::set<std::string> names;
    std::map<std::string, Minute> merged_in;  // by identity
    for (const auto& file : merged->files) {
      names.insert(file->name);
      merged_in.emplace(file->identity, file->minute);
    }
    if (account.line.what == LossLine::What::kMinutes) {
      const auto set_aside = SetAside(*desk_.Tree(journal_.change.from), stream.name);
      if (!set_aside.ok()) {
        account.why = set_aside.status().message();
        return;
      }
      for (const std::string& name : *set_aside) Count(names.contains(name), name, account);
    } else {
      const SeenView* const local = seen.Find(journal_.change.from, View::kLocal);
      if (local == nullptr || !local->unreadable.empty()) {
        account.why = fmt::format("the local stream of {} cannot be read", journal_.change.from);
        return;
      }
      for (const auto& file : local->files) {
        if (IsLater(file->minute)) continue;
        const auto found = merged_in.find(file->identity);
        if (found != merged_in.end() && found->second <= cut) continue;  // mirrored in time
        Count(found != merged_in.end(), file->name, account);
      }
      const auto delivered = seen.delivered.find(journal_.change.from);
      const bool lives = topology_.FindStream(stream.name)->HasSource(journal_.change.from);
      if (!lives && delivered != seen.delivered.end()) {
        account.missing_files += delivered->second.size();
        account.why = "delivered there, and not published yet";
      }
    }
    account.state = account.missing_files == 0 ? State::kRecovered : State::kMissing;
  }

  // What came after the swap is no business of the statement.
  bool IsLater(Minute minute) const {
    return journal_.swapped && minute > Minute::Of(*journal_.swapped) + kSwapSlackMinutes;
  }

  void Count(bool is_merged, const std::string& name, SalvageLine& account) const {
    if (is_merged) {
      ++account.recovered_files;
      return;
    }
    if (++account.missing_files == 1) {
      account.why = fmt::format("not merged at {} yet, {} for one", journal_.change.to, name);
    }
  }

  void OfSpool(SalvageLine& account) const {
    if (account.line.collector == failover::AllOthersOf(journal_.change.from)) {
      OfAllOthers(account);
    } else {
      OfOneSpool(account);
    }
  }

  // Known when their cluster says who they are, and each of them what it holds.
  void OfAllOthers(SalvageLine& account) const {
    const std::string& lost = journal_.change.from;
    if (const auto& tree = seen_.TreeOf(lost); !tree.Answers()) {
      account.why = fmt::format("cluster {} does not answer: {}", lost, tree.why_away);
      return;
    }
    account.state = State::kRecovered;
    for (const failover::SeenCollector& collector : seen_.collectors) {
      if (collector.cluster != lost) continue;
      SalvageLine one{.line = account.line, .why = ""};
      one.line.collector = collector.Label();
      OfOneSpool(one);
      if (one.state == State::kRecovered) continue;
      account.state = one.state;
      account.why = fmt::format("{}: {}", collector.Label(), one.why);
    }
  }

  void OfOneSpool(SalvageLine& account) const {
    const auto collector = std::ranges::find_if(
        seen_.collectors, [&](const auto& each) { return each.Label() == account.line.collector; });
    if (collector == seen_.collectors.end() || collector->life == failover::Life::kSilent) {
      account.why = "the collector has not been heard of since; its disk has it";
      return;
    }
    const failover::StepEpoch* const swap = journal_.EpochOf(failover::Step::kSwap);
    if (swap == nullptr || !failover::Obeys(collector->epoch, collector->digest, *swap)) {
      account.why = "the collector does not obey the swap yet";
      return;
    }
    std::optional<uint64_t> held = collector->bytes_before_epoch;
    if (collector->life == failover::Life::kStopped) held = collector->spool_bytes;
    if (!held) {
      account.why = "the collector does not say what its spool holds from before the swap";
      return;
    }
    account.state = *held == 0 ? State::kRecovered : State::kMissing;
    if (*held > 0) {
      account.why = fmt::format("{} bytes from before the swap are in its spool", *held);
    }
  }

  const failover::Journal& journal_;
  const TopologyDesk& desk_;
  const failover::Observation& seen_;
  const Topology& topology_;
  VerifyObserver observer_;
};

}  // namespace

std::vector<SalvageLine> AccountForLoss(const failover::Journal& journal, const TopologyDesk& desk,
                                        const failover::Observation& seen, Seams& seams) {
  std::vector<SalvageLine> lines;
  const auto statement = failover::LossFromJson(journal.loss);
  if (!statement.ok() || !seen.newest) return lines;
  Account account(journal, desk, seen, seams, seen.newest->stored.topology);
  for (const LossLine& line : statement->lines) lines.push_back(account.Of(line));
  return lines;
}

std::string RenderSalvage(const std::vector<SalvageLine>& lines) {
  std::string text = "  of the loss statement:\n";
  for (const SalvageLine& line : lines) {
    text += fmt::format("    {:<9}  {}\n", StateName(line.state), DescribeLoss(line.line));
    if (line.recovered_files + line.missing_files > 0) {
      text += fmt::format("               {} recovered, {} missing\n",
                          Plural(line.recovered_files, "file"), Plural(line.missing_files, "file"));
    }
    if (!line.why.empty()) text += "               " + line.why + "\n";
  }
  return text;
}

nlohmann::ordered_json SalvageToJson(const std::vector<SalvageLine>& lines) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const SalvageLine& line : lines) {
    json.push_back({{"line", DescribeLoss(line.line)},
                    {"state", StateName(line.state)},
                    {"recovered_files", line.recovered_files},
                    {"missing_files", line.missing_files},
                    {"why", line.why}});
  }
  return json;
}

}  // namespace databus
