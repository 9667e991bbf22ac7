#include "cli/failover/salvage_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "cli/failover/verification.h"
#include "cli/table.h"
#include "cli/verify_observe.h"
#include "commit/cluster_id.h"
#include "commit/eras.h"
#include "failover/journal_store.h"
#include "failover/steps.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using failover::LossLine;
using Json = nlohmann::ordered_json;
using State = SalvageLine::State;

constexpr int64_t kLateMinutes = 60;
// A local stream may be behind by so much, and collectors' clocks ahead.
constexpr int64_t kSwapSlackMinutes = 3;

// Since when the cluster that was lost may have been delivered to as ever, because it was given its
// business back. A failback that makes collectors spool waits for all that came before to be
// merged; and from then to its swap nothing is delivered.
std::optional<Minute> GivenBack(const failover::Journal& lost, const TopologyDesk& desk) {
  std::optional<Minute> first;
  for (const auto& [id, other] : failover::JournalStore(desk).ReadAll().by_id) {
    const bool after = other.kind == failover::Kind::kFailback && other.undoes == lost.id;
    if (!after || !other.swapped) continue;
    const Minute since =
        Minute::Of(failover::WhenOver(other, failover::Step::kSpool).value_or(*other.swapped));
    if (!first || since < *first) first = since;
  }
  return first;
}

constexpr std::array<std::pair<const char*, uint64_t LossFigures::*>, 8> kSums{{
    {"lines", &LossFigures::lines},
    {"recovered", &LossFigures::recovered},
    {"missing", &LossFigures::missing},
    {"on_its_way", &LossFigures::on_its_way},
    {"unknown", &LossFigures::unknown},
    {"recovered_files", &LossFigures::recovered_files},
    {"missing_files", &LossFigures::missing_files},
    {"unnamed_files", &LossFigures::unnamed_files},
}};

std::string_view StateName(State state) {
  switch (state) {
    case State::kRecovered: return "recovered";
    case State::kOnItsWay: return "on its way";
    case State::kMissing: return "missing";
    case State::kUnknown: return "unknown";
  }
  return "";
}

struct SetAsideFile {
  std::string era;
  Minute minute;
  std::string name;
  // Every destination holds it (worker/purge_divergent.cc).
  enum class Done : uint8_t { kNo, kYes } done = Done::kNo;
};
using SetAsideFiles = std::vector<SetAsideFile>;

Status AddSetAside(Storage& tree, const std::string& root, const std::string& stream,
                   SetAsideFile::Done done, SetAsideFiles& files) {
  DATABUS_ASSIGN_OR_RETURN(const auto eras, ListIfThere(tree, root));
  for (const DirEntry& era : eras) {
    const std::string of_stream = paths::Join(paths::Join(root, era.name), stream);
    DATABUS_ASSIGN_OR_RETURN(const auto minutes,
                             ListMinutes(tree, of_stream, kFirstMinute, kLastMinute));
    for (const Minute minute : minutes) {
      DATABUS_ASSIGN_OR_RETURN(const auto entries,
                               ListIfThere(tree, paths::Join(of_stream, minute.ToPath())));
      for (const DirEntry& file : entries) {
        if (file.name.ends_with(kReasonSuffix)) continue;
        files.push_back({era.name, minute, file.name, done});
      }
    }
  }
  return Status::Ok();
}

// What was set aside at a cluster, of one stream (P32), also what has gone into the trash since.
Result<SetAsideFiles> SetAside(Storage& tree, const std::string& stream) {
  SetAsideFiles files;
  DATABUS_RETURN_IF_ERROR(
      AddSetAside(tree, paths::DivergentRoot(), stream, SetAsideFile::Done::kNo, files));
  const std::string in_trash = paths::DivergentRoot().substr(paths::DivergentRoot().rfind('/') + 1);
  DATABUS_ASSIGN_OR_RETURN(const auto days, ListIfThere(tree, paths::TrashRoot()));
  for (const DirEntry& day : days) {
    const std::string of_day = paths::Join(paths::TrashRoot(), day.name);
    DATABUS_ASSIGN_OR_RETURN(const auto hours, ListIfThere(tree, of_day));
    for (const DirEntry& hour : hours) {
      const std::string root = paths::Join(paths::Join(of_day, hour.name), in_trash);
      DATABUS_RETURN_IF_ERROR(AddSetAside(tree, root, stream, SetAsideFile::Done::kYes, files));
    }
  }
  return files;
}

