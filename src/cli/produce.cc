// `databus produce`: lines to a collector, exactly once, and an honest count.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "cli/all_commands.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "client/publisher.h"
#include "cluster/names.h"
#include "collector/seal/base64.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kInputWait{200};
constexpr milliseconds kProgressEvery{200};
constexpr seconds kTroubleEvery{10};
constexpr seconds kStopWithin{3};  // after TERM or INT, for the answers that are still owed

struct Options {
  std::string to;
  std::string stream;
  std::string file = "-";
  uint32_t batch = 1000;
  uint32_t in_flight = 8;
  int timeout_s = 60;
  bool base64 = false;
  bool json = false;
};

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

// "host:1463", "[::1]:1463".
std::optional<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  HostPort parsed{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  const bool whole = error == std::errc() && end == port.data() + port.size();
  if (host.empty() || !whole || parsed.port == 0) return std::nullopt;
  return parsed;
}

// One run of the command.
class Production {
 public:
  Production(const Options& options, HostPort to, Io& io, Seams& seams)
      : options_(options),
        io_(io),
        clock_(seams.clock),
        started_(clock_.Boot()),
        last_gain_(started_),
        publisher_({.host = to.host,
                    .port = to.port,
                    .batch_messages_max = options.batch,
                    .in_flight_max = options.in_flight},
                   {seams.network, seams.clock, seams.random},
                   [this](const PublisherProgress& progress) { OnProgress(progress); }) {}

  Exit Run(std::istream& in) {
    SignalWatch signals([this] { stop_.Stop(); });
    std::string line;
    while (!stop_.Stopped() && WaitForInput(in) && std::getline(in, line)) {
      ++lines_;
      if (options_.base64 && !Decode(line)) continue;
      if (!Send(line)) break;
    }
    const bool input_failed = in.bad();
    while (publisher_.progress().unconfirmed() > 0 && !GivenUp()) {
      if (publisher_.Flush(clock_.Boot() + kInputWait).ok()) break;
    }
    const Status closed = publisher_.Close(clock_.Boot());
    (void)closed;  // what it would say is in the counts
    if (input_failed) io_.err << "databus: reading the input failed; what was read is counted\n";
    const Exit exit = Summarise();
    return input_failed ? Exit::kFailed : exit;
  }

 private:
  // True when there may be something to read. Sends what is due while there is nothing.
  bool WaitForInput(std::istream& in) {
    if (&in != &io_.in || !io_.wait_for_input) return true;
    while (in.rdbuf()->in_avail() <= 0 && !io_.wait_for_input(kInputWait)) {
      if (stop_.Stopped()) return false;
      publisher_.Poll(clock_.Boot() + kInputWait);
      if (publisher_.progress().unconfirmed() == 0) last_gain_ = clock_.Boot();
      if (GivenUp()) return false;
    }
    return true;
  }

  bool Decode(std::string& line) {
    std::optional<std::string> message = DecodeBase64(line);
    if (!message) {
      ++refused_;
      io_.err << fmt::format("databus: line {}: not base64\n", Grouped(lines_));
      return false;
    }
    line = *std::move(message);
    return true;
  }

  // False when it is time to give up.
  bool Send(const std::string& line) {
    for (;;) {
      const Status sent = publisher_.Publish(options_.stream, line, clock_.Boot() + kInputWait);
      if (sent.ok()) return true;
      if (sent.code() == Code::kInvalid) {
        ++refused_;
        io_.err << fmt::format("databus: line {}: {}\n", Grouped(lines_), sent.message());
        return true;
      }
      if (GivenUp()) {
        ++not_sent_;
        return false;
      }
    }
  }

  bool GivenUp() {
    const BootTime now = clock_.Boot();
    if (!stop_.Stopped()) return now - last_gain_ > seconds(options_.timeout_s);
    if (!stopped_at_) stopped_at_ = now;
    return now - *stopped_at_ > kStopWithin;
  }

  void OnProgress(const PublisherProgress& progress) {
    if (progress.failures > failures_) return OnFailure(progress);
    last_gain_ = clock_.Boot();
    if (std::exchange(trouble_told_, false)) {
      Tell(fmt::format("connected to {} again, messages are taken", options_.to));
    }
    if (io_.terminal == Terminal::kNo || last_gain_ - shown_ < kProgressEvery) return;
    shown_ = last_gain_;
    io_.err << fmt::format("\r{} acknowledged, {} on their way, {} sent again   ",
                           Grouped(progress.acknowledged), Grouped(progress.unconfirmed()),
                           Grouped(progress.resent))
            << std::flush;
  }

  void OnFailure(const PublisherProgress& progress) {
    failures_ = progress.failures;
    const BootTime now = clock_.Boot();
    if (told_at_ && now - *told_at_ < kTroubleEvery) return;
    told_at_ = now;
    trouble_told_ = true;
    Tell(fmt::format("{}: {}; trying again", options_.to, progress.last_error));
  }

