// Crashes, lost answers and stale holders, at every storage call of a scenario in which one process
// after another publishes three streams of two collectors.
#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/names.h"
#include "commit/minute_tree.h"
#include "commit/test_world.h"

namespace databus {
namespace {

using ::testing::IsEmpty;

constexpr std::array<std::string_view, 3> kStreams = {"clicks", "orders", "views"};

bool IsReason(const std::string& path) { return path.ends_with(".reason"); }

// The standing invariants, checked at every look at the tree. What is wrong is kept as text.
class Watcher {
 public:
  explicit Watcher(World& world) : world_(world) {}

  void Look() {
    view_ = ReadTree(world_.dc1, paths::ViewRoot(View::kLocal));
    system_ = ReadTree(world_.dc1, std::string(paths::Parent(paths::Tmp())));
    CheckFiles();
    CheckMinutes();
    CheckManifests();
    CheckQueues();
    CheckCleanUps();
  }

  void LookAtTheEnd() {
    Look();
    for (const auto& [name, content] : world_.delivered) {
      if (!place_.contains(name)) Wrong("G2: " + name + " was never published");
    }
    for (const auto& file : world_.InData()) Wrong("left in data/: " + file.name);
    for (const auto& [path, names] : world_.entries) {
      if (world_.dc2.Stat(path).ok()) Wrong("clean-up not done: " + path);
    }
    for (const auto& [path, content] : system_) {
      if (path.starts_with(paths::Staging(View::kLocal, 0)) && Depth(path) > 5) {
        Wrong("left in staging: " + path);
      }
    }
    for (const auto& [name, path] : place_) {
      if (!path.starts_with(paths::ViewRoot(View::kLocal))) continue;
      for (const char* queue : {"dc1", "dc2"}) {
        if (named_[queue][path] != 1) {
          Wrong(fmt::format("{} is named {} times in the queue of {}", path, named_[queue][path],
                            queue));
        }
      }
    }
  }

  void Purged(const std::string& stream, Minute hour) {
    purged_.insert(paths::Hour(View::kLocal, stream, hour));
  }

  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  static int64_t Depth(const std::string& path) {
    return std::count(path.begin(), path.end(), '/');
  }
  void Wrong(std::string what) {
    if (wrong_.size() < 10) wrong_.push_back(std::move(what));
  }
  bool IsPurged(const std::string& path) const {
    return std::any_of(purged_.begin(), purged_.end(),
                       [&](const std::string& hour) { return path.starts_with(hour); });
  }

  // G3: at one place only, for ever, and whole.
  void CheckFiles() {
    std::map<std::string, std::string> visible;
    for (const auto& [path, content] : view_) {
      if (path.back() != '/') visible[path] = std::string(paths::BaseName(path));
    }
    const std::string quarantine(paths::Parent(paths::Quarantine(View::kLocal, "x")));
    for (const auto& [path, content] : system_) {
      if (!path.starts_with(quarantine) || path.back() == '/' || IsReason(path)) continue;
      for (const auto& [name, bytes] : world_.delivered) {
        if (path.ends_with(name)) visible[path] = name;
      }
    }
    for (const auto& [path, name] : visible) {
      const std::string& first = place_.emplace(name, path).first->second;
      if (first != path) Wrong(fmt::format("G3: {} was at {}", path, first));
      const std::string& content = view_.contains(path) ? view_[path] : system_[path];
      if (content != world_.delivered[name]) Wrong("torn: " + path);
    }
    for (const auto& [name, path] : place_) {
      if (!visible.contains(path) && !IsPurged(path)) Wrong("G2: went away: " + path);
    }
  }

