#include "telemetry/metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cassert>
#include <map>

#include "base/sync.h"

namespace databus {
namespace {

constexpr std::string_view kOther = "other";

bool IsMetricName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string_view KindName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter: return "counter";
    case MetricKind::kGauge: return "gauge";
    case MetricKind::kHistogram: return "histogram";
  }
  __builtin_unreachable();
}

prometheus::Labels ToPrometheus(const MetricSpec& spec, const std::vector<std::string>& values) {
  prometheus::Labels labels;
  for (size_t i = 0; i < values.size(); ++i) labels[std::string(spec.labels[i])] = values[i];
  return labels;
}

}  // namespace

std::string CheckMetricSpec(const MetricSpec& spec) {
  const auto wrong = [&](std::string_view rule) { return fmt::format("{}: {}", spec.name, rule); };
  if (!IsMetricName(spec.name)) return wrong("lower-case letters, digits and '_' only");
  if (!spec.name.starts_with("databus_")) return wrong("starts with databus_");
  if (spec.name.ends_with("_total") != (spec.kind == MetricKind::kCounter)) {
    return wrong("ends in _total if, and only if, it is a counter");
  }
  if (!spec.doc.ends_with('.')) return wrong("its doc is a sentence");
  if (spec.buckets.empty() == (spec.kind == MetricKind::kHistogram)) {
    return wrong("has buckets if, and only if, it is a histogram");
  }
  if (!std::ranges::is_sorted(spec.buckets)) return wrong("its buckets ascend");
  if (!std::ranges::all_of(spec.labels, IsMetricName)) return wrong("has an impossible label name");
  return "";
}

struct Metrics::State {
  // The series of one declaration.
  template <typename Series>
  struct Table {
    prometheus::Family<Series>* family = nullptr;
    std::map<std::vector<std::string>, Series*> series;
  };

  template <typename Series, typename... Args>
  Series& Find(std::map<std::string_view, Table<Series>>& tables,
               prometheus::Family<Series>& (*declare)(prometheus::Registry&, const MetricSpec&),
               const MetricSpec& spec, Labels labels, const Args&... args) {
    assert(labels.size() == spec.labels.size());
    MutexLock lock(mutex);
    Table<Series>& table = tables[spec.name];
    if (table.family == nullptr) table.family = &declare(registry, spec);
    std::vector<std::string> values(labels.begin(), labels.end());
    auto found = table.series.find(values);
    if (found != table.series.end()) return *found->second;
    if (static_cast<int>(table.series.size()) >= spec.series_max) {
      values.assign(labels.size(), std::string(kOther));
    }
    Series& added = table.family->Add(ToPrometheus(spec, values), args...);
    table.series.emplace(std::move(values), &added);
    return added;
  }

  prometheus::Registry registry;
  Mutex mutex;
  std::map<std::string_view, Table<prometheus::Counter>> counters;
  std::map<std::string_view, Table<prometheus::Gauge>> gauges;
  std::map<std::string_view, Table<prometheus::Histogram>> histograms;
  std::vector<std::function<void(Metrics&)>> refreshers;

  prometheus::Counter& Counter(const MetricSpec& spec, Labels labels) {
    const auto declare = [](prometheus::Registry& r, const MetricSpec& s) -> auto& {
      return prometheus::BuildCounter()
          .Name(std::string(s.name))
          .Help(std::string(s.doc))
          .Register(r);
    };
    return Find<prometheus::Counter>(counters, declare, spec, labels);
  }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::Count(const MetricSpec& counter, Labels labels, uint64_t by) {
  assert(counter.kind == MetricKind::kCounter);
  state_->Counter(counter, labels).Increment(static_cast<double>(by));
}

void Metrics::CountUpTo(const MetricSpec& counter, Labels labels, uint64_t total) {
  assert(counter.kind == MetricKind::kCounter);
  prometheus::Counter& series = state_->Counter(counter, labels);
  const double missing = static_cast<double>(total) - series.Value();
  if (missing > 0) series.Increment(missing);
}

void Metrics::Set(const MetricSpec& gauge, Labels labels, double value) {
  assert(gauge.kind == MetricKind::kGauge);
  const auto declare = [](prometheus::Registry& r, const MetricSpec& s) -> auto& {
    return prometheus::BuildGauge().Name(std::string(s.name)).Help(std::string(s.doc)).Register(r);
  };
  state_->Find<prometheus::Gauge>(state_->gauges, declare, gauge, labels).Set(value);
}

void Metrics::Observe(const MetricSpec& histogram, Labels labels, double value) {
  assert(histogram.kind == MetricKind::kHistogram);
  const auto declare = [](prometheus::Registry& r, const MetricSpec& s) -> auto& {
    return prometheus::BuildHistogram()
        .Name(std::string(s.name))
        .Help(std::string(s.doc))
        .Register(r);
  };
  const prometheus::Histogram::BucketBoundaries bounds(histogram.buckets.begin(),
                                                       histogram.buckets.end());
  state_->Find<prometheus::Histogram>(state_->histograms, declare, histogram, labels, bounds)
      .Observe(value);
}

void Metrics::BeforeExpose(std::function<void(Metrics&)> refresh) {
  state_->refreshers.push_back(std::move(refresh));
}

std::string Metrics::Expose() {
  for (const auto& refresh : state_->refreshers) refresh(*this);
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

std::string RenderMetricsPage(std::span<const MetricList> lists) {
  std::string page =
      "# Metrics\n\nGenerated from the declarations in `src/*/metrics.h`; a test compares. Served "
      "at `/metrics` on\nthe port `databus.http_port`, on localhost only. A label beyond its "
      "bound is counted under `other`.\n";
  for (const MetricList& list : lists) {
    page +=
        fmt::format("\n## {}\n\n| Name | Kind | Labels | What |\n|---|---|---|---|\n", list.area);
    for (const MetricSpec& spec : list.metrics) {
      page += fmt::format("| `{}` | {} | {} | {} |\n", spec.name, KindName(spec.kind),
                          fmt::join(spec.labels, ", "), spec.doc);
    }
  }
  return page;
}

}  // namespace databus