  // One line, below the one that shows the progress.
  void Tell(const std::string& what) {
    io_.err << (std::exchange(shown_, {}) == BootTime{} ? "" : "\n") << "databus: " << what
            << std::endl;
  }

  Exit Summarise() {
    const PublisherProgress& progress = publisher_.progress();
    const uint64_t not_sent = progress.not_kept() + not_sent_;
    const uint64_t unconfirmed = progress.unconfirmed() + not_sent_;
    const auto took = std::chrono::duration_cast<milliseconds>(clock_.Boot() - started_);
    if (shown_ != BootTime{}) io_.err << "\n";
    if (options_.json) {
      nlohmann::ordered_json json = {{"stream", options_.stream},
                                     {"to", options_.to},
                                     {"read", lines_},
                                     {"acknowledged", progress.acknowledged},
                                     {"unconfirmed", unconfirmed},
                                     {"not_sent", not_sent},
                                     {"unanswered", progress.unanswered},
                                     {"refused", refused_},
                                     {"sent_again", progress.resent},
                                     {"elapsed_ms", took.count()},
                                     {"last_error", progress.last_error}};
      io_.out << json.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) << "\n";
    } else {
      io_.out << fmt::format(
          "{} to {}: {} acknowledged, {} not sent, {} sent without an answer, {} refused, {} sent "
          "again, {}\n",
          options_.stream, options_.to, Grouped(progress.acknowledged), Grouped(not_sent),
          Grouped(progress.unanswered), Grouped(refused_), Grouped(progress.resent), ToHuman(took));
    }
    const std::string why =
        progress.last_error.empty() ? "" : fmt::format("; last: {}", progress.last_error);
    if (not_sent > 0) {
      Tell(fmt::format("{} not sent, or refused each time{}", Plural(not_sent, "message"), why));
    }
    if (progress.unanswered > 0) {
      Tell(fmt::format("{} sent without an answer: may or may not have arrived{}",
                       Plural(progress.unanswered, "message"), why));
    }
    if (unconfirmed > 0 || refused_ > 0) return Exit::kFailed;
    return lines_ == 0 ? Exit::kNothingToDo : Exit::kDone;
  }

  const Options& options_;
  Io& io_;
  Clock& clock_;
  StopFlag stop_;
  const BootTime started_;
  BootTime last_gain_;  // when something was last acknowledged, or nothing was waited for
  BootTime shown_;
  std::optional<BootTime> stopped_at_;
  uint64_t lines_ = 0;
  uint64_t refused_ = 0;
  uint64_t not_sent_ = 0;  // read, and not taken by the publisher
  uint64_t failures_ = 0;
  std::optional<BootTime> told_at_;
  bool trouble_told_ = false;
  Publisher publisher_;
};

Exit Produce(const Options& options, Io& io, Seams& seams) {
  const auto to = ParseHostPort(options.to);
  if (!to) {
    return Report(io, Status(Code::kInvalid,
                             fmt::format("--to: found '{}', expected HOST:PORT", options.to)));
  }
  if (const Status name = ValidateStreamName(options.stream); !name.ok()) return Report(io, name);
  if (options.file == "-") return Production(options, *to, io, seams).Run(io.in);
  std::ifstream file(options.file, std::ios::binary);
  if (!file) {
    return Report(io, Status(Code::kNotFound, fmt::format("{}: cannot be opened", options.file)));
  }
  return Production(options, *to, io, seams).Run(file);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--to", options->to, "The collector")->required()->type_name("HOST:PORT");
  app.add_option("STREAM", options->stream, "Name of the stream")->required()->type_name("");
  app.add_option("FILE", options->file, "Lines to send; - is standard input")
      ->type_name("")
      ->capture_default_str();
  app.add_option("--batch", options->batch, "Messages in a call at most")
      ->type_name("N")
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  app.add_option("--in-flight", options->in_flight, "Calls that wait for their answer at most")
      ->type_name("N")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  app.add_option("--timeout", options->timeout_s, "Give up after S seconds without any progress")
      ->type_name("S")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_flag("--base64", options->base64,
               "Each line is a message in base64, as databus spool cat --base64 prints it");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](Io& io, Seams& seams) { return Produce(*options, io, seams); };
}

}  // namespace

const Command kProduce{
    .name = "produce",
    .summary = "Send lines to a collector, and say how many are durable there.",
    .details =
        "Sends again what was not acknowledged, without doubling it at a Databus collector.\n"
        "Trouble with the connection is told on standard error, every 10 s at most.\n"
        "Exit 0 when every line is acknowledged, 1 when any is not, 3 when there was none.",
    .define = &Define};

}  // namespace databus
