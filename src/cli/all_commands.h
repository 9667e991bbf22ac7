// The commands, each defined in the file of its name.
#pragma once

#include "cli/command.h"

namespace databus {

extern const Command kBench;
extern const Command kCat;
extern const Command kCollapse;
extern const Command kCollector;
extern const Command kCompletion;
extern const Command kDemo;
extern const Command kFailback;
extern const Command kFailover;
extern const Command kHelp;
extern const Command kLs;
extern const Command kProduce;
extern const Command kRehearse;
extern const Command kRelease;
extern const Command kSettings;
extern const Command kSpoolCommand;
extern const Command kStatus;
extern const Command kTopology;
extern const Command kVerify;
extern const Command kWorker;

}  // namespace databus
