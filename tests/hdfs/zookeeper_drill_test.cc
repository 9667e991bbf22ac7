// Two processes that share one cluster by a lease in ZooKeeper, on a real name node and a real
// server of ZooKeeper. The first one loses ZooKeeper in the middle of its commit, before each call
// to the name node in turn: it is cut off, ZooKeeper dies and comes back, or the process is paused
// until its session has expired. The other one takes the lease over and finishes; then the first
// one goes on, and does no harm: every event is there once.
//
// The first one asks nobody whether it still holds the lease, once it has begun: a worker stops
// when it finds itself without it, so this is the worst case, of one that never notices.
//
// Before some of the calls only, unless the program is started with --every-place.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string_view>

#include "lease/zookeeper_lease.h"
#include "storage/test_directory.h"
#include "tests/hdfs/commit_drill.h"
#include "tests/torture/proxy.h"
#include "tests/zookeeper/rig.h"

namespace databus {
namespace {

constexpr Milliseconds kSession{1'000};  // the least that the server agrees to
constexpr const char* kFirst = "first";
constexpr const char* kNext = "next";

bool every_place = false;

// One process's share in the lease, which ticks by itself.
class Contender {
 public:
  Contender(const std::string& name, const std::string& servers, const std::string& cluster)
      : lease_(SystemClock(), SystemRandom(),
               {.servers = servers,
                .request = {.cluster = cluster, .holder = name, .timeout = kSession}}),
        ticks_("ticks", [this] {
          do {
            static_cast<void>(lease_.Tick());
          } while (!ends_.SleepUntil(SystemClock(), SystemClock().Boot() + lease_.Pace()));
        }) {}
  Contender(const Contender&) = delete;
  ~Contender() { ends_.Stop(); }

  bool Holds() { return lease_.Held(View::kLocal, 0); }
  bool AwaitLease() {
    return Eventually([this] { return Holds(); });
  }
  // Who has it, once that is known.
  std::string AwaitHolder() {
    std::string holder;
    Eventually([&] { return (holder = lease_.Holder()) != "nobody"; });
    return holder;
  }

 private:
  ZooKeeperLease lease_;
  StopFlag ends_;
  Thread ticks_;
};

struct HolderTask {
  std::string servers;
  std::string cluster;
  std::string port;    // of the proxy before the name node
  std::string direct;  // of the name node
  std::string root;
  std::string result;  // a file
};

std::unique_ptr<Storage> TreeAt(const std::string& root, const std::string& port) {
  RigCluster cluster;
  cluster.url = "hdfs://rig";
  HdfsOptions options = cluster.Options(root, static_cast<uint16_t>(std::stoi(port)));
  options.name_nodes.patience = Long();
  return OpenHdfsStorage(options);
}

// A process: takes the lease, and makes what lies in data/ visible by one commit. Writes down who
// holds the lease then, and what came of it.
int CommitAsHolder(const HolderTask& task) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Contender contender(kFirst, task.servers, task.cluster);
  if (!contender.AwaitLease()) return 1;
  const std::vector<DataFileRef> files = FilesInData(*TreeAt(task.root, task.direct));
  const auto tree = TreeAt(task.root, task.port);
  const FixedRules rules;
  Holder holder(*tree, rules, SystemRandom());
  const Status done = holder.OpenAndCommit(files, StartMinute());
  std::ofstream(task.result) << contender.AwaitHolder() << ' ' << done.ToString() << std::flush;
  return 0;
}

class ZooKeeperDrill : public CommitDrill {
 protected:
  ZooKeeperDrill() {
    auto network = Proxy::Start(TheZooKeeper().port());
    EXPECT_TRUE(network.ok()) << network.status().ToString();
    network_ = *std::move(network);
  }
  void Heal() { network_->SetAndWait(Cut::kNone); }

  // The first holder, a process.
  Status Commit(Place& tree, CallProxy::Plan plan) {
    holder_after_.clear();
    CallProxy& proxy = *proxies_[active_];
    proxy.Begin(std::move(plan));
    const std::string result = directory_.path() + "/" + cluster_;
    const std::vector<std::string> arguments = {"127.0.0.1:" + std::to_string(network_->port()),
                                                cluster_,
                                                std::to_string(proxy.port()),
                                                std::to_string(rig_.rpc_port),
                                                tree.root(),
                                                result};
    const pid_t pid = Start(arguments);
    pid_ = pid;
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    std::ifstream in(result);
    std::string outcome;
    std::getline(in >> holder_after_, outcome);
    return outcome == " ok" ? Status::Ok() : Status(Code::kUnavailable, outcome);
  }
  // The other one gets the lease.
  void TakeOver() {
    next_ = std::make_unique<Contender>(kNext, TheZooKeeper().servers(), cluster_);
    EXPECT_TRUE(next_->AwaitLease());
  }