  // G4, G5.
  void CheckMinutes() {
    std::map<std::string, std::map<Minute, std::set<std::string>>> minutes;
    for (const auto& [path, content] : view_) {
      const auto place =
          paths::ParseMinutePath(path.back() == '/' ? path.substr(0, path.size() - 1) : path);
      if (!place) continue;
      std::set<std::string>& files = minutes[place->stream][place->minute];
      if (!place->file.empty()) files.insert(place->file);
    }
    for (const auto& [stream, here] : minutes) {
      const Minute newest = here.rbegin()->first;
      for (const auto& [minute, files] : here) {
        const std::string dir = paths::MinuteDir(View::kLocal, stream, minute);
        if (minute != newest && !here.contains(minute.Next())) Wrong("G5: hole after " + dir);
        if (minute == newest || IsPurged(dir)) continue;
        if (fixed_.emplace(dir, files).first->second != files) Wrong("G4: changed: " + dir);
      }
    }
    for (const auto& [dir, files] : fixed_) {
      if (!view_.contains(dir + '/') && !IsPurged(dir)) Wrong("G4: went away: " + dir);
    }
  }

  // P15: what a manifest says is there, for ever, in all streams of the group.
  void CheckManifests() {
    for (const auto& [path, content] : system_) {
      if (!path.starts_with(paths::ManifestRoot(View::kLocal, 0)) || path.back() == '/') continue;
      if (manifests_.emplace(path, content).first->second != content) {
        Wrong("P15: manifest changed: " + path);
      }
      const auto manifest = Manifest::Decode(content, path);
      if (!manifest.ok()) {
        Wrong(manifest.status().ToString());
        continue;
      }
      for (const auto& [stream, files] : manifest->streams) CheckClosed(*manifest, stream, files);
    }
    for (const auto& [path, content] : manifests_) {
      if (!system_.contains(path)) Wrong("P15: manifest went away: " + path);
    }
  }

  void CheckClosed(const Manifest& manifest, const std::string& stream, const MinuteFiles& files) {
    const std::string dir = paths::MinuteDir(View::kLocal, stream, manifest.minute);
    if (IsPurged(dir)) return;
    std::set<std::string> here;
    for (auto at = view_.upper_bound(dir + '/'); at != view_.end() && at->first.starts_with(dir);
         ++at) {
      here.insert(std::string(paths::BaseName(at->first)));
    }
    std::set<std::string> listed;
    for (const auto& [name, facts] : files) listed.insert(name);
    if (!view_.contains(dir + '/') || here != listed) {
      Wrong(
          fmt::format("P15: {} holds {} files, its manifest {}", dir, here.size(), listed.size()));
    }
  }

  // P24: what an entry names is there.
  void CheckQueues() {
    named_.clear();
    const std::string queues(paths::Parent(paths::Consumers("x")));
    for (const auto& [path, content] : system_) {
      if (!path.starts_with(queues) || path.back() == '/') continue;
      const std::string queue(paths::BaseName(paths::Parent(path)));
      for (size_t at = 0; at < content.size();) {
        const size_t end = content.find('\n', at);
        const auto place = paths::ParseQueueLine(content.substr(at, end - at));
        at = end + 1;
        if (!place) {
          Wrong("bad line in " + path);
          continue;
        }
        const std::string file =
            paths::MinuteFile(place->view, place->stream, place->minute, place->file);
        ++named_[queue][file];
        if (!view_.contains(file) && !IsPurged(file)) {
          Wrong(fmt::format("P24: {} names {}", path, file));
        }
      }
    }
  }

  // G7.
  void CheckCleanUps() {
    for (const auto& [path, names] : world_.entries) {
      if (world_.dc2.Stat(path).ok()) continue;
      for (const std::string& name : names) {
        if (!place_.contains(name)) Wrong(fmt::format("G7: {} went before {}", path, name));
      }
    }
  }

