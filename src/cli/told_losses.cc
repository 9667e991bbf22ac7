#include "cli/told_losses.h"

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "control/heartbeats.h"
#include "telemetry/told_loss.h"

namespace databus {

ToldLosses LossesToldOf(const std::map<std::string, Storage*>& trees) {
  ToldLosses told;
  // What each said last, of which tree ever, by whose it is: "dc1/c1".
  std::map<std::string, Heartbeat> last;
  const auto is_collector = [](std::string_view process) {
    return CollectorProcessName::Parse(process).has_value();
  };
  for (const auto& [cluster, tree] : trees) {
    TreeBeats beats;
    const Status read = ReadHeartbeats(*tree, is_collector, beats);
    if (!read.ok() && read.code() != Code::kNotFound)
      told.unread.push_back(fmt::format("{}: {}", cluster, read.message()));
    for (const UnreadBeat& unread : beats.unread) {
      told.unread.push_back(fmt::format("{}: {}", cluster, unread.why.message()));
    }
    for (ReadBeat& one : beats.read) {
      if (one.beat.kind != "collector") continue;
      const auto name = CollectorProcessName::Parse(one.process);
      Heartbeat& known = last[paths::Join(name->Home(cluster), name->collector)];
      if (known.written <= one.beat.written) known = std::move(one.beat);
    }
  }
  for (const auto& [name, beat] : last) {
    for (const Problem& loss : LossesToldBy(beat)) {
      told.losses.push_back(fmt::format("{}: {}", name, loss.what));
    }
  }
  return told;
}

std::string SentenceOfLossesTold(const ToldLosses& told) {
  const auto and_more = [](const std::vector<std::string>& all) {
    return all.size() > 1 ? fmt::format(" (and {} more, see 'databus status')", all.size() - 1)
                          : "";
  };
  std::string text;
  if (!told.losses.empty()) {
    text = fmt::format(" But a collector tells of messages that may be: {}{}.", told.losses.front(),
                       and_more(told.losses));
  }
  if (!told.unread.empty()) {
    text += fmt::format(" What a collector tells could not be read: {}{}.", told.unread.front(),
                        and_more(told.unread));
  }
  return text;
}

}  // namespace databus
