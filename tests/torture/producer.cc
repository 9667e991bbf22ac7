#include "tests/torture/producer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/sync.h"
#include "cli/demo/input.h"
#include "cli/signals.h"
#include "client/publisher.h"

namespace databus {
namespace {

constexpr Milliseconds kStep{10};
constexpr Milliseconds kAttempt{100};
constexpr uint64_t kBehindMax = 2'000;  // what was missed while a collector was away is not made up

// One stream of a producer.
class Source {
 public:
  Source(const ProducerOptions& options, size_t index, const DemoInput& input, RecordFile& record)
      : name_{options.streams[index], options.collector},
        input_(input),
        record_(record),
        life_(NextLife(record)),
        publisher_({.host = "127.0.0.1",
                    .port = options.port,
                    .batch_age_max = Milliseconds(50),
                    .in_flight_max = options.in_flight_max,
                    .connect_timeout = Milliseconds(1000),
                    .answer_timeout = Milliseconds(kAnswerTimeoutMs),
                    .pause_max = Milliseconds(kPauseMaxMs)},
                   {TcpNetwork(), SystemClock(), SystemRandom()},
                   [this](const PublisherProgress& progress) { Note(progress); }) {
    record_->in_flight_max = options.in_flight_max;
  }

  void Step(uint64_t due) {
    const BootTime now = SystemClock().Boot();
    if (const uint64_t drain = record_->drain; drain != 0) {
      if (publisher_.Flush(now + kAttempt).ok()) record_->drained = drain;
      return;
    }
    for (uint64_t count = 0; count < due; ++count) {
      // Said before it is done: a message that is not recorded cannot be anywhere.
      const uint64_t number = life_.first + publisher_.progress().accepted;
      life_.last = number;
      const Status taken =
          publisher_.Publish(name_.stream, input_.Message(name_, number), now + kAttempt);
      if (!taken.ok()) break;
    }
    publisher_.Poll(now + kAttempt);
  }

 private:
  // Numbers go on where the life before has ended.
  static ProducerLife& NextLife(RecordFile& record) {
    const uint32_t index = record->lives;
    const uint64_t before = index == 0 ? 0 : record->life[index - 1].last.load();
    ProducerLife& life = record->life[index];
    life.first = before + 1;
    life.last = before;
    life.acknowledged = 0;
    record->lives = index + 1;
    return life;
  }

  void Note(const PublisherProgress& progress) {
    life_.acknowledged = progress.acknowledged;
    record_->resent = progress.resent;
  }

  const DemoSource name_;
  const DemoInput& input_;
  RecordFile& record_;
  ProducerLife& life_;
  Publisher publisher_;
};

}  // namespace

Result<std::unique_ptr<RecordFile>> RecordFile::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Status(Code::kRefused, path + ": cannot be opened");
  void* mapped = MAP_FAILED;
  if (::ftruncate(fd, sizeof(ProducerRecord)) == 0) {
    mapped = ::mmap(nullptr, sizeof(ProducerRecord), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (mapped == MAP_FAILED) return Status(Code::kRefused, path + ": cannot be mapped");
  return std::unique_ptr<RecordFile>(new RecordFile(static_cast<ProducerRecord*>(mapped)));
}

RecordFile::~RecordFile() { ::munmap(record_, sizeof(ProducerRecord)); }

Status Produce(const ProducerOptions& options) {
  StopFlag stop;
  SignalWatch signals([&stop] { stop.Stop(); });
  DATABUS_ASSIGN_OR_RETURN(const DemoInput input, DemoInput::Open(options.input));
  std::vector<std::unique_ptr<RecordFile>> records;
  std::vector<std::unique_ptr<Source>> sources;
  for (size_t index = 0; index < options.streams.size(); ++index) {
    DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<RecordFile> record,
                             RecordFile::Open(options.records[index]));
    if ((*record)->lives == kLivesMax) return {Code::kRefused, "the record is full"};
    records.push_back(std::move(record));
    sources.push_back(std::make_unique<Source>(options, index, input, *records.back()));
  }
  const Clock& clock = SystemClock();
  double due = 0;
  BootTime last = clock.Boot();
  do {
    const BootTime now = clock.Boot();
    due += std::chrono::duration<double>(now - last).count() * options.events_per_s;
    last = now;
    const auto whole = static_cast<uint64_t>(due);
    for (const auto& source : sources) source->Step(std::min(whole, kBehindMax));
    due -= static_cast<double>(whole);
  } while (!stop.SleepUntil(clock, clock.Boot() + kStep));
  return Status::Ok();
}

}  // namespace databus