  World& world_;
  Tree view_;
  Tree system_;
  std::set<std::string> purged_;                             // hours
  std::map<std::string, std::string> place_;                 // path by file name
  std::map<std::string, std::set<std::string>> fixed_;       // files by minute directory
  std::map<std::string, std::string> manifests_;             // content by path
  std::map<std::string, std::map<std::string, int>> named_;  // count by queue and path
  std::vector<std::string> wrong_;
};

// One step of the scenario: what the world does, once, and what the process does about it, as often
// as it takes.
struct Step {
  std::function<void(World&)> world;
  std::function<Status(Process&)> process;
};

Status PurgeFirstHour(Process& process) {
  for (const std::string_view stream : kStreams) {
    DATABUS_RETURN_IF_ERROR(process.Purge(std::string(stream), StartMinute()));
  }
  return Status::Ok();
}

std::vector<Step> Scenario() {
  const Minute start = StartMinute();
  const auto publish = [](Minute now) {
    return [now](Process& process) { return process.Publish(now); };
  };
  const auto nothing = [](World&) {};
  return {
      {[=](World& world) {
         world.Enqueue("a", {world.Deliver("clicks", "c1", start, 1),
                             world.Deliver("orders", "c-2", start, 1)});
         world.Deliver("views", "c1", start, 1);
       },
       publish(start)},
      {[=](World& world) {  // into the same minute, and a file that is refused
         world.Enqueue("b", {world.Deliver("clicks", "c-2", start, 1)});
         world.Deliver("orders", "c1", start, kRefusedSequence);
       },
       publish(start)},
      {[=](World& world) { world.Deliver("clicks", "c1", start + 1, 2); }, publish(start + 1)},
      // Nothing comes for a while: minutes close empty, over the end of the hour.
      {nothing, [=](Process& process) { return process.Close(start + 4); }},
      {[=](World& world) {
         world.Deliver("views", "c-2", start + 4, 2);
         world.Enqueue("c", {world.Deliver("orders", "c-2", start + 4, 2)});
       },
       publish(start + 4)},
      {nothing, PurgeFirstHour},
      // A take-over between claiming and publishing.
      {[=](World& world) {
         world.Enqueue("d", {world.Deliver("clicks", "c-2", start + 5, 3),
                             world.Deliver("views", "c1", start + 5, 3)});
       },
       [=](Process& process) {
         DATABUS_RETURN_IF_ERROR(process.Take());
         return process.Open();
       }},
      {nothing, publish(start + 5)},
      {nothing, [=](Process& process) { return process.Close(start + 6); }},
  };
}

constexpr size_t kPurgeStep = 5;

// Runs the scenario. Process i of it gets the fault `faults[i]` at its call `at[i]`; a crash ends a
// process and the next one goes on.
class Play {
 public:
  struct Planned {
    uint64_t at = 0;
    Fault fault{};
  };

  Play() : watcher_(world_) {}

  // Call `at` of all is not answered, and made before the one that comes so many calls later, or
  // when all is over.
  void MakeLater(uint64_t at, uint64_t delay) { late_ = {at, at + delay, 0, std::nullopt}; }
  bool was_late() const { return was_late_; }

  void ToTheEnd(const std::vector<Planned>& plan) {
    const std::vector<Step> steps = Scenario();
    for (size_t i = 0; i < steps.size(); ++i) {
      if (i == kPurgeStep) {
        for (const std::string_view stream : kStreams) {
          watcher_.Purged(std::string(stream), StartMinute());
        }
      }
      steps[i].world(world_);
      PlayStep(steps[i], plan);
    }
    watcher_.LookAtTheEnd();
    if (!late_.call) return;
    MakeLateCall();
    watcher_.Look();
  }

  uint64_t calls() const { return process_->plan().calls(); }
  size_t processes() const { return processes_; }
  World& world() { return world_; }
  const std::vector<std::string>& wrong() const { return watcher_.wrong(); }

 private:
  void PlayStep(const Step& step, const std::vector<Planned>& plan) {
    Status last;
    for (int attempt = 0; attempt < 6; ++attempt) {
      if (process_ == nullptr) Start(plan);
      try {
        last = step.process(*process_);
        watcher_.Look();
        if (last.ok()) return;
      } catch (const Crash&) {
        process_ = nullptr;
        watcher_.Look();
      }
    }
    ADD_FAILURE() << "does not recover: " << last.ToString();
  }

  void Start(const std::vector<Planned>& plan) {
    process_ = std::make_unique<Process>(world_);
    if (processes_ < plan.size() && plan[processes_].at != 0) {
      process_->plan().Add({.number = plan[processes_].at, .fault = plan[processes_].fault});
    }
    ++processes_;
    if (late_.at == 0) return;
    process_->plan().SetCallback([this](const Call& call) {
      ++late_.calls;
      if (late_.call && late_.calls >= late_.until) MakeLateCall();
      if (late_.calls != late_.at || !MayBeLate(call.verb)) return Fault{};
      late_.call = call;
      was_late_ = true;
      return Fault::Late();
    });
  }

