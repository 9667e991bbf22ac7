#include "cli/failover/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cli/table.h"
#include "failover/steps.h"

namespace databus {
namespace {

using failover::Kind;
using failover::Step;
using Json = nlohmann::ordered_json;
using Limit = Figure::Limit;
using Unit = Figure::Unit;

constexpr double kSwapUnderS = 30;
constexpr double kFirstFileUnderS = 60;
constexpr double kAll = 100;  // per cent

class Collected {
 public:
  explicit Collected(std::string way = "") : way_(std::move(way)) {}

  void Count(std::string id, std::string text, std::optional<uint64_t> seen,
             std::optional<uint64_t> exactly = {}) {
    if (!seen) return;
    Figure& figure = Add(std::move(id), std::move(text), static_cast<double>(*seen), Unit::kCount);
    if (!exactly) return;
    figure.kind = Limit::kExactly;
    figure.limit = static_cast<double>(*exactly);
  }
  void Time(std::string id, std::string text, std::optional<Milliseconds> seen,
            std::optional<double> under = {}) {
    if (!seen) return;
    const double seconds = static_cast<double>(seen->count()) / 1000;
    Figure& figure = Add(std::move(id), std::move(text), seconds, Unit::kSeconds);
    if (!under) return;
    figure.kind = Limit::kUnder;
    figure.limit = *under;
  }
  void Share(std::string id, std::string text, uint64_t part, uint64_t of) {
    if (of == 0) return;
    Figure& figure =
        Add(std::move(id), std::move(text),
            kAll * static_cast<double>(part) / static_cast<double>(of), Unit::kPercent);
    figure.kind = Limit::kExactly;
    figure.limit = kAll;
  }
  std::vector<Figure> Take() { return std::move(figures_); }

 private:
  Figure& Add(std::string id, std::string text, double seen, Unit unit) {
    return figures_.emplace_back(Figure{
        .id = std::move(id), .way = way_, .text = std::move(text), .seen = seen, .unit = unit});
  }

