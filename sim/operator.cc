#include "sim/operator.h"

#include <optional>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/app.h"

namespace databus::sim {
namespace {

using std::chrono::seconds;

constexpr std::string_view kTopologyFile = "databus.xml";
constexpr std::string_view kEditedFile = "edited.xml";
// Then what it waits for is looked for.
constexpr std::chrono::minutes kPatience{5};
// Deeds that somebody else may forbid are given up after so many attempts.
constexpr int kAttemptsMax = 4;

// The word after `before`; nothing: it does not occur.
std::optional<std::string> WordAfter(std::string_view text, std::string_view before) {
  const size_t at = text.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + before.size());
  return std::string(text.substr(0, text.find_first_of(" ,.;\n")));
}

class Operator {
 public:
  Operator(const OperatorPlan& plan, OperatorMemory& memory, const OperatorWorld& world,
           Seams& seams)
      : plan_(plan), memory_(memory), world_(world), seams_(seams) {
    seams_.read_file = [this, read = seams.read_file](const std::string& path) {
      return path == kEditedFile ? Result<std::string>(edited_) : read(path);
    };
  }

  void Run() {
    while (memory_.done < plan_.tasks.size()) {
      const OperatorTask& task = plan_.tasks[memory_.done];
      while (world_.scheduler.now() < task.at && !world_.healed()) Wait(1, 1);
      for (int attempt = 1; !world_.healed() || world_.closes || HasToPutBack(); ++attempt) {
        const bool enough = IsOptional(task.deed) && attempt >= kAttemptsMax && !HasToPutBack();
        if (Do(task) || enough) break;
        Wait(3, 20);
      }
      ++memory_.done;
    }
    while (world_.closes && !world_.healed()) Wait(1, 1);
    if (world_.closes) Close();
    memory_.over = true;
  }

 private:
  struct Said {
    int code = 0;
    std::string text{};  // of both streams
    bool Has(std::string_view part) const { return text.find(part) != std::string::npos; }
    // It was carried through, or there is nothing to do.
    bool IsOver() const {
      return code == static_cast<int>(Exit::kDone) ||
             code == static_cast<int>(Exit::kNothingToDo) || Has("NOT EQUAL");
    }
  };
  using Words = std::vector<std::string>;

  static bool IsOptional(Deed deed) {
    return deed == Deed::kResume || deed == Deed::kAbort || deed == Deed::kEdit ||
           deed == Deed::kSpool;
  }

  // Nobody else knows that those collectors are to deliver again.
  bool HasToPutBack() const { return !memory_.spooling.empty(); }

  void Wait(uint64_t low, uint64_t high) {
    world_.scheduler.Sleep(seconds(world_.random.Between(low, high)));
  }

  Said Type(Words words) {
    words.insert(words.end(), {"--topology", std::string(kTopologyFile)});
    world_.note(fmt::format("types: databus {}", fmt::join(words, " ")));
    std::istringstream in;
    std::ostringstream out;
    Io io{.in = in, .out = out, .err = out, .listen_for_stop = world_.listen_for_stop};
    const auto patience = world_.interrupt_after(kPatience);
    const int code = RunProgram(words, io, seams_);
    Said said{code, out.str()};
    memory_.last =
        fmt::format("'databus {} {}' answered {}: {}", words[0], words[1], code, said.text);
    world_.note(fmt::format("is answered {}: {}", code, said.text));
    return said;
  }

  bool Do(const OperatorTask& task) {
    switch (task.deed) {
      case Deed::kFailOver:
        return Carried(Type({"failover", "run", "--from", task.from, "--to", task.to, "--yes"}));
      case Deed::kGiveUp: return GiveUp(task);
      case Deed::kFailBack: return Carried(Type({"failback", "run", "--to", task.to, "--yes"}));
      case Deed::kResume: return Resumed("failover") && Resumed("failback");
      case Deed::kAbort: return Type({"failover", "abort", "--yes"}).IsOver();
      case Deed::kEdit: return Edit(task);
      case Deed::kSpool: return Spool(task.from);
    }
    __builtin_unreachable();
  }

  // Else does what the message says.
  bool Carried(const Said& said) {
    if (said.IsOver()) return true;
    Mend(said);
    return false;
  }

