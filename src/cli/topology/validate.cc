// `databus topology validate`: whether a databus.xml can be understood.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/installation.h"
#include "cli/table.h"
#include "cli/topology/commands.h"

namespace databus {
namespace {

Exit Validate(const std::string& file, Io& io, Seams& seams) {
  const auto topology = LoadTopology(seams, file);
  if (!topology.ok()) return Report(io, topology.status());
  io.out << fmt::format("{}: valid, {} and {}\n", file,
                        Plural(topology->clusters.size(), "cluster"),
                        Plural(topology->streams.size(), "stream"));
  return Exit::kDone;
}

CommandBody Define(CLI::App& app) {
  auto file = std::make_shared<std::string>();
  app.add_option("FILE", *file, "A databus.xml")->required();
  return [file](Io& io, Seams& seams) { return Validate(*file, io, seams); };
}

}  // namespace

const Command kTopologyValidate{
    .name = "topology validate",
    .summary = "Check a databus.xml, and list all that is wrong with it.",
    .details =
        "Looks at the file only, at no cluster. Exit 2 when it is not valid: each problem has\n"
        "file, line, what was found and what is expected.",
    .define = &Define};

}  // namespace databus