  const std::string way_;
  std::vector<Figure> figures_;
};

// Nobody promises that of an accident, or of processes that are killed.
std::optional<uint64_t> IfCalm(const WayFigures& way, uint64_t limit) {
  const bool calm = way.kind != Kind::kUnplanned && !way.disturbed;
  return calm ? std::optional(limit) : std::nullopt;
}

std::vector<Figure> OfWay(const WayFigures& way) {
  const bool planned = way.kind != Kind::kUnplanned;
  Collected all(std::string(failover::CommandOf(way.kind)));
  all.Count("commands", "commands", way.commands, IfCalm(way, 1));
  all.Time("took_s", "it took", way.took);
  all.Count("refused", "calls of producers refused", way.refused, 0);
  all.Count("disconnected", "connections of producers lost", way.disconnected, IfCalm(way, 0));
  all.Time("kept_s", "collectors kept events, until all was delivered", way.kept);
  all.Time("swap_s", "swap, from its epoch until all collectors deliver", way.swap,
           planned ? std::optional(kSwapUnderS) : std::nullopt);
  all.Time("first_file_s", "first file of the new primary, from the command on", way.first_file,
           planned ? std::nullopt : std::optional(kFirstFileUnderS));
  return all.Take();
}

void AddLoss(const LossFigures& loss, Collected& all) {
  all.Count("loss_lines", "lines of the loss statement", loss.lines);
  all.Count("loss_lines_open", "of them not recovered, or not known", loss.lines - loss.recovered,
            0);
  all.Count("loss_unnamed_files", "files found at risk that no line names", loss.unnamed_files, 0);
  all.Count("salvaged_files", "files salvaged", loss.recovered_files);
  all.Share("salvaged_percent", "salvaged of what survives", loss.recovered_files,
            loss.recovered_files + loss.missing_files);
}

std::string Number(double number, Unit unit) {
  switch (unit) {
    case Unit::kCount: return Grouped(static_cast<uint64_t>(number));
    case Unit::kSeconds: return fmt::format("{:.1f} s", number);
    // Never more than it is: 99.99 is not 100.
    case Unit::kPercent: return fmt::format("{:g} %", std::floor(number * 10) / 10);
  }
  return "";
}

std::string LimitText(const Figure& figure) {
  switch (figure.kind) {
    case Limit::kNone: return "";
    case Limit::kExactly: return Number(figure.limit, figure.unit);
    case Limit::kUnder: return "under " + Number(figure.limit, figure.unit);
  }
  return "";
}

std::string Verdict(const Figure& figure) {
  if (figure.kind == Limit::kNone) return "";
  return figure.IsWithin() ? "yes" : "NO";
}

std::string_view UnitName(Unit unit) {
  switch (unit) {
    case Unit::kCount: return "";
    case Unit::kSeconds: return "s";
    case Unit::kPercent: return "%";
  }
  return "";
}

// Both by the clocks of those who drove it.
std::optional<Milliseconds> Between(std::optional<WallTime> from, std::optional<WallTime> to) {
  if (!from || !to || *to < *from) return std::nullopt;
  return *to - *from;
}

}  // namespace

bool Figure::IsWithin() const {
  switch (kind) {
    case Limit::kNone: return true;
    case Limit::kExactly: return seen == limit;
    case Limit::kUnder: return seen < limit;
  }
  return false;
}

void MeasureJournal(const failover::Journal& journal, WayFigures& way) {
  const auto delivered = failover::WhenOver(journal, Step::kDespool);
  way.kept = Between(failover::WhenStored(journal, Step::kSpool), delivered);
  way.swap = Between(journal.swapped, delivered);
}

std::vector<Figure> FiguresOf(const FailoverFigures& figures) {
  std::vector<Figure> list;
  for (const WayFigures& way : figures.ways) {
    std::vector<Figure> more = OfWay(way);
    std::ranges::move(more, std::back_inserter(list));
  }
  Collected all;
  all.Count("lost", "messages lost", figures.lost, 0);
  all.Count("doubled", "messages doubled", figures.doubled, 0);
  if (const auto& lack = figures.lack) {
    all.Count("lacked", "messages that the new primary lacked at the swap", lack->messages);
    all.Count("lacked_from_lost", "of them from collectors of the cluster that goes",
              lack->from_lost);
    all.Time("lacked_s", "the oldest of them before the swap", lack->oldest);
  }
  if (figures.loss) AddLoss(*figures.loss, all);
  all.Count("stale_commits", "files of the stale primary after the swap, of streams that wait",
            figures.stale_commits, 0);
  if (const auto& bootstrap = figures.bootstrap) {
    all.Count("missing_files", "files missing where it returned", bootstrap->missing);
    all.Count("copied_files", "files copied there, with what came meanwhile", bootstrap->copied);
    all.Count("copied_not_missing", "files copied there that were not missing",
              bootstrap->not_missing, 0);
  }
  std::ranges::move(all.Take(), std::back_inserter(list));
  return list;
}

std::string RenderFigures(const std::vector<Figure>& figures) {
  Table table({"figure", "of", ">limit", ">seen", "within"});
  for (const Figure& figure : figures) {
    table.Row({figure.text, figure.way, LimitText(figure), Number(figure.seen, figure.unit),
               Verdict(figure)});
  }
  return table.empty() ? "" : table.ToString();
}

Json FiguresToJson(const std::vector<Figure>& figures) {
  Json json = Json::array();
  for (const Figure& figure : figures) {
    const bool judged = figure.kind != Limit::kNone;
    json.push_back({{"id", figure.id},
                    {"of", figure.way},
                    {"text", figure.text},
                    {"seen", figure.seen},
                    {"unit", UnitName(figure.unit)},
                    {"limit", judged ? Json(figure.limit) : Json(nullptr)},
                    {"limit_is", !judged                          ? ""
                                 : figure.kind == Limit::kExactly ? "exactly"
                                                                  : "under"},
                    {"within", judged ? Json(figure.IsWithin()) : Json(nullptr)}});
  }
  return json;
}

}  // namespace databus