class Account {
 public:
  Account(const failover::Journal& journal, const TopologyDesk& desk,
          const failover::Observation& seen, Seams& seams, const Topology& topology)
      : journal_(journal),
        desk_(desk),
        seen_(seen),
        topology_(topology),
        given_back_(GivenBack(journal, desk)),
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
    LookForTravellers(seen, from);
    if (account.line.what == LossLine::What::kMinutes) {
      OfMinutes(stream, names, account);
    } else {
      OfLocal(seen, stream.Primary(), merged_in, cut, account);
    }
  }

  // What `verify` calls pending is not missing: by the files' names.
  void LookForTravellers(const SeenStream& seen, Minute from) {
    travellers_.clear();
    for (const Finding& finding : databus::Judge(seen, {from, kLastMinute})) {
      if (finding.verdict != Verdict::kPending || finding.path.empty()) continue;
      travellers_.emplace(paths::BaseName(finding.path));
    }
  }

  // `merged`: the names of the files in the present primary's merged stream.
  void OfMinutes(const StreamSpec& stream, const std::set<std::string>& merged,
                 SalvageLine& account) {
    const auto set_aside = SetAside(*desk_.Tree(journal_.change.from), stream.name);
    if (!set_aside.ok()) {
      account.why = set_aside.status().message();
      return;
    }
    const auto cut = journal_.cuts.find(stream.name);
    const std::string era =
        cut != journal_.cuts.end() && cut->second ? cut->second->ToDashed() : "uncut";
    for (const SetAsideFile& file : *set_aside) {
      Count(file.done == SetAsideFile::Done::kYes || merged.contains(file.name), file.name,
            stream.Primary(), account);
      const bool named = !account.line.after || file.minute >= *account.line.after;
      if (!named && file.era == era) ++account.unnamed_files;
    }
    Judge(account);
    if (set_aside->empty()) {
      account.why =
          "its minutes are compared, and nothing is set aside: it had published none "
          "alone, or all that has been merged and purged since";
    }
  }

  void OfLocal(const SeenStream& seen, const std::string& primary,
               const std::map<std::string, Minute>& merged_in, Minute cut, SalvageLine& account) {
    const std::string& lost = journal_.change.from;
    const SeenView* const local = seen.Find(lost, View::kLocal);
    if (local == nullptr || !local->unreadable.empty()) {
      account.why = fmt::format("the local stream of {} cannot be read", lost);
      return;
    }
    if (const auto unread = seen.unread.find(lost); unread != seen.unread.end()) {
      account.why = fmt::format("what waits at {} cannot be read: {}", lost, unread->second);
      return;
    }
    for (const auto& file : local->files) {
      if (IsLater(file->minute)) continue;
      const auto found = merged_in.find(file->identity);
      if (found != merged_in.end() && found->second <= cut) continue;  // mirrored in time
      Count(found != merged_in.end(), file->name, primary, account);
    }
    const auto delivered = seen.delivered.find(lost);
    const bool lives = topology_.FindStream(seen.stream)->HasSource(lost);
    if (!lives && delivered != seen.delivered.end()) {
      account.files_on_their_way += delivered->second.size();
      account.why = "delivered there, and not published yet";
    }
    Judge(account);
    if (account.recovered_files + account.missing_files + account.files_on_their_way == 0) {
      account.why = "all that its local stream still has was merged in time";
    }
  }

  static void Judge(SalvageLine& account) {
    account.state = account.missing_files > 0        ? State::kMissing
                    : account.files_on_their_way > 0 ? State::kOnItsWay
                                                     : State::kRecovered;
  }

  // What came after the swap is no business of the statement.
  bool IsLater(Minute minute) const {
    if (given_back_ && minute >= *given_back_) return true;
    return journal_.swapped && minute > Minute::Of(*journal_.swapped) + kSwapSlackMinutes;
  }

  void Count(bool is_merged, const std::string& name, const std::string& primary,
             SalvageLine& account) const {
    if (is_merged) {
      ++account.recovered_files;
      return;
    }
    if (account.files_on_their_way + account.missing_files == 0) {
      account.why = fmt::format("not merged at {} yet, {} for one", primary, name);
    }
    ++(travellers_.contains(name) ? account.files_on_their_way : account.missing_files);
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
    if (account.state == State::kRecovered) {
      account.why = "no collector that is heard of there has anything from before the swap";
    }
  }

  void OfOneSpool(SalvageLine& account) const {
    const auto collector = std::ranges::find_if(
        seen_.collectors, [&](const auto& each) { return each.Label() == account.line.collector; });
    if (collector == seen_.collectors.end() || collector->life == failover::Life::kSilent) {
      account.why = "the collector has not been heard of since; its disk has it";
      return;
    }
    if (collector->life == failover::Life::kStopped) {
      account.state = collector->spool_bytes == 0 ? State::kRecovered : State::kOnItsWay;
      account.why = collector->spool_bytes == 0
                        ? "it was stopped with an empty spool"
                        : "it was stopped before its spool was empty: start it, and it delivers";
      return;
    }
    const failover::StepEpoch* const swap = journal_.EpochOf(failover::Step::kSwap);
    if (swap == nullptr || !failover::Obeys(collector->epoch, collector->digest, *swap)) {
      account.why = "the collector does not obey the swap yet";
      return;
    }
    const std::optional<uint64_t> held = collector->bytes_before_epoch;
    if (!held) {
      account.why = "the collector does not say what its spool holds from before the swap";
      return;
    }
    account.state = *held == 0 ? State::kRecovered : State::kOnItsWay;
    account.why = *held == 0 ? "it has delivered all that its spool held from before the swap"
                             : fmt::format("{} bytes from before the swap are in its spool", *held);
  }

  const failover::Journal& journal_;
  const TopologyDesk& desk_;
  const failover::Observation& seen_;
  const Topology& topology_;
  const std::optional<Minute> given_back_;
  VerifyObserver observer_;
  std::set<std::string> travellers_;  // names of the files of a stream that are on their way
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

