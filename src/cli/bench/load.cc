#include "cli/bench/load.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <vector>

#include "cli/bench/sample.h"
#include "net/scribe_codec.h"
#include "net/tcp_socket.h"
#include "net/thrift_binary.h"

namespace databus {
namespace {

// How much of different messages is prepared: enough that nothing can be remembered for the next
// round, and no more than a second-level cache and a half.
constexpr size_t kPreparedBytes = 4u << 20;
constexpr size_t kPreparedCallsMin = 8;
// A server that answers nothing for so long is broken.
constexpr int kSilenceMs = 30'000;

std::string Framed(std::string_view payload) {
  std::string frame;
  thrift_binary::AppendI32(frame, static_cast<int32_t>(payload.size()));
  return frame.append(payload);
}

// Calls of equal length, one after the other.
struct PreparedCalls {
  explicit PreparedCalls(const LoadOptions& options) {
    SampleLines lines(options.message_bytes);
    while (count < kPreparedCallsMin || bytes.size() < kPreparedBytes) {
      EntryList entries;
      for (uint32_t i = 0; i < options.batch; ++i) entries.Add(options.stream, lines.Next());
      const std::string call =
          Framed(EncodeLogCall({.header = {}, .entries = entries.bytes(), .batch = {}}));
      call_bytes = call.size();
      bytes += call;
      ++count;
    }
  }
  std::string bytes;
  size_t call_bytes = 0;
  size_t count = 0;
};

// One connection. Whatever it sends is a piece of the prepared calls, which are gone through in a
// circle.
class Sender {
 public:
  Sender(const PreparedCalls& calls, Fd fd) : calls_(calls), fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  size_t in_flight() const { return sent_at_.size(); }

  // Begins so many calls more.
  void Add(size_t calls, BootTime now) {
    sent_at_.insert(sent_at_.end(), calls, now);
    owed_bytes_ += calls * calls_.call_bytes;
  }

  Status Write() {
    while (owed_bytes_ > 0) {
      const size_t piece = std::min(owed_bytes_, calls_.bytes.size() - at_);
      const ssize_t took =
          ::send(fd(), calls_.bytes.data() + at_, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (took < 0) {
        if (errno == EAGAIN || errno == EINTR) return Status::Ok();
        return ErrnoStatus(Code::kUnavailable, "send", errno);
      }
      owed_bytes_ -= static_cast<size_t>(took);
      at_ = (at_ + static_cast<size_t>(took)) % calls_.bytes.size();
    }
    return Status::Ok();
  }
  bool wants_to_write() const { return owed_bytes_ > 0; }
  // Whether epoll has been asked to say when it can.
  bool watched = false;

  // Calls visit(answer, when the call was begun) for every whole answer that has come.
  template <typename Visit>
  Status Read(size_t answer_bytes, Visit&& visit) {
    std::array<char, 64 << 10> buffer;
    const ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0) return {Code::kUnavailable, "the server closed a connection"};
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) return Status::Ok();
      return ErrnoStatus(Code::kUnavailable, "receive", errno);
    }
    answers_.append(buffer.data(), static_cast<size_t>(got));
    size_t at = 0;
    for (; answers_.size() - at >= answer_bytes && !sent_at_.empty(); at += answer_bytes) {
      visit(std::string_view(answers_).substr(at, answer_bytes), sent_at_.front());
      sent_at_.pop_front();
    }
    answers_.erase(0, at);
    return Status::Ok();
  }

 private:
  const PreparedCalls& calls_;
  Fd fd_;
  size_t at_ = 0;          // in the prepared calls
  size_t owed_bytes_ = 0;  // of calls that were begun
  std::deque<BootTime> sent_at_;
  std::string answers_;
};

Result<Fd> Connect(const LoadOptions& options) {
  DATABUS_ASSIGN_OR_RETURN(const SocketAddress address, ParseAddress(options.host, options.port));
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.open() || ::connect(fd.get(), address.get(), address.size) != 0) {
    return ErrnoStatus(Code::kUnavailable, "connect", errno);
  }
  SetConnectionOptions(fd.get());
  return fd;
}

double OwnCpuSeconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

