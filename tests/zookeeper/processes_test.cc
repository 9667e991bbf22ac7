// Processes that contend for one lease in ZooKeeper, each over a network of its own that is cut,
// and that are paused. Each looks a thousand times a second whether it holds the lease and writes
// down from when to when it did, by the boot clock that they share: no two of these may overlap.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>

#include "lease/zookeeper_lease.h"
#include "storage/test_directory.h"
#include "tests/torture/proxy.h"
#include "tests/zookeeper/rig.h"

namespace databus {
namespace {

constexpr Milliseconds kSession{3'000};
// Between two looks further apart than this somebody else may have held it: nothing is claimed. A
// third of a session is the least that it takes.
constexpr Milliseconds kApart = kSession / 6;
constexpr Milliseconds kPiece{500};  // long stretches are written down in pieces

int64_t Nanoseconds(BootTime time) { return time.time_since_epoch().count(); }

// Writes "held FROM TO" for stretches, and "now TIME" now and then.
class Diary {
 public:
  explicit Diary(const std::string& path) : out_(path) {}

  // `asked` and `told`: before and after the look.
  void Look(bool held, BootTime asked, BootTime told) {
    if (!held || (from_ && asked - last_ > kApart)) Break();
    if (held) {
      if (!from_) from_ = told;
      last_ = asked;
      if (last_ - *from_ >= kPiece) {
        Write();
        from_ = last_;
      }
    }
    if (asked - said_ < Milliseconds(50)) return;
    said_ = asked;
    out_ << "now " << Nanoseconds(asked) << '\n' << std::flush;
  }
  void Break() {
    if (from_) Write();
    from_.reset();
  }

 private:
  void Write() {
    if (last_ > *from_) {
      out_ << "held " << Nanoseconds(*from_) << ' ' << Nanoseconds(last_) << '\n' << std::flush;
    }
  }
  std::ofstream out_;
  std::optional<BootTime> from_;
  BootTime last_{};
  BootTime said_{};
};

// --as-holder SERVERS NAME DIARY SEED: contends until it is killed. SEED 0 never releases.
int HoldForEver(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 6) return 2;
  Clock& clock = SystemClock();
  ZooKeeperLease lease(
      clock, SystemRandom(),
      {.servers = argv[2], .request = {.cluster = "dc1", .holder = argv[3], .timeout = kSession}});
  const uint64_t seed = std::stoull(argv[5]);
  const auto random = SeededRandom(seed);
  std::atomic<uint64_t> releases = 0;
  StopFlag never;
  const Thread ticks("ticks", [&] {
    while (!never.SleepUntil(clock, clock.Boot() + lease.Pace())) {
      static_cast<void>(lease.Tick());
      if (seed == 0 || !lease.Held(View::kLocal, 0) || random->Below(8) != 0) continue;
      ++releases;
      static_cast<void>(lease.Release());
    }
  });
  Diary diary(argv[4]);
  for (uint64_t known = 0;;) {
    const BootTime asked = clock.Boot();
    const bool held = lease.Held(View::kLocal, 0);
    const uint64_t now = releases;
    if (now != known) diary.Break();
    known = now;
    diary.Look(held, asked, clock.Boot());
    never.SleepUntil(clock, clock.Boot() + Milliseconds(1));
  }
}

struct Stretch {
  int64_t from = 0;
  int64_t to = 0;
  std::string who;
};

class Contender {
 public:
  Contender(const std::string& name, const std::string& servers, const std::string& directory,
            uint64_t seed)
      : name_(name), diary_(directory + ("/" + name)) {
    const std::string seed_text = std::to_string(seed);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::execl("/proc/self/exe", "holder", "--as-holder", servers.c_str(), name.c_str(),
            diary_.c_str(), seed_text.c_str(), nullptr);
    ::_exit(127);
  }
  ~Contender() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  void Pause() const { ::kill(pid_, SIGSTOP); }
  void Resume() const { ::kill(pid_, SIGCONT); }

  std::vector<Stretch> Held() const {
    std::vector<Stretch> held;
    ForLines([&](const std::string& kind, std::istringstream& numbers) {
      Stretch stretch{.who = name_};
      if (kind == "held" && numbers >> stretch.from >> stretch.to) held.push_back(stretch);
    });
    return held;
  }
  int64_t LastLook() const {
    int64_t last = 0;
    ForLines([&](const std::string& kind, std::istringstream& numbers) {
      if (kind == "now") numbers >> last;
    });
    return last;
  }