  // What `lose` does takes ZooKeeper from the first one, before each call or some of them; `regain`
  // gives it back when the other one has done everything.
  struct Loss {
    std::function<void()> lose{};
    std::function<void()> regain{};
  };
  void ExpectFencedAfter(uint64_t first_place, const Loss& loss) {
    ForPlaces(first_place, [&](uint64_t n) {
      Place tree(rig_, 1);
      Asleep first(n, Process(tree));
      const bool in_the_middle = IsCommitting();
      if (in_the_middle) loss.lose();
      TakeOver();
      ExpectFenced(tree, first, in_the_middle ? loss.regain : [] {});
      EXPECT_EQ(holder_after_, in_the_middle ? kNext : kFirst);
    });
  }
  static pid_t Start(const std::vector<std::string>& arguments) {
    std::vector<const char*> raw = {kFirst, "--as-holder"};
    for (const std::string& argument : arguments) raw.push_back(argument.c_str());
    raw.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::execv("/proc/self/exe", const_cast<char* const*>(raw.data()));
    ::_exit(127);
  }
  std::function<Status(CallProxy::Plan)> Process(Place& tree) {
    return [&](CallProxy::Plan plan) { return Commit(tree, std::move(plan)); };
  }
  bool IsCommitting() const { return holder_after_.empty(); }
  // With each call of a commit, or some of them from `first` on.
  void ForPlaces(uint64_t first, const std::function<void(uint64_t)>& check) {
    constexpr uint64_t kApart = 30;
    ForEachCall(1, [&](uint64_t n) {
      if (!every_place && n % kApart != first) return;
      cluster_ = "dc" + std::to_string(++commits_);
      check(n);
      next_.reset();
      Heal();
    });
  }

  static int commits_;
  const TestDirectory directory_;
  std::unique_ptr<Proxy> network_;  // of the first one
  std::string cluster_;             // as the lease is called
  std::atomic<pid_t> pid_ = -1;
  std::string holder_after_;  // as the first one knew it when its commit had ended
  std::unique_ptr<Contender> next_;
};

int ZooKeeperDrill::commits_ = 0;

TEST_F(ZooKeeperDrill, NothingOfOneThatWasCutOffFromZooKeeperTakesEffectAfterATakeOver) {
  ExpectFencedAfter(
      1, {.lose = [&] { network_->SetAndWait(Cut::kSilent); }, .regain = [&] { Heal(); }});
}

// The server hears it all the while.
TEST_F(ZooKeeperDrill, NothingOfOneThatHearsNothingOfZooKeeperTakesEffectAfterATakeOver) {
  ExpectFencedAfter(
      4, {.lose = [&] { network_->SetAndWait(Cut::kNoAnswers); }, .regain = [&] { Heal(); }});
}

TEST_F(ZooKeeperDrill, NothingOfOneThatLostAZooKeeperWhichDiedTakesEffectAfterATakeOver) {
  ExpectFencedAfter(6, {.lose =
                            [&] {
                              network_->SetAndWait(Cut::kSilent);
                              TheZooKeeper().Obey("kill");
                              TheZooKeeper().Obey("start");
                            },
                        .regain = [&] { Heal(); }});
}

TEST_F(ZooKeeperDrill, NothingOfOneThatWasPausedTakesEffectAfterATakeOver) {
  ExpectFencedAfter(
      8, {.lose = [&] { ::kill(pid_, SIGSTOP); }, .regain = [&] { ::kill(pid_, SIGCONT); }});
}

// Both go on at the same time: which of them makes what visible is open.
TEST_F(ZooKeeperDrill, OneThatWasCutOffAndOneThatTakesOverMakeEverythingVisibleOnce) {
  ForPlaces(2, [&](uint64_t n) {
    Place tree(rig_, 1);
    Asleep first(n, Process(tree));
    network_->SetAndWait(Cut::kSilent);
    TakeOver();
    Holder next(tree.direct(), rules_, *random_);
    Status taken;
    Thread taking("next", [&] { taken = next.OpenAndCommit(tree.InData(), StartMinute() + 1); });
    Heal();
    const Status& old = first.Wake();
    taking.Join();
    SCOPED_TRACE("the first: " + old.ToString() + ", the next: " + taken.ToString());
    Finish(tree, StartMinute() + 2);
  });
}

// Its session may live on, or not, as long as ZooKeeper takes to come back. Its commit asks nothing
// of ZooKeeper; what is shown is that both sessions outlive this, and the lease passes on.
TEST_F(ZooKeeperDrill, TheLeaseOfAZooKeeperThatDiedAndCameBackPassesOnWhenItsHolderEnds) {
  ForPlaces(5, [&](uint64_t n) {
    Place tree(rig_, 1);
    Asleep first(n, Process(tree));
    next_ = std::make_unique<Contender>(kNext, TheZooKeeper().servers(), cluster_);
    TheZooKeeper().Obey("kill");
    TheZooKeeper().Obey("start");
    const Status& done = first.Wake();
    EXPECT_TRUE(done.ok()) << done.ToString();
    EXPECT_TRUE(next_->AwaitLease());
    Finish(tree);
  });
}

}  // namespace
}  // namespace databus

int main(int argc, char** argv) {
  if (argc == 8 && std::string_view(argv[1]) == "--as-holder") {
    std::signal(SIGPIPE, SIG_IGN);
    return databus::CommitAsHolder({argv[2], argv[3], argv[4], argv[5], argv[6], argv[7]});
  }
  databus::every_place = argc > 1 && std::string_view(argv[1]) == "--every-place";
  return databus::RunTestsOnRig(
      argc, argv,
      [] {
        const databus::RigOutcome zookeeper = databus::TheZooKeeper().Start();
        if (zookeeper != databus::RigOutcome::kReady) return zookeeper;
        return databus::TheRig().Start(DATABUS_RIG_OPTIONS);
      },
      "Hadoop or ZooKeeper");
}