class Load {
 public:
  Load(const LoadOptions& options, const Clock& clock)
      : options_(options), clock_(clock), calls_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  Result<LoadResult> Run() {
    for (uint32_t i = 0; i < options_.connections; ++i) {
      DATABUS_ASSIGN_OR_RETURN(Fd fd, Connect(options_));
      senders_.emplace_back(calls_, std::move(fd));
      Watch(i, EPOLL_CTL_ADD);
    }
    const double cpu_before = OwnCpuSeconds();
    const BootTime begin = clock_.Boot();
    now_ = begin;
    end_ = begin + options_.duration;
    for (uint32_t i = 0; i < senders_.size(); ++i) DATABUS_RETURN_IF_ERROR(Refill(i));
    while (in_flight_ > 0) DATABUS_RETURN_IF_ERROR(Round());
    result_.elapsed_s = std::chrono::duration<double>(clock_.Boot() - begin).count();
    result_.own_cpu_s = OwnCpuSeconds() - cpu_before;
    result_.messages = result_.calls * options_.batch;
    result_.bytes = result_.calls * calls_.call_bytes;
    result_.p50_us = Percentile(latencies_us_, 0.5);
    result_.p99_us = Percentile(latencies_us_, 0.99);
    return result_;
  }

 private:
  Status Round() {
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), kSilenceMs);
    if (ready == 0) return {Code::kUnavailable, "the server does not answer"};
    now_ = clock_.Boot();
    for (int i = 0; i < ready; ++i) {
      const uint32_t name = events[static_cast<size_t>(i)].data.u32;
      DATABUS_RETURN_IF_ERROR(senders_[name].Read(
          ok_.size(), [&](std::string_view answer, BootTime begun) { Take(answer, begun); }));
      if (unknown_answer_) return {Code::kUnavailable, "the server's answer is not one to Log"};
      DATABUS_RETURN_IF_ERROR(Refill(name));
    }
    return Status::Ok();
  }

  void Take(std::string_view answer, BootTime begun) {
    --in_flight_;
    if (answer == ok_) {
      ++result_.calls;
    } else if (answer == try_later_) {
      ++result_.refused_calls;
    } else {
      unknown_answer_ = true;
    }
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now_ - begun);
    latencies_us_.push_back(static_cast<uint32_t>(took.count()));
  }

  Status Refill(uint32_t name) {
    Sender& sender = senders_[name];
    if (now_ < end_ && sender.in_flight() < options_.in_flight) {
      const size_t more = options_.in_flight - sender.in_flight();
      sender.Add(more, now_);
      in_flight_ += more;
    }
    DATABUS_RETURN_IF_ERROR(sender.Write());
    if (sender.wants_to_write() != sender.watched) Watch(name, EPOLL_CTL_MOD);
    return Status::Ok();
  }

  void Watch(uint32_t name, int operation) {
    Sender& sender = senders_[name];
    sender.watched = sender.wants_to_write();
    epoll_event event{.events = EPOLLIN, .data = {.u32 = name}};
    if (sender.watched) event.events |= EPOLLOUT;
    ::epoll_ctl(epoll_.get(), operation, sender.fd(), &event);
  }

  const LoadOptions& options_;
  const Clock& clock_;
  const PreparedCalls calls_;
  const std::string ok_ = Framed(EncodeLogReply({}, ResultCode::kOk));
  const std::string try_later_ = Framed(EncodeLogReply({}, ResultCode::kTryLater));
  const Fd epoll_;
  std::deque<Sender> senders_;
  BootTime now_;
  BootTime end_;
  size_t in_flight_ = 0;
  bool unknown_answer_ = false;
  std::vector<uint32_t> latencies_us_;
  LoadResult result_;
};

}  // namespace

nlohmann::ordered_json ToJson(const LoadResult& result) {
  return {{"calls", result.calls},         {"refused_calls", result.refused_calls},
          {"messages", result.messages},   {"bytes", result.bytes},
          {"elapsed_s", result.elapsed_s}, {"own_cpu_s", result.own_cpu_s},
          {"p50_us", result.p50_us},       {"p99_us", result.p99_us}};
}

Result<LoadResult> LoadResultFromJson(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("calls")) {
    return Status(Code::kInvalid, "the load generator failed: " + text);
  }
  return LoadResult{.calls = json["calls"],
                    .refused_calls = json["refused_calls"],
                    .messages = json["messages"],
                    .bytes = json["bytes"],
                    .elapsed_s = json["elapsed_s"],
                    .own_cpu_s = json["own_cpu_s"],
                    .p50_us = json["p50_us"],
                    .p99_us = json["p99_us"]};
}

Result<LoadResult> RunLoad(const LoadOptions& options, const Clock& clock) {
  return Load(options, clock).Run();
}

}  // namespace databus
