#include "collector/steer/routes.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace databus {
namespace {

bool IsRedirect(const ModeRule& rule) { return rule.mode == DeliveryMode::kRedirect; }

}  // namespace

bool Orders::Steer() const {
  if (topology == nullptr || cluster.empty()) return false;
  return std::ranges::count(topology->epoch.stored.modes, cluster, &ModeRule::cluster) > 0;
}

Routes::Routes(ConfigSnapshot config, Orders orders)
    : config_(std::move(config)), orders_(std::move(orders)) {
  if (!orders_.Steer()) return;
  for (const ModeRule& rule : orders_.topology->epoch.stored.modes) {
    if (rule.cluster != orders_.cluster) continue;
    if (rule.stream.empty()) {
      rule_of_the_rest_ = &rule;
    } else {
      rules_.emplace(rule.stream, &rule);
    }
  }
}

Route Routes::Of(std::string_view stream) const {
  if (orders_.blind) return {DeliveryMode::kSpool};
  Route route = WayOf(stream);
  if (orders_.asks_home && route.mode == DeliveryMode::kDeliver) route.mode = DeliveryMode::kSpool;
  return route;
}

Route Routes::WayOf(std::string_view stream) const {
  const auto own = rules_.find(stream);
  if (own != rules_.end()) return ByRule(*own->second);
  if (rule_of_the_rest_ != nullptr) return ByRule(*rule_of_the_rest_);
  return ByStore(stream);
}

Route Routes::ByRule(const ModeRule& rule) const {
  if (!IsRedirect(rule)) return {rule.mode};
  if (!orders_.topology->conflicts.empty()) return {DeliveryMode::kSpool};
  if (!rule.receivers.empty()) return {DeliveryMode::kRedirect, rule.receivers};
  const auto alive = orders_.receivers.find(rule.to);
  if (alive == orders_.receivers.end()) return {DeliveryMode::kRedirect};
  return {DeliveryMode::kRedirect, alive->second};
}

Route Routes::ByStore(std::string_view stream) const {
  // A stream of the spool that the present configuration does not know goes the way of the first.
  const StoreSpec* store = config_->FindStore(stream);
  if (store == nullptr) store = &config_->stores.front();
  const auto* network = std::get_if<NetworkPrimary>(&store->primary);
  if (network == nullptr) return {DeliveryMode::kDeliver};
  return {DeliveryMode::kRedirect, {{network->host, static_cast<uint16_t>(network->port)}}};
}

bool Routes::only_redirects() const {
  const auto redirects = [](const auto& item) { return IsRedirect(*item.second); };
  if (!std::ranges::all_of(rules_, redirects)) return false;
  if (rule_of_the_rest_ != nullptr) return IsRedirect(*rule_of_the_rest_);
  return std::ranges::all_of(config_->stores, [](const StoreSpec& store) {
    return std::holds_alternative<NetworkPrimary>(store.primary);
  });
}

}  // namespace databus