  void MakeLateCall() {
    const Call call = *std::exchange(late_.call, std::nullopt);
    static_cast<void>(
        MakeLate(call.store == world_.dc2.Describe() ? world_.dc2 : world_.dc1, call));
  }

  struct LateCall {
    uint64_t at = 0;
    uint64_t until = 0;
    uint64_t calls = 0;
    std::optional<Call> call{};
  };

  World world_;
  LateCall late_;
  bool was_late_ = false;
  Watcher watcher_;
  std::unique_ptr<Process> process_;
  size_t processes_ = 0;
};

uint64_t CallsOfScenario() {
  Play run;
  run.ToTheEnd({});
  return run.calls();
}

class Rows {
 public:
  void Add(const RecoveryRows& rows) {
    for (const RecoveryRule& rule : kRecoveryTable) {
      if (rows.Hits(rule.row) > 0) hit_.insert(rule.row);
    }
  }
  const std::set<RecoveryRow>& hit() const { return hit_; }

 private:
  std::set<RecoveryRow> hit_;
};

TEST(RecoveryTest, WithoutFaultsTheScenarioKeepsEveryPromise) {
  Play run;
  run.ToTheEnd({});
  EXPECT_THAT(run.wrong(), IsEmpty());
  EXPECT_EQ(run.processes(), 1U);
}

TEST(RecoveryTest, OneFaultAtAnyCallNeitherLosesNorDoublesNorChangesAClosedMinute) {
  const uint64_t calls = CallsOfScenario();
  uint64_t points = 0;
  Rows rows;
  for (const Fault& fault : {Fault::CrashBefore(), Fault::CrashAfter(), Fault::CrashTorn(3),
                             Fault::AnswerLost(), Fault::RequestLost(), Fault::Full()}) {
    for (uint64_t n = 1; n <= calls; ++n) {
      Play run;
      run.ToTheEnd({{n, fault}});
      rows.Add(run.world().rows);
      ++points;
      ASSERT_THAT(run.wrong(), IsEmpty()) << "fault " << int(fault.kind) << " at call " << n;
      ASSERT_FALSE(HasFailure()) << "fault " << int(fault.kind) << " at call " << n;
    }
  }
  EXPECT_GE(calls, 300U);
  EXPECT_EQ(points, 6 * calls);
  EXPECT_EQ(rows.hit(), RowsOfOneFault());
}

TEST(RecoveryTest, ACrashInTheRecoveryFromACrashIsRecoveredFromToo) {
  const uint64_t calls = CallsOfScenario();
  uint64_t points = 0;
  for (uint64_t n = 1; n <= calls; n += 5) {
    for (uint64_t m = 1; m <= 40; m += 2) {
      for (const uint64_t third : {uint64_t{0}, uint64_t{m / 2 + 1}}) {
        Play run;
        run.ToTheEnd({{n, Fault::CrashAfter()},
                      {m + n % 2, Fault::CrashBefore()},
                      {third, Fault::CrashAfter()}});
        ASSERT_THAT(run.wrong(), IsEmpty()) << n << " then " << m << " then " << third;
        ASSERT_FALSE(HasFailure()) << n << " then " << m << " then " << third;
        ++points;
      }
    }
  }
  EXPECT_GE(points, 2'000U);
}

// A server makes a call long after its caller has given up, looked, and gone on.
TEST(RecoveryTest, ACallThatIsMadeLaterThanItsCallerWaitedChangesNothing) {
  const uint64_t calls = CallsOfScenario();
  uint64_t points = 0;
  for (uint64_t n = 1; n <= calls; ++n) {
    for (uint64_t delay = 1; delay < calls; delay += 1 + delay / 2) {
      Play run;
      run.MakeLater(n, delay);
      run.ToTheEnd({});
      if (!run.was_late()) break;
      ASSERT_THAT(run.wrong(), IsEmpty()) << "call " << n << ", made " << delay << " later";
      ASSERT_FALSE(HasFailure()) << "call " << n << ", made " << delay << " later";
      ++points;
    }
  }
  EXPECT_GE(points, 2'000U);
}

// P11: what a view refused is left out by an amendment. What it amends would name it again.
TEST(RecoveryTest, AnAmendmentIsNotOutlivedByWhatItAmends) {
  World world;
  world.Deliver("clicks", "c1", StartMinute(), 1);
  world.Deliver("orders", "c1", StartMinute(), 1);
  Process process(world);
  bool amended = false;
  bool kept = false;
  process.plan().SetCallback([&](const Call& call) {
    const bool refused = call.verb == Verb::kRename &&
                         call.to.starts_with(paths::Stream(View::kLocal, "clicks") + "/");
    if (refused) return Fault::Denied();
    amended = amended || (call.verb == Verb::kRename && call.to.ends_with(".1") &&
                          call.to.find("/record-") != std::string::npos);
    const bool goes = call.verb == Verb::kRemove && call.path.ends_with(".0") &&
                      call.path.find("/record-") != std::string::npos;
    if (!amended || !goes || kept) return Fault{};
    kept = true;
    return Fault::RequestLost();
  });
  static_cast<void>(process.Publish(StartMinute()));
  ASSERT_TRUE(kept);
  const Tree staging = ReadTree(world.dc1, paths::Tmp());
  for (const auto& [path, content] : staging) {
    if (!path.ends_with(".0") || path.find("/record-") == std::string::npos) continue;
    EXPECT_TRUE(staging.contains(path.substr(0, path.size() - 1) + "1")) << path;
  }
}

// What is visible to anybody: not staging, not the reasons beside quarantined files, and not the
// hours, which a stale holder may still make (they are empty directories).
Tree Visible(World& world) {
  Tree visible;
  for (const auto& [path, content] : ReadTree(world.dc1, "")) {
    const bool hour =
        path.back() == '/' && !paths::ParseMinutePath(path.substr(0, path.size() - 1));
    if (hour || path.starts_with(paths::Tmp()) || IsReason(path)) continue;
    visible[path] = content;
  }
  return visible;
}

// What a holder does in one go, from the moment that it has its epoch.
Status WorkOfAHolder(Process& process) {
  const Minute start = StartMinute();
  DATABUS_RETURN_IF_ERROR(process.Publish(start + 1));
  DATABUS_RETURN_IF_ERROR(process.Close(start + 3));
  return process.Purge("clicks", start);
}

void PrepareForStaleHolder(World& world) {
  const Minute start = StartMinute();
  Process first(world);
  world.Deliver("clicks", "c1", start, 1);
  world.Deliver("views", "c1", start, 1);
  ASSERT_TRUE(first.Publish(start).ok());
  world.Enqueue("a", {world.Deliver("clicks", "c1", start + 1, 2),
                      world.Deliver("orders", "c-2", start + 1, 2)});
  world.Deliver("orders", "c-2", start + 1, kRefusedSequence);
  // Left to be recovered by the next holder.
  ASSERT_TRUE(first.Take().ok());
  world.Deliver("views", "c-2", start + 1, 3);
}

TEST(RecoveryTest, AHolderPausedBeforeAnyCallMakesNothingVisibleAfterItsSuccessorHasBegun) {
  uint64_t paused = 0;
  for (uint64_t n = 1;; ++n) {
    World world;
    PrepareForStaleHolder(world);
    Process stale(world);
    Process successor(world);
    Tree visible;
    stale.plan().Add({.number = n, .fault = Fault::Delayed([&] {
                                     ASSERT_TRUE(WorkOfAHolder(successor).ok()) << n;
                                     visible = Visible(world);
                                   })});
    static_cast<void>(stale.Open());
    if (visible.empty() || stale.open()) static_cast<void>(WorkOfAHolder(stale));
    if (visible.empty()) break;
    // One that was paused before it had an epoch is no stale holder: it got a higher one.
    if (stale.open() && successor.writer().staging().epoch() < stale.writer().staging().epoch()) {
      continue;
    }
    ++paused;
    EXPECT_EQ(Visible(world), visible) << "paused before call " << n;
    EXPECT_EQ(successor.Publish(StartMinute() + 4).ToString(), "ok") << n;
  }
  EXPECT_GE(paused, 100U);
}

}  // namespace
}  // namespace databus
