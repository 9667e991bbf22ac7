// Damage to a segment of the spool, in every state that it can meet: what of it is cut, held back,
// handed over, delivered; with or without a restart, in the newest segment or an older one. All
// that can be read arrives once; what cannot is set aside and told; nothing waits for it, and the
// segment goes (G2, G3, G10, P20, P22).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "collector/service/test_redirect.h"
#include "collector/spool/format.h"

namespace databus {
namespace {

using testing::IsEmpty;
using testing::Not;
using testing_redirect::Entries;
using testing_redirect::Installation;
using testing_redirect::Machine;

const std::vector<std::string> kBoth = {"dc1", "dc2"};
const std::string kSegment = "/spool/a/segment-1";
constexpr size_t kRecords = 3;

// What is held back when the messages come: nothing, so that they go; one of their two streams, so
// that the cut has a deferral; the same, and only the record that is damaged has any of it, in a
// cut of its own, so that all else of the segment is freed; both, so that there is no cut.
enum class Held : uint8_t { kNothing, kOrders, kOrdersOfOne, kAll };
// What becomes of the streams then.
enum class Way : uint8_t {
  kDeliver,
  kHandOver,
  kInDoubt,  // handed over, and the answer is lost, before the damage comes
};
enum class When : uint8_t { kBeforeTheCut, kAfterIt };
// What the damage meets next: the same process, or another one, of which this is the newest segment
// or an older one.
enum class Next : uint8_t { kSame, kNewest, kOlder };
enum class Damage : uint8_t {
  kHeader,
  kBody,
  kZeroes,
  kCutOff,   // and what is behind it
  kEmptied,  // all of the file, as an operator leaves it who has nothing to put back
};

struct State {
  Held held = Held::kNothing;
  Way way = Way::kDeliver;
  When when = When::kBeforeTheCut;
  Next next = Next::kSame;
  Damage damage = Damage::kHeader;
  size_t record = 0;
};

std::string Describe(const State& state) {
  static constexpr const char* kHeldNames[] = {"nothing held", "orders held", "orders of one held",
                                               "all held"};
  static constexpr const char* kWayNames[] = {"delivered", "handed over", "in doubt"};
  static constexpr const char* kWhenNames[] = {"before the cut", "after the cut"};
  static constexpr const char* kNextNames[] = {"same process", "newest segment", "older segment"};
  static constexpr const char* kDamageNames[] = {"header", "body", "zeroes", "cut off", "emptied"};
  return std::string(kHeldNames[static_cast<int>(state.held)]) + ", " +
         kWayNames[static_cast<int>(state.way)] + ", " + kWhenNames[static_cast<int>(state.when)] +
         ", " + kNextNames[static_cast<int>(state.next)] + ", " +
         kDamageNames[static_cast<int>(state.damage)] + " of record " +
         std::to_string(state.record);
}

// Not every combination is one.
bool Exists(const State& state) {
  // In doubt is only what was cut, and sent, already.
  if (state.way == Way::kInDoubt) return state.when == When::kAfterIt && state.held == Held::kAll;
  // An older segment of which all is delivered is gone: there is nothing left to break.
  const bool gone = state.held == Held::kNothing && state.when == When::kAfterIt;
  return !gone || state.next != Next::kOlder;
}

// Nobody can tell these from what was never acknowledged.
bool CanBeTold(const State& state) {
  if (state.way == Way::kInDoubt) return true;
  const bool cut = state.held != Held::kAll && state.when == When::kAfterIt;
  if (cut || state.next != Next::kNewest) return true;
  // How long the file was is known by a cut, or by the copy of its last flush.
  if (state.damage == Damage::kCutOff || state.damage == Damage::kEmptied) return false;
  // Zeroes at the end of what a run left: its last flush, that never came to be.
  return state.damage != Damage::kZeroes || state.record + 1 < kRecords;
}

std::string ReadFile(MemoryDisk& disk, const std::string& path) {
  std::string bytes;
  const auto file = disk.Open(path);
  EXPECT_TRUE(file.ok()) << path;
  if (!file.ok()) return bytes;
  EXPECT_TRUE((*file)->ReadAt(0, 1u << 20, bytes).ok());
  return bytes;
}

void WriteFile(MemoryDisk& disk, const std::string& path, std::string_view bytes) {
  ASSERT_TRUE(disk.Remove(path).ok());
  const auto file = disk.Create(path);
  const std::string_view parts[] = {bytes};
  ASSERT_TRUE((*file)->Append(parts).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE(disk.SyncDir(path.substr(0, path.rfind('/'))).ok());
}

// Where the records of a segment begin.
std::vector<size_t> RecordsIn(std::string_view bytes) {
  std::vector<size_t> begins;
  for (size_t at = FindRecordMagic(bytes, 0); at < bytes.size();) {
    begins.push_back(at);
    at = FindRecordMagic(bytes, at + 1);
  }
  return begins;
}

class DamagedSpool {
 public:
  explicit DamagedSpool(const State& state) : state_(state) {}

  void Check() {
    world_.Steer(ModesAtFirst(), kBoth);
    world_.b.Start(world_.b.ToCluster());
    world_.a.Start(world_.a.ToCluster());
    world_.Run(4);
    for (size_t i = 0; i < kRecords; ++i) LogRecord(i);
    if (state_.when == When::kBeforeTheCut) Break();
    world_.Run(3);
    if (state_.way == Way::kInDoubt) HandOverInDoubt();
    if (state_.when == When::kAfterIt) Break();
    world_.Steer(ModesAtLast(), kBoth);
    world_.wire.cut_off.clear();
    world_.b.on_call = nullptr;
    world_.Run(20);
    if (state_.next != Next::kSame) Log("late");
    world_.Run(10);
    ExpectAllThatCanBeRead();
    ExpectNothingLeft();
  }

 private:
  std::vector<ModeRule> ModesAtFirst() const {
    switch (state_.held) {
      case Held::kNothing: return {};
      case Held::kOrders:
      case Held::kOrdersOfOne: return {{"dc1", "orders", DeliveryMode::kSpool}};
      case Held::kAll: return {{"dc1", "", DeliveryMode::kSpool}};
    }
    __builtin_unreachable();
  }
  std::vector<ModeRule> ModesAtLast() const {
    if (state_.way == Way::kDeliver) return {};
    return {{"dc1", "", DeliveryMode::kRedirect, "dc2"}};
  }
  void LogRecord(size_t record) {
    const bool of_one = state_.held == Held::kOrdersOfOne;
    Log(std::to_string(record),
        of_one && record != state_.record ? Streams::kClicks : Streams::kOfBoth);
    if (of_one && state_.when == When::kAfterIt) world_.Run(3);
  }
  enum class Streams : uint8_t { kOfBoth, kClicks };
  void Log(const std::string& name, Streams streams = Streams::kOfBoth) {
    Entries entries{{"clicks", name}};
    if (streams == Streams::kOfBoth) entries.emplace_back("orders", name);
    ASSERT_EQ(world_.a.Log(entries), "ok");
    for (const auto& [stream, message] : entries) sent_.push_back(stream + "/" + message);
  }
  // What is sent arrives; what is answered does not, but for who it is that is there.
  void HandOverInDoubt() {
    std::vector<Verb> calls;  // since it was connected
    world_.a.on_call = [&calls](const Call& call) {
      if (call.store != "net") return Fault{};
      if (call.verb == Verb::kOpen) calls.clear();
      const bool answer =
          call.verb == Verb::kRead && !calls.empty() && calls.back() == Verb::kAppend;
      calls.push_back(call.verb);
      const bool first = std::ranges::count(calls, Verb::kAppend) == 1;
      return answer && !first ? Fault::AnswerLost() : Fault{};
    };
    // Nor does it tell in its heartbeat what it has.
    world_.b.on_call = [](const Call& call) {
      const bool beat = call.path.find("system/status") != std::string::npos;
      return beat ? Fault::RequestLost() : Fault{};
    };
    world_.Steer(ModesAtLast(), kBoth);
    for (int i = 0; i < 20 && world_.a.Beat().facts["open_intents"] == 0; ++i) world_.Run(1);
    world_.a.on_call = nullptr;
    world_.wire.cut_off = {"b:1463"};
    world_.Run(3);
    ASSERT_EQ(world_.a.Beat().facts["open_intents"], 1);
    ASSERT_THAT(world_.Lines("dc2"), testing::SizeIs(2 * kRecords)) << "all has arrived";
  }

  // The process that was there is gone, unless it is to meet the damage.
  void Break() {
    if (state_.next == Next::kOlder) {
      world_.a.Start(world_.a.ToCluster());
      Log("between", Streams::kClicks);
    }
    if (state_.next != Next::kSame) world_.a.Kill();
    BreakFile();
    if (state_.next != Next::kSame) world_.a.Start(world_.a.ToCluster());
  }
  void BreakFile() {
    MemoryDisk& disk = *world_.a.disk;
    ASSERT_TRUE(disk.Open(kSegment).ok()) << "nothing is left to break";
    std::string bytes = ReadFile(disk, kSegment);
    std::vector<size_t> begins = RecordsIn(bytes);
    ASSERT_GE(begins.size(), kRecords);
    begins.push_back(bytes.size());
    const size_t begin = begins[state_.record];
    const size_t end = begins[state_.record + 1];
    switch (state_.damage) {
      case Damage::kHeader: bytes[begin + 20] ^= 1; break;
      case Damage::kBody: bytes[end - 1] ^= 1; break;
      case Damage::kZeroes: std::fill(&bytes[begin], &bytes[begin] + (end - begin), '\0'); break;
      case Damage::kCutOff: bytes.resize(begin); break;
      case Damage::kEmptied: bytes.clear(); break;
    }
    WriteFile(disk, kSegment, bytes);
    const size_t first = state_.damage == Damage::kEmptied ? 0 : state_.record;
    const size_t last = state_.damage < Damage::kCutOff ? state_.record + 1 : kRecords;
    for (size_t i = first; i < last; ++i) {
      for (const char* stream : {"clicks/", "orders/"}) damaged_.insert(stream + std::to_string(i));
    }
  }

  void ExpectAllThatCanBeRead() {
    const auto lines = world_.AllLines();
    bool lost = false;
    for (const std::string& line : sent_) {
      const auto at = lines.find(line);
      const int times = at == lines.end() ? 0 : at->second;
      EXPECT_LE(times, 1) << line;
      if (damaged_.contains(line)) {
        lost = lost || times == 0;
      } else {
        EXPECT_EQ(times, 1) << line;
      }
    }
    EXPECT_LE(lines.size(), sent_.size());
    const auto names = *world_.a.disk->List("/spool/a/damaged");
    if (lost && CanBeTold(state_)) {
      EXPECT_THAT(names, Not(IsEmpty()));
    }
    // In doubt it is read again, to be sent again, though it may have arrived.
    if (!lost && state_.way != Way::kInDoubt) {
      EXPECT_THAT(names, IsEmpty()) << "all of it is where it belongs";
    }
  }
  void ExpectNothingLeft() {
    for (int restart = 0; restart < 2; ++restart) {
      EXPECT_EQ(world_.a.Beat().facts["spool_bytes"], 0);
      EXPECT_EQ(world_.a.Beat().facts["open_intents"], 0);
      EXPECT_EQ(world_.a.Beat().facts["spool_bytes_before_epoch"], 0);
      EXPECT_THAT(world_.a.Beat().facts["backlog"], IsEmpty());
      EXPECT_EQ(world_.a.Beat().facts["possible_duplicates"], 0);
      for (const Problem& problem : world_.a.Beat().problems) {
        EXPECT_THAT(problem.what, testing::HasSubstr("damaged pieces of the spool"));
      }
      world_.a.Start(world_.a.ToCluster());
      world_.Run(4);
    }
    EXPECT_FALSE(world_.a.disk->Open(kSegment).ok()) << "all of it is delivered, or set aside";
  }

  const State state_;
  Installation world_;
  std::vector<std::string> sent_;
  std::set<std::string> damaged_;
};

class DamagedSpoolTest : public testing::TestWithParam<std::tuple<Held, Way>> {};

TEST_P(DamagedSpoolTest, CostsWhatCannotBeReadAndStopsNothing) {
  const auto [held, way] = GetParam();
  for (const When when : {When::kBeforeTheCut, When::kAfterIt}) {
    for (const Next next : {Next::kSame, Next::kNewest, Next::kOlder}) {
      for (const Damage damage :
           {Damage::kHeader, Damage::kBody, Damage::kZeroes, Damage::kCutOff, Damage::kEmptied}) {
        for (size_t record = 0; record < kRecords; ++record) {
          const State state{held, way, when, next, damage, record};
          if (!Exists(state)) continue;
          SCOPED_TRACE(Describe(state));
          DamagedSpool(state).Check();
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, DamagedSpoolTest,
                         testing::Combine(testing::Values(Held::kNothing, Held::kOrders,
                                                          Held::kOrdersOfOne, Held::kAll),
                                          testing::Values(Way::kDeliver, Way::kHandOver)));
INSTANTIATE_TEST_SUITE_P(InDoubt, DamagedSpoolTest,
                         testing::Combine(testing::Values(Held::kAll),
                                          testing::Values(Way::kInDoubt)));

// P22: the receiver's disk damages what proves that a batch has come, when that is delivered
// already. Its sender, who had no answer, sends it again.
TEST(DamagedReceiverTest, KnowsABatchAgainThoughItsRecordIsDamaged) {
  Installation world;
  world.b.Start(world.b.ToCluster());
  world.a.Start(world.a.ToReceiver("b"));
  ASSERT_EQ(world.a.Log({{"clicks", "zero"}}), "ok");
  world.Run(3);
  Verb last = Verb::kStat;
  world.a.on_call = [&last](const Call& call) {
    if (call.store != "net") return Fault{};
    const bool lost = last == Verb::kAppend && call.verb == Verb::kRead;
    last = call.verb;
    return lost ? Fault::AnswerLost() : Fault{};
  };
  ASSERT_EQ(world.a.Log({{"clicks", "one"}}), "ok");
  world.Run(2);
  world.a.on_call = nullptr;
  world.wire.cut_off = {"b:1463"};
  world.Run(3);
  ASSERT_EQ(world.a.Beat().facts["open_intents"], 1);
  ASSERT_EQ(world.Lines("dc2").at("clicks/one"), 1);

  world.b.Kill();
  const std::string segment = "/spool/b/segment-1";
  std::string bytes = ReadFile(*world.b.disk, segment);
  for (const size_t begin : RecordsIn(bytes)) bytes[begin + 20] ^= 1;
  WriteFile(*world.b.disk, segment, bytes);
  world.b.Start(world.b.ToCluster());
  EXPECT_THAT(*world.b.disk->List("/spool/b/damaged"), IsEmpty()) << "all of it is delivered";
  world.wire.cut_off.clear();
  world.Run(8);
  EXPECT_EQ(world.a.Beat().facts["open_intents"], 0);
  EXPECT_EQ(world.Lines("dc2").at("clicks/one"), 1);
}

}  // namespace
}  // namespace databus
