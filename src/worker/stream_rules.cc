#include "worker/stream_rules.h"

namespace databus {

std::optional<std::string> TopologyRules::PrimaryOf(View view, const std::string& stream) const {
  if (view == View::kLocal) return "";
  const StreamSpec* spec = topology_.FindStream(stream);
  if (spec == nullptr) return std::nullopt;
  const std::optional<Role> role = spec->RoleOf(cluster_);
  if (!role) return std::nullopt;
  return *role == Role::kPrimary ? "" : spec->Primary();
}

std::vector<std::string> TopologyRules::QueuesOf(View view, const std::string& stream) const {
  const StreamSpec* spec = topology_.FindStream(stream);
  if (spec == nullptr) return {};
  if (view == View::kLocal) return {paths::Consumers(spec->Primary())};
  if (spec->Primary() != cluster_) return {};
  std::vector<std::string> queues;
  for (const std::string& mirror : spec->Mirrors()) queues.push_back(paths::Mirrors(mirror));
  return queues;
}

std::optional<Minute> TopologyRules::CutOf(const std::string& stream) const {
  const StreamSpec* spec = topology_.FindStream(stream);
  return spec == nullptr ? std::nullopt : spec->cut;
}

Publication TopologyRules::PublicationOf(const std::string& stream) const {
  const StreamSpec* spec = topology_.FindStream(stream);
  return spec == nullptr ? Publication::kOpen : spec->publication;
}

Status TopologyRules::MayPublish(const std::string& stream) const {
  const StreamSpec* spec = topology_.FindStream(stream);
  if (spec == nullptr || spec->when_alone == WhenAlone::kContinue) return Status::Ok();
  return majority_.Check();
}

std::set<std::string> TopologyRules::Primaries(View view) const {
  std::set<std::string> primaries = {""};
  if (view == View::kLocal) return primaries;
  for (const StreamSpec& stream : topology_.streams) {
    if (const auto primary = PrimaryOf(view, stream.name)) primaries.insert(*primary);
  }
  return primaries;
}

}  // namespace databus
