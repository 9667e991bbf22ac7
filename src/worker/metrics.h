// What a worker counts.
#pragma once

#include <array>
#include <string_view>

#include "telemetry/metrics.h"

namespace databus {

inline constexpr std::string_view kByHop[] = {"cluster", "hop", "stream"};
inline constexpr std::string_view kByQueue[] = {"cluster", "queue"};
inline constexpr std::string_view kBySource[] = {"cluster", "source"};
inline constexpr std::string_view kByWorkerCluster[] = {"cluster"};

inline constexpr MetricSpec kPublishedFilesTotal{
    .name = "databus_worker_files_total",
    .doc = "Files made visible; the hop is local, merge or mirror.",
    .labels = kByHop};
inline constexpr MetricSpec kPublishedMessagesTotal{
    .name = "databus_worker_messages_total",
    .doc = "Messages in the files made visible, by their headers.",
    .labels = kByHop};
inline constexpr MetricSpec kPublishedBytesTotal{
    .name = "databus_worker_bytes_total",
    .doc = "Bytes (compressed) of the files made visible.",
    .labels = kByHop};
inline constexpr MetricSpec kDuplicateFilesTotal{
    .name = "databus_worker_duplicate_files_total",
    .doc = "Files that a queue named and that were already there; they were not published again.",
    .labels = kByHop};
inline constexpr MetricSpec kQueueEntries{
    .name = "databus_worker_queue_entries",
    .doc = "Entries waiting in a queue directory at the last run.",
    .kind = MetricKind::kGauge,
    .labels = kByQueue};
inline constexpr MetricSpec kUnsalvagedFiles{
    .name = "databus_worker_unsalvaged_files",
    .doc =
        "Files at a source that the merged streams lack since a failover, and that cannot be "
        "fetched (P34).",
    .kind = MetricKind::kGauge,
    .labels = kBySource};
inline constexpr MetricSpec kGroupsHeld{
    .name = "databus_worker_groups_held",
    .doc = "Groups of streams that this process works on; 0 while it stands by.",
    .kind = MetricKind::kGauge,
    .labels = kByWorkerCluster};
inline constexpr MetricSpec kProblems{
    .name = "databus_worker_problems",
    .doc = "Problems that `databus status` lists for this cluster now.",
    .kind = MetricKind::kGauge,
    .labels = kByWorkerCluster};

inline constexpr std::string_view kByWorkerTree[] = {"tree", "call"};
inline constexpr MetricSpec kStorageCalls{
    .name = "databus_worker_storage_calls_total",
    .doc = "Calls to the name nodes of clusters, by tree and kind.",
    .labels = kByWorkerTree};

inline constexpr MetricSpec kTopologyEpoch{
    .name = "databus_worker_topology_epoch",
    .doc = "The epoch of the stored topology that this process obeys.",
    .kind = MetricKind::kGauge};
inline constexpr MetricSpec kTopologyConflicts{
    .name = "databus_worker_topology_conflicts",
    .doc = "Stored topologies that do not follow the one obeyed (P27); somebody has to choose.",
    .kind = MetricKind::kGauge};
inline constexpr MetricSpec kFrozenStreams{
    .name = "databus_worker_frozen_streams",
    .doc = "Streams whose merged minutes nobody publishes now: frozen, or in a conflict.",
    .kind = MetricKind::kGauge};

inline constexpr std::array kWorkerMetrics = {kPublishedFilesTotal,
                                              kPublishedMessagesTotal,
                                              kPublishedBytesTotal,
                                              kDuplicateFilesTotal,
                                              kQueueEntries,
                                              kUnsalvagedFiles,
                                              kProblems,
                                              kStorageCalls,
                                              kGroupsHeld,
                                              kTopologyEpoch,
                                              kTopologyConflicts,
                                              kFrozenStreams};

}  // namespace databus
