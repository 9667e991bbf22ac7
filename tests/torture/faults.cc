#include "tests/torture/faults.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <numeric>
#include <utility>

namespace databus {
namespace {

constexpr uint64_t kDownMsMax = 1'200;

}  // namespace

const std::array<Faults::Mood, 3> Faults::kMoods = {{
    {"kills", 150, 82, 4, 5, 6},
    {"pauses", 500, 20, 55, 10, 10},
    {"disks", 250, 40, 5, 35, 8},
}};

struct Faults::Page {
  FaultPage* page = nullptr;
  ~Page() {
    if (page != nullptr) ::munmap(page, sizeof(FaultPage));
  }
};

uint64_t FaultCounts::Kills() const { return std::accumulate(kills.begin(), kills.end(), 0ull); }

void FaultCounts::Add(const FaultCounts& other) {
  for (size_t victim = 0; victim < kills.size(); ++victim) kills[victim] += other.kills[victim];
  pauses += other.pauses;
  takeovers += other.takeovers;
  no_space += other.no_space;
  io_errors += other.io_errors;
  full_disks += other.full_disks;
  cuts += other.cuts;
  own_ends += other.own_ends;
  retired += other.retired;
}

std::string FaultCounts::ToString() const {
  std::string text = fmt::format("{} kills (", Kills());
  for (size_t victim = 0; victim < kills.size(); ++victim) {
    text += fmt::format("{}{} {}", victim == 0 ? "" : ", ", kills[victim], kVictimNames[victim]);
  }
  return text + fmt::format(
                    "), {} pauses with {} take-overs, {} ENOSPC, {} EIO, {} full disks, {} cuts, "
                    "{} own ends, {} retired disks",
                    pauses, takeovers, no_space, io_errors, full_disks, cuts, own_ends, retired);
}

Faults::Faults(Installation& installation, Processes& processes, const Clock& clock, Random& random,
               Processes::Log log)
    : installation_(installation),
      processes_(processes),
      clock_(clock),
      random_(random),
      log_(std::move(log)) {
  for (const TortureProcess& process : installation.processes) {
    if (process.fault_page.empty()) continue;
    const Fd fd(::open(process.fault_page.c_str(), O_RDWR | O_CLOEXEC));
    void* mapped =
        ::mmap(nullptr, sizeof(FaultPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (mapped == MAP_FAILED) continue;
    pages_[process.name] = std::make_unique<Page>(static_cast<FaultPage*>(mapped));
  }
}

Faults::~Faults() = default;

Milliseconds Faults::Draw(uint64_t from_ms, uint64_t to_ms) {
  return Milliseconds(from_ms + random_.Below(to_ms - from_ms));
}

void Faults::BeginRound() {
  const uint64_t draw = random_.Below(10);
  mood_ = &kMoods[draw < 7 ? 0 : draw < 9 ? 1 : 2];
  log_(fmt::format("a round of {}", mood_->name));
}

Status Faults::Step() {
  const BootTime now = clock_.Boot();
  for (auto lasting = lasting_.begin(); lasting != lasting_.end();) {
    if (lasting->second.until > now) {
      ++lasting;
      continue;
    }
    lasting->second.end();
    log_(lasting->second.what + ": over");
    lasting = lasting_.erase(lasting);
  }
  if (now < next_) return Status::Ok();
  next_ = now + Draw(0, mood_->every_ms_max);
  uint64_t draw = random_.Below(100);
  const auto is = [&draw](uint64_t share) {
    const bool met = draw < share;
    draw -= std::min(draw, share);
    return met;
  };
  if (is(mood_->kills)) return Kill();
  if (is(mood_->pauses)) {
    Pause();
  } else if (is(mood_->disk_errors)) {
    FailDisk();
  } else if (is(mood_->cuts)) {
    CutCable();
  } else {
    FillDisk();
  }
  return Status::Ok();
}

Status Faults::Mend() {
  for (const auto& [name, lasting] : lasting_) lasting.end();
  lasting_.clear();
  log_("all faults end");
  return processes_.Mend();
}

FaultCounts Faults::Counts() const {
  FaultCounts counts = counts_;
  for (const auto& [name, page] : pages_) {
    counts.no_space += page->page->no_space;
    counts.io_errors += page->page->io_errors;
  }
  counts.takeovers = processes_.takeovers();
  counts.own_ends = processes_.own_ends();
  counts.retired = processes_.retired();
  return counts;
}

std::vector<Processes::State*> Faults::Candidates(Victim victim) const {
  std::vector<Processes::State*> found;
  for (Processes::State& state : processes_.all()) {
    if (!state.child) continue;
    const bool holds = processes_.Holds(state);
    const Victim kind = state.what->kind == TortureProcess::Kind::kCollector  ? Victim::kCollector
                        : state.what->kind == TortureProcess::Kind::kProducer ? Victim::kProducer
                        : holds                                               ? Victim::kWorker
                                                                              : Victim::kStandby;
    if (kind == victim) found.push_back(&state);
  }
  return found;
}

// Often at once: then the process is met while it starts.
Status Faults::Kill() {
  const auto victim = static_cast<Victim>(random_.Below(kVictimNames.size()));
  const uint64_t which = random_.Next();
  const Milliseconds down = random_.Below(3) == 0 ? Milliseconds(0) : Draw(0, kDownMsMax);
  const bool leave_sleepers = random_.Below(8) != 0;
  const bool all = random_.Below(20) == 0;  // of that kind, at the same moment
  const auto found = Candidates(victim);
  if (found.empty()) return Status::Ok();
  if (all) {
    for (Processes::State* state : found) DATABUS_RETURN_IF_ERROR(KillOne(*state, victim, down));
    return Status::Ok();
  }
  Processes::State& state = *found[which % found.size()];
  if (state.continue_at && leave_sleepers) return Status::Ok();
  return KillOne(state, victim, down);
}

Status Faults::KillOne(Processes::State& state, Victim victim, Milliseconds down) {
  ++counts_.kills[static_cast<size_t>(victim)];
  log_(fmt::format("kill -9 {} ({}{}), down for {} ms", state.what->name,
                   kVictimNames[static_cast<size_t>(victim)], state.continue_at ? ", paused" : "",
                   down.count()));
  return processes_.Kill(state, down);
}

void Faults::Pause() {
  const auto victim = static_cast<Victim>(random_.Below(kVictimNames.size()));
  const uint64_t which = random_.Next();
  const Milliseconds length = victim == Victim::kWorker ? Draw(kLeaseTimeoutMs, kLeaseTimeoutMs * 3)
                                                        : Draw(100, kLeaseTimeoutMs * 2);
  const auto found = Candidates(victim);
  if (found.empty() || found[which % found.size()]->continue_at) return;
  Processes::State& state = *found[which % found.size()];
  ++counts_.pauses;
  log_(fmt::format("pause {} ({}) for {} ms", state.what->name,
                   kVictimNames[static_cast<size_t>(victim)], length.count()));
  processes_.Pause(state, length);
}

void Faults::Last(Milliseconds length, std::string what, std::function<void()> end) {
  log_(fmt::format("{}, for {} ms", what, length.count()));
  lasting_[what] = {clock_.Boot() + length, what, std::move(end)};
}

void Faults::FailDisk() {
  const uint64_t which = random_.Next();
  const Milliseconds length = Draw(100, 3'000);
  const uint64_t rate = random_.Below(3);  // 1 %, 10 %, all
  const uint64_t kind = random_.Below(3);
  if (pages_.empty()) return;
  const auto& [name, page] = *std::next(pages_.begin(), static_cast<long>(which % pages_.size()));
  uint32_t ppm = 10'000;
  for (uint64_t power = 0; power < rate; ++power) ppm *= 10;
  FaultPage& rates = *page->page;
  rates.no_space_ppm = kind == 1 ? 0 : ppm / 2;
  rates.io_error_ppm = kind == 0 ? 0 : ppm / 2;
  if (kind == 0) rates.no_space_ppm = ppm;
  if (kind == 1) rates.io_error_ppm = ppm;
  Last(length,
       fmt::format("disk of {}: {} ppm {}", name, ppm,
                   kind == 0   ? "ENOSPC"
                   : kind == 1 ? "EIO"
                               : "ENOSPC and EIO"),
       [&rates] { rates.no_space_ppm = rates.io_error_ppm = 0; });
}

void Faults::FillDisk() {
  const uint64_t which = random_.Next();
  const Milliseconds length = Draw(200, 3'000);
  const uint64_t left = random_.Below(3) * 8'192;
  if (installation_.disks.empty()) return;
  const SmallDisk& disk = installation_.disks[which % installation_.disks.size()];
  const std::string what = fmt::format("{} is full", disk.name);
  if (lasting_.contains(what)) return;
  struct statvfs info{};
  if (::statvfs(disk.directory.c_str(), &info) != 0) return;
  const uint64_t free = uint64_t{info.f_bavail} * info.f_frsize;
  const Fd filler(::open(disk.filler.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (free <= left || ::posix_fallocate(filler.get(), 0, static_cast<off_t>(free - left)) != 0) {
    ::unlink(disk.filler.c_str());
    return;
  }
  ++counts_.full_disks;
  Last(length, what, [path = disk.filler] { ::unlink(path.c_str()); });
}

void Faults::CutCable() {
  const Cable& cable = installation_.cables[random_.Below(installation_.cables.size())];
  const auto cut = static_cast<Cut>(1 + random_.Below(kCuts - 1));
  const Milliseconds length = Draw(20, cut == Cut::kReset ? 500 : 3'000);
  ++counts_.cuts;
  cable.proxy->Set(cut);
  // One cut at a time on a cable: a new one replaces the one before it.
  std::erase_if(lasting_, [&](const auto& item) { return item.first.starts_with(cable.name); });
  Last(length, fmt::format("{}: {}", cable.name, CutName(cut)),
       [proxy = cable.proxy.get()] { proxy->Set(Cut::kNone); });
}

}  // namespace databus