LossFigures SumOf(const std::vector<SalvageLine>& lines) {
  LossFigures sum;
  for (const SalvageLine& line : lines) {
    ++sum.lines;
    switch (line.state) {
      case State::kRecovered: ++sum.recovered; break;
      case State::kOnItsWay: ++sum.on_its_way; break;
      case State::kMissing: ++sum.missing; break;
      case State::kUnknown: ++sum.unknown; break;
    }
    sum.recovered_files += line.recovered_files;
    sum.missing_files += line.missing_files;
    sum.unnamed_files += line.unnamed_files;
  }
  return sum;
}

std::string RenderSalvage(const std::vector<SalvageLine>& lines) {
  std::string text = "  of the loss statement:\n";
  for (const SalvageLine& line : lines) {
    text += fmt::format("    {:<10} {}\n", StateName(line.state), DescribeLoss(line.line));
    if (line.recovered_files + line.files_on_their_way + line.missing_files > 0) {
      text += fmt::format("               {} recovered, {} on their way, {} missing\n",
                          Plural(line.recovered_files, "file"), line.files_on_their_way,
                          line.missing_files);
    }
    if (line.unnamed_files > 0) {
      text += fmt::format("               {} from minutes that the statement calls mirrored\n",
                          Plural(line.unnamed_files, "file"));
    }
    if (!line.why.empty()) text += "               " + line.why + "\n";
  }
  const LossFigures sum = SumOf(lines);
  return text +
         fmt::format("    in all {}: {} recovered, {} on their way, {} missing, {} unknown\n",
                     Plural(sum.lines, "line"), sum.recovered, sum.on_its_way, sum.missing,
                     sum.unknown);
}

Json SalvageToJson(const std::vector<SalvageLine>& lines) {
  Json json = Json::array();
  for (const SalvageLine& line : lines) {
    Json one = failover::LossKeyToJson(line.line);
    one["line"] = DescribeLoss(line.line);
    one["state"] = StateName(line.state);
    one["recovered_files"] = line.recovered_files;
    one["files_on_their_way"] = line.files_on_their_way;
    one["missing_files"] = line.missing_files;
    one["unnamed_files"] = line.unnamed_files;
    one["why"] = line.why;
    json.push_back(std::move(one));
  }
  return json;
}

Json SumToJson(const LossFigures& sum) {
  Json json = Json::object();
  for (const auto& [name, count] : kSums) json[name] = sum.*count;
  return json;
}

std::optional<LossFigures> SumFromJson(const Json& json) {
  LossFigures sum;
  for (const auto& [name, count] : kSums) {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number_unsigned()) return {};
    sum.*count = json[name].get<uint64_t>();
  }
  return sum;
}

}  // namespace databus
