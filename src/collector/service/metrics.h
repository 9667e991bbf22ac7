// What a collector counts.
#pragma once

#include "telemetry/metrics.h"

namespace databus {

inline constexpr MetricSpec kCollectorMetrics[] = {
    {.name = "databus_collector_messages_total", .doc = "Messages acknowledged."},
    {.name = "databus_collector_rejected_total",
     .doc = "Entries that no stream can take, kept in rejected/."},
    {.name = "databus_collector_try_later_total", .doc = "Calls answered TRY_LATER."},
    {.name = "databus_collector_undecodable_total", .doc = "Frames that were no valid call."},
    {.name = "databus_collector_repeats_total",
     .doc = "Batches that were sent again after they were durable."},
    {.name = "databus_collector_flushes_total", .doc = "Group commits."},
    {.name = "databus_collector_failed_flushes_total", .doc = "Group commits that failed."},
    {.name = "databus_collector_delivered_files_total", .doc = "Sealed files put into data/."},
    {.name = "databus_collector_delivered_messages_total", .doc = "Messages in those files."},
    {.name = "databus_collector_delivered_bytes_total", .doc = "Bytes of those files."},
    {.name = "databus_collector_name_collisions_total",
     .doc = "Final names that were taken by another file."},
    {.name = "databus_collector_failed_attempts_total", .doc = "Delivery attempts that failed."},
    {.name = "databus_collector_handed_over_messages_total",
     .doc = "Messages that another collector has taken over."},
    {.name = "databus_collector_possible_duplicates_total",
     .doc = "Messages that were sent or released though they may have arrived before: to receivers "
            "of another make, or by an operator's word."},
    {.name = "databus_collector_refused_peers_total",
     .doc = "Connections refused or ended because databus.collector.allow does not hold the peer."},
    {.name = "databus_collector_reloads_total",
     .doc = "Configurations that were taken while the collector ran."},
    {.name = "databus_collector_refused_reloads_total",
     .doc = "Configurations that were refused while the collector ran."},
    {.name = "databus_collector_queued_bytes",
     .doc = "Bytes accepted and not yet on disk.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_spool_bytes",
     .doc = "Bytes in the spool that are not delivered.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_free_bytes",
     .doc = "Bytes that are free on the spool's disk; 0: no message has come since the start.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_deferred_bytes",
     .doc = "Of those, bytes of streams that are held back while others of the same time went.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_open_intents",
     .doc =
         "Sealed files that are staged and not yet in place, and hand-overs that are not settled.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_lag_ms",
     .doc = "Age of the oldest message that is not delivered.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_damaged_files",
     .doc = "Files in the spool's damaged/.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_cluster_reached",
     .doc = "1 when the last delivery attempt reached the cluster, else 0.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_spooling_streams",
     .doc = "Streams of the topology that are kept in the spool because it says so.",
     .kind = MetricKind::kGauge},
    {.name = "databus_collector_topology_epoch",
     .doc = "Epoch of the stored topology that is obeyed; 0: none is known.",
     .kind = MetricKind::kGauge},
};

}  // namespace databus
