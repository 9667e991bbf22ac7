#include "sim/atlas.h"

#include <fmt/format.h>

#include "sim/correlated.h"
#include "sim/denials.h"
#include "sim/hadoop.h"
#include "sim/tales.h"

namespace databus::sim {

std::string_view WhatIsSurvived(IncidentKind kind) {
  switch (kind) {
    case IncidentKind::kKill:
      return "a process dies, at any storage, disk or network call, before, after or in its middle";
    case IncidentKind::kPowerCut:
      return "a collector dies, and its disk loses any legal part of what was not synced";
    case IncidentKind::kPause:
      return "a process sleeps, up to 4 minutes, of long runs up to 110, in the middle of "
             "anything; "
             "others take over";
    case IncidentKind::kRestart: return "an operator stops a process, and starts it again";
    case IncidentKind::kNetworkCut:
      return "frames to a collector, from it, or both vanish, up to 4 minutes";
    case IncidentKind::kUnreachable: return "a data centre cannot reach a cluster, up to 4 minutes";
    case IncidentKind::kAnswersLost:
      return "its requests arrive there, the answers do not, up to 4 minutes";
    case IncidentKind::kDiskFull: return "the disk of a collector's spool is full, up to 4 minutes";
    case IncidentKind::kSyncFails:
      return "a sync fails; what it had to write is never durable, even if a later one succeeds";
    case IncidentKind::kTreeFull: return "a cluster is full, up to 4 minutes";
    case IncidentKind::kClockStep:
      return "a wall clock is set by up to 2 minutes either way, a worker's by up to an hour";
    case IncidentKind::kClockDrift: return "a wall clock drifts by up to 500 ppm";
    case IncidentKind::kOneCall:
      return "the answer of one call, at a step of the protocol, is lost";
    case IncidentKind::kHintLost:
      return "an announcement, or an entry of a mirror's queue, is gone after it was written";
    case IncidentKind::kBitFlip:
      return "bits flip in a segment of a spool: it costs the record that they are in";
    case IncidentKind::kStagedFlip:
      return "bits flip in a record, or in a file that it names, before anybody acts upon it";
    case IncidentKind::kWrongMount:
      return "another cluster's tree, or an empty disk, is where a collector's should be";
    case IncidentKind::kTreeCut:
      return "power cut of a cluster and of the workers beside it: renames that nobody was told to "
             "be done are undone";
    case IncidentKind::kReconfigure:
      return "an operator changes a process's settings, and starts it again";
    case IncidentKind::kSiteCut: return "a data centre and the others cannot reach each other";
    case IncidentKind::kDenied:
      return "one process, or all, may not read or not change what is below a directory of a "
             "cluster, up to 4 minutes; views are only hidden: what may not be written into them "
             "goes to quarantine (P11)";
    case IncidentKind::kNameNode:
      return "nobody is answered by a cluster: what arrives is done, or not, or later, when all "
             "have "
             "given up, up to 4 minutes";
    case IncidentKind::kSafeMode:
      return "a cluster can be read and changes nothing, up to 4 minutes";
    case IncidentKind::kNoDataNodes:
      return "nothing can be written into a cluster's files, names work, up to 4 minutes";
    case IncidentKind::kUnreadable:
      return "files below a directory cannot be read, names work, up to 4 minutes";
    case IncidentKind::kQuota:
      return "the quota of a directory is used up: nothing new comes there, up to 4 minutes";
    case IncidentKind::kSiteDown: return "and its processes are dead, with or without a power cut";
  }
  __builtin_unreachable();
}

std::string Atlas() {
  std::string text = "Faults that are to be survived, in any mixture:\n";
  const auto row = [&](std::string_view name, std::string_view what) {
    text += fmt::format("  {:<14} {}\n", name, what);
  };
  for (int i = 0; i < kIncidentKinds; ++i) {
    const auto kind = static_cast<IncidentKind>(i);
    row(IncidentName(kind), WhatIsSurvived(kind));
  }
  text += "Of each storage call, in a million, drawn for each seed:\n";
  row("request lost", "up to 10,000: it is not done");
  row("answer lost", "up to 10,000: it is done, and nobody is told");
  row("no space", "up to 3,000");
  row("slow", "up to 3,000: it takes up to 20 s, and others overtake it");
  row("late", "up to 10,000 of names: nobody is told, and it is done up to 200 s later");
  row("stale list", "up to 100,000: listings are answered later than they were looked at");
  row("broken", "up to 50,000 connections between processes break while a call is under way");
  text += "Told together, at steps of the protocol (--story):\n ";
  for (const std::string& name : StoryNames()) text += fmt::format(" {}", name);
  for (const std::string& name : TaleNames()) text += fmt::format(" {}", name);
  return text + fmt::format(" {} {}\n", kDenialStory, kHadoopStory);
}

}  // namespace databus::sim