  // There is nothing to go on with, either, when the last one was given up.
  bool Resumed(const std::string& word) {
    const Said said = Type({word, "resume"});
    return said.Has(" is aborted.") || Carried(said);
  }

  // What goes on with something may name what has to be done about it instead.
  void Mend(const Said& said) {
    for (const std::string word : {"failback", "failover"}) {
      if (!said.Has(fmt::format("'databus {} resume'", word))) continue;
      const Said resumed = Type({word, "resume"});
      if (!resumed.IsOver()) EndOrChoose(resumed);
      return;
    }
    EndOrChoose(said);
  }

  void EndOrChoose(const Said& said) {
    if (said.Has("databus topology choose")) {
      Choose();
    } else if (said.Has("then abort")) {
      const std::string word = said.Has("-failback-") ? "failback" : "failover";
      Type({word, "abort", "--yes"});
    } else if (said.Has("can be resumed")) {  // after a long wait
      Choose();
    }
  }

  // True: there is no conflict.
  bool Choose() {
    const Said asked = Type({"topology", "choose", "0/", "--yes"});
    if (asked.code == static_cast<int>(Exit::kNothingToDo)) return true;
    constexpr std::string_view kSides = "names none of ";
    const size_t at = asked.text.find(kSides);
    if (at == std::string::npos) return false;
    std::istringstream sides(asked.text.substr(at + kSides.size()));
    Words names;
    for (std::string name; sides >> name;) {
      if (name.ends_with(',')) name.pop_back();
      names.push_back(name);
    }
    if (names.empty()) return false;
    Type({"topology", "choose", names[world_.random.Below(names.size())], "--yes"});
    return false;
  }

  // Whoever loses a cluster has to accept what that may cost.
  bool GiveUp(const OperatorTask& task) {
    const Words run = {"failover", "run",   "--from",      task.from,
                       "--to",     task.to, "--unplanned", "--yes"};
    const Said asked = Type(run);
    const auto statement = WordAfter(asked.text, "run it again with --accept-loss ");
    if (!statement) return Carried(asked);
    Words accepted = run;
    accepted.insert(accepted.end(), {"--accept-loss", *statement});
    return Carried(Type(accepted));
  }

  // A stream that nobody knew before.
  bool Edit(const OperatorTask& task) {
    const Said shown = Type({"topology", "show", "--xml"});
    const auto base = WordAfter(shown.text, "Topology epoch ");
    const size_t end = shown.text.find("</streams>");
    if (!base || end == std::string::npos) return false;
    if (shown.Has("\"late\"")) return true;
    edited_ = shown.text;
    edited_.insert(end, fmt::format("<stream name=\"late\"><sources><source><name>{0}</name>"
                                    "</source></sources><destinations><destination><name>{1}"
                                    "</name><primary>true</primary></destination><destination>"
                                    "<name>{0}</name></destination></destinations></stream>\n",
                                    task.from, task.to));
    return Type({"topology", "apply", std::string(kEditedFile), "--base", *base, "--yes"}).IsOver();
  }

  bool Spool(const std::string& cluster) {
    if (!memory_.spooling.contains(cluster)) {
      memory_.spooling.insert(cluster);
      if (!Type({"topology", "mode", cluster, "spool", "--yes"}).IsOver()) return false;
      Wait(5, 60);
    }
    return Deliver(cluster);
  }

  bool Deliver(const std::string& cluster) {
    if (!Type({"topology", "mode", cluster, "deliver", "--yes"}).IsOver()) return false;
    memory_.spooling.erase(cluster);
    return true;
  }

  void Close() {
    while (true) {
      bool calm = Choose();
      calm = Resumed("failover") && calm;
      calm = Resumed("failback") && calm;
      const std::set<std::string> spooling = memory_.spooling;
      for (const std::string& cluster : spooling) calm = Deliver(cluster) && calm;
      if (calm) return;
      Wait(3, 10);
    }
  }

  const OperatorPlan& plan_;
  OperatorMemory& memory_;
  const OperatorWorld& world_;
  Seams& seams_;
  std::string edited_;
};

}  // namespace

void Operate(const OperatorPlan& plan, OperatorMemory& memory, const OperatorWorld& world,
             Seams& seams) {
  Operator(plan, memory, world, seams).Run();
}

}  // namespace databus::sim
