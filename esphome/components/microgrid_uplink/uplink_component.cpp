#include "uplink_component.h"

#include <cinttypes>
#include <cstdlib>

#include "esphome/components/microgrid_core/environment.h"
#include "esphome/core/hal.h"
#include "esphome/core/log.h"

namespace esphome::microgrid {

static const char *const TAG = "microgrid.uplink";

namespace {

constexpr uint32_t COMPLAIN_EVERY_MS = 60'000;

}  // namespace

UplinkComponent::UplinkComponent(NodeComponent *core, LogStore &store, const char *parent)
    : core_(core), uplink_(core->node(), store, environment("PARENT", parent)) {}

void UplinkComponent::set_houses(Houses &houses, LogRelay &relay) {
  this->uplink_.set_houses(&houses);
  this->uplink_.set_relay(&relay);
}

#ifdef USE_HOST
void UplinkComponent::set_broker(const char *host, uint16_t port, const char *user, const char *password) {
  this->host_ = host;
  this->port_ = port;
  this->user_ = user;
  this->password_ = password;
}
#endif

void UplinkComponent::setup() {
  if (this->bus_ != nullptr) this->bus_->add(this->uplink_);
  this->will_topic_ = std::string(this->uplink_.state_topic());
#ifdef USE_HOST
  const std::string_view told = environment("BROKER");
  if (const size_t colon = told.rfind(':'); colon != std::string_view::npos) {
    this->host_ = std::string(told.substr(0, colon));
    this->port_ = static_cast<uint16_t>(std::strtoul(told.substr(colon + 1).data(), nullptr, 10));
  }
  const Identity &who = this->core_->node().identity;
  this->client_id_ = std::string(who.swarm) + "." + std::string(who.node);
  this->stream_.emplace(this->host_, this->port_);
  this->client_.emplace(*this->stream_, this->uplink_,
                        MqttSettings{.client_id = this->client_id_,
                                     .user = this->user_,
                                     .password = this->password_,
                                     .will_topic = this->will_topic_,
                                     .will_payload = bytes_of(Uplink::offline())},
                        this->inbox_, this->outbox_);
  this->uplink_.set_publisher(&*this->client_);
#elif defined(USE_MQTT)
  EsphomePublisher::set_will(this->will_topic_, Uplink::offline());
  this->uplink_.set_publisher(&this->publisher_);
#endif
  this->set_interval(COMPLAIN_EVERY_MS, [this] { this->complain(); });
}

void UplinkComponent::loop() { this->uplink_.loop(mono_us()); }

void UplinkComponent::complain() {
  const UplinkCounters &is = this->uplink_.counters();
  uint32_t wrong = is.unknown_topics + is.unwritable + is.log.acks_ignored;
  for (const uint32_t count : is.refused) wrong += count;
  if (wrong == this->complained_) return;
  ESP_LOGW(TAG, "%" PRIu32 " messages made no sense in the last minute", wrong - this->complained_);
  for (size_t i = 0; i < is.refused.size(); i++) {
    const std::string_view name = name_of(static_cast<Refusal>(i));
    if (is.refused[i] != 0)
      ESP_LOGW(TAG, "  %.*s: %" PRIu32 " since the start", static_cast<int>(name.size()), name.data(),
               is.refused[i]);
  }
  this->complained_ = wrong;
}

void UplinkComponent::on_safe_shutdown() {
  this->uplink_.stop();
#ifdef USE_HOST
  // The broker must have it before the connection ends: what it sent us and nobody read would take it along.
  for (int i = 0; i < 100 && this->client_->connection() != 0 && this->client_->waiting() != 0; i++) {
    this->client_->loop(mono_us());
    delay(5);
  }
  this->client_->disconnect();
#endif
}

void UplinkComponent::dump_config() {
  ESP_LOGCONFIG(TAG, "Uplink:\n  State topic: %s", this->will_topic_.c_str());
#ifdef USE_HOST
  ESP_LOGCONFIG(TAG, "  Broker: %s:%u", this->host_.c_str(), this->port_);
#endif
}

}  // namespace esphome::microgrid