 private:
  template <typename Use>
  void ForLines(Use&& use) const {
    std::ifstream in(diary_);
    std::string kind;
    for (std::string line; std::getline(in, line) && !in.eof();) {  // the last may be half a line
      std::istringstream numbers(line);
      numbers >> kind;
      use(kind, numbers);
    }
  }
  const std::string name_;
  const std::string diary_;
  pid_t pid_ = -1;
};

using Contenders = std::vector<std::unique_ptr<Contender>>;

std::vector<Stretch> AllHeld(const Contenders& contenders) {
  std::vector<Stretch> all;
  for (const auto& contender : contenders) {
    for (const Stretch& stretch : contender->Held()) all.push_back(stretch);
  }
  std::ranges::sort(all, {}, &Stretch::from);
  return all;
}

// In order of time; `latest` is the end of all before.
void ExpectNoOverlap(const std::vector<Stretch>& held) {
  std::map<std::string, int64_t> latest;
  for (const Stretch& stretch : held) {
    for (const auto& [who, to] : latest) {
      if (who == stretch.who) continue;
      EXPECT_LE(to, stretch.from) << who << " and " << stretch.who << ", for "
                                  << (to - stretch.from) << " ns";
    }
    latest[stretch.who] = std::max(latest[stretch.who], stretch.to);
  }
}

size_t HandOvers(const std::vector<Stretch>& held) {
  size_t changes = 0;
  for (size_t i = 1; i < held.size(); ++i) changes += held[i].who != held[i - 1].who ? 1 : 0;
  return changes;
}

TEST(ZooKeeperProcessesTest, WhoWasAsleepDoesNotBelieveThatItHoldsTheLease) {
  const TestDirectory directory;
  Contenders both;
  const auto start = [&](const std::string& name) {
    both.push_back(
        std::make_unique<Contender>(name, TheZooKeeper().servers(), directory.path(), 0));
  };
  start("sleeper");
  ASSERT_TRUE(Eventually([&] { return !both[0]->Held().empty(); }));
  start("other");
  both[0]->Pause();
  ASSERT_TRUE(Eventually([&] { return !both[1]->Held().empty(); }));
  const int64_t woken = Nanoseconds(SystemClock().Boot());
  both[0]->Resume();
  ASSERT_TRUE(Eventually(
      [&] { return both[0]->LastLook() > woken && both[1]->LastLook() > woken + 1'000'000'000; }));
  ExpectNoOverlap(AllHeld(both));
}

TEST(ZooKeeperProcessesTest, NoTwoEverHoldItAtTheSameMoment) {
  constexpr size_t kHandOvers = 12;
  constexpr int kFaults = 24;
  const TestDirectory directory;
  std::vector<std::unique_ptr<Proxy>> networks;
  Contenders contenders;
  for (const std::string name : {"a", "b", "c"}) {
    auto proxy = Proxy::Start(TheZooKeeper().port());
    ASSERT_TRUE(proxy.ok());
    networks.push_back(*std::move(proxy));
    contenders.push_back(
        std::make_unique<Contender>(name, "127.0.0.1:" + std::to_string(networks.back()->port()),
                                    directory.path(), contenders.size() + 1));
  }
  const auto random = SeededRandom(11);
  StopFlag never;
  int faults = 0;
  const auto rest = [&](uint64_t most_ms) {
    never.SleepUntil(SystemClock(), SystemClock().Boot() + Milliseconds(random->Below(most_ms)));
  };
  const auto strike = [&] {
    const uint64_t victim = random->Below(contenders.size());
    ++faults;
    if (faults == kFaults / 2) {
      TheZooKeeper().Obey("kill");
      rest(3'000);
      TheZooKeeper().Obey("start");
    } else if (random->Below(3) == 0) {
      contenders[victim]->Pause();
      rest(5'000);
      contenders[victim]->Resume();
    } else {
      networks[victim]->SetAndWait(static_cast<Cut>(1 + random->Below(kCuts - 1)));
      rest(5'000);
      networks[victim]->SetAndWait(Cut::kNone);
    }
    rest(1'000);
  };
  const BootTime end = SystemClock().Boot() + std::chrono::minutes(8);
  size_t changes = 0;
  while ((faults < kFaults || changes < kHandOvers) && SystemClock().Boot() < end) {
    strike();
    changes = HandOvers(AllHeld(contenders));
  }
  const auto held = AllHeld(contenders);
  EXPECT_GE(HandOvers(held), kHandOvers);
  ExpectNoOverlap(held);
  RecordProperty("hand_overs", static_cast<int>(HandOvers(held)));
  RecordProperty("faults", faults);
}

}  // namespace

const HolderMain kHolderMain = &HoldForEver;

}  // namespace databus
