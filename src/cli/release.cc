// `databus release`: hand-overs of unknown outcome are sent again.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/all_commands.h"
#include "cluster/route.h"
#include "net/fb303_client.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kPatience{10};

struct Options {
  std::string collector;
  bool accept_duplicates = false;
};

Status Ask(Seams& seams, const Endpoint& collector) {
  const BootTime give_up = seams.clock.Boot() + kPatience;
  DATABUS_ASSIGN_OR_RETURN(
      const std::unique_ptr<FrameClient> client,
      seams.network.Connect({.host = collector.host, .port = collector.port, .deadline = give_up}));
  const std::string call = EncodeSetOption(kReleaseOption, kReleaseNow);
  const std::string_view frames[] = {call};
  DATABUS_RETURN_IF_ERROR(client->Send(frames, give_up));
  DATABUS_ASSIGN_OR_RETURN(const std::optional<std::string> answer, client->Receive(give_up));
  if (!answer) return {Code::kUnavailable, "no answer in time; it may have been done"};
  return DecodeSetOption(*answer);
}

Exit Release(const Options& options, Io& io, Seams& seams) {
  const auto collector = Endpoint::Parse(options.collector);
  if (!collector) {
    return Report(io, {Code::kInvalid, options.collector + ": expected HOST:PORT"});
  }
  if (!options.accept_duplicates) {
    return Report(io, {Code::kInvalid,
                       "messages may arrive twice by this; say --accept-duplicates if that is "
                       "better than waiting for the receiver or its spool"});
  }
  const Status asked = Ask(seams, *collector);
  if (!asked.ok()) return Report(io, asked.WithContext(options.collector));
  io.out << "The collector was asked; what it sends again is counted in its possible_duplicates "
            "('databus status').\n";
  return Exit::kDone;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("COLLECTOR", options->collector, "The sender, as HOST:PORT")->required();
  app.add_flag("--accept-duplicates", options->accept_duplicates,
               "Messages that had arrived without an answer will be there twice");
  return [options](Io& io, Seams& seams) { return Release(*options, io, seams); };
}

}  // namespace

const Command kRelease{
    .name = "release",
    .summary = "Make a collector send again what a lost receiver may have kept.",
    .details =
        "Messages that a collector has handed over without getting an answer stay pinned to that\n"
        "receiver until it, or its heartbeat, tells whether it has them. When its spool is lost\n"
        "for good nobody ever will: then this makes them go the way of their streams again. What\n"
        "a receiver that answers knows is left to it.",
    .define = &Define};

}  // namespace databus
