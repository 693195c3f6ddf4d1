#include "node_component.h"

#include "environment.h"
#include "esphome/core/helpers.h"
#include "esphome/core/log.h"

#ifdef USE_ESP32
#include <esp_system.h>
#endif

namespace esphome::microgrid {

static const char *const TAG = "microgrid";

namespace {

constexpr uint32_t REFRESH_MS = 1000;

// The preferred source first. A gateway asks a time server itself; without one it follows the bus as houses
// do.
constexpr std::array GATEWAY_TIME{NETWORK_EXCHANGE, CAN_INTERRUPT_STAMPS, RTC_EDGE};
constexpr std::array HOUSE_TIME{CAN_INTERRUPT_STAMPS, RTC_EDGE};

std::span<const SourceSettings> time_sources(Role role) {
  if (role == Role::GATEWAY) return GATEWAY_TIME;
  return HOUSE_TIME;
}

std::span<const MetricRow> rows(Role role) {
  if (role == Role::GATEWAY) return GATEWAY_METRICS;
  return HOUSE_METRICS;
}

uint32_t new_boot_id() {
  uint32_t id = 0;
  while (id == 0) id = random_u32();
  return id;
}

/// First of all things, because nothing may have asked for the time before the oscillator is what it will be.
Role begin(Role role) {
#ifdef USE_HOST
  const double ppm = environment_number("OSCILLATOR_PPM", 0, -500, 500);
  const double start_us = environment_number("OSCILLATOR_START_US", 1, 1, 1e15);
  set_oscillator(ppm, static_cast<uint64_t>(start_us));
#endif
  return role;
}

/// Preferences are known by a number.
uint32_t key_of(std::string_view name) {
  uint32_t hash = fnv1_hash("microgrid ");
  for (const char letter : name) hash = fnv1_hash_extend(hash, letter);
  return hash;
}

/// Code of the boot event: who had to be woken by a watchdog says so.
std::string_view start_code(ResetReason reason) {
  switch (reason) {
    case ResetReason::WATCHDOG:
      return "WATCHDOG";
    case ResetReason::BROWN_OUT:
      return "BROWN_OUT";
    case ResetReason::PANIC:
      return "PANIC";
    default:
      return "BOOT";
  }
}

}  // namespace

NodeComponent::NodeComponent(Role role, uint8_t number, const char *node, const char *cluster,
                             const char *swarm, const char *name, const char *hardware, const char *firmware)
    : node_(Identity{.role = begin(role),
                     .number = static_cast<uint8_t>(environment_number(
                         "NUMBER", number, role == Role::HOUSE ? 1 : 0, role == Role::HOUSE ? 15 : 0)),
                     .node = environment("NODE", node),
                     .cluster = environment("CLUSTER", cluster),
                     .swarm = environment("SWARM", swarm),
                     .name = environment("NAME", name),
                     .hardware = hardware,
                     .firmware = firmware,
                     .boot_id = new_boot_id()},
            time_sources(role), rows(role), std::span{cells_}.first(rows(role).size())) {}

ResetReason NodeComponent::reset_reason() {
#ifdef USE_ESP32
  switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
      return ResetReason::POWER;
    case ESP_RST_SW:
      return ResetReason::SOFTWARE;
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
      return ResetReason::WATCHDOG;
    case ESP_RST_BROWNOUT:
      return ResetReason::BROWN_OUT;
    case ESP_RST_PANIC:
      return ResetReason::PANIC;
    default:
      return ResetReason::UNKNOWN;
  }
#else
  return ResetReason::UNKNOWN;
#endif
}

void NodeComponent::setup() {
  this->count_restart();
  this->tell_start();
  this->refresh();
  this->set_interval(REFRESH_MS, [this] { this->refresh(); });
}

void NodeComponent::dump_config() {
  [[maybe_unused]] const Identity &who = this->node_.identity;
  ESP_LOGCONFIG(TAG,
                "Microgrid node:\n"
                "  %s %.*s, number %u in cluster %.*s of swarm %.*s\n"
                "  Boot %08lx, start %lu",
                who.role == Role::GATEWAY ? "Gateway" : "House", static_cast<int>(who.node.size()),
                who.node.data(), who.number, static_cast<int>(who.cluster.size()), who.cluster.data(),
                static_cast<int>(who.swarm.size()), who.swarm.data(), static_cast<unsigned long>(who.boot_id),
                static_cast<unsigned long>(this->restarts_));
}

NodeComponent::Kept *NodeComponent::kept(std::string_view name, size_t size) {
  const uint32_t key = key_of(name);
  for (Kept &known : std::span{this->kept_}.first(this->kept_count_)) {
    if (known.key == key) return known.size == size ? &known : nullptr;
  }
  if (this->kept_count_ == MAX_KEPT || size == 0 || size > 255) {
    ESP_LOGE(TAG, "%.*s: no room to keep its %u bytes", static_cast<int>(name.size()), name.data(),
             static_cast<unsigned>(size));
    return nullptr;
  }
  Kept &added = this->kept_[this->kept_count_++];
  added = {.key = key, .size = size, .preference = global_preferences->make_preference(size, key, true)};
  return &added;
}

bool NodeComponent::load(std::string_view name, std::span<uint8_t> value) {
  Kept *found = this->kept(name, value.size());
  return found != nullptr && found->preference.load(value.data(), value.size());
}

bool NodeComponent::save(std::string_view name, std::span<const uint8_t> value) {
  Kept *found = this->kept(name, value.size());
  if (found == nullptr || !found->preference.save(value.data(), value.size())) return false;
#ifdef USE_HOST
  // Tests kill programs at any time; flash is written by ESPHome once a minute.
  return global_preferences->sync();
#else
  return true;
#endif
}

bool NodeComponent::save_now(std::string_view name, std::span<const uint8_t> value) {
  // What others left waiting goes first: then the result is that of this value alone.
  global_preferences->sync();
  return this->save(name, value) && global_preferences->sync();
}

void NodeComponent::count_restart() {
  std::array<uint8_t, 4> bytes{};
  if (this->load("restarts", bytes)) {
    std::memcpy(&this->restarts_, bytes.data(), bytes.size());
    this->restarts_++;
  }
  std::memcpy(bytes.data(), &this->restarts_, bytes.size());
  this->save("restarts", bytes);
}

void NodeComponent::tell_start() {
  const std::string_view code = start_code(reset_reason());
  NodeEvent event{};
  event.type = EventType::BOOT;
  event.state = EventState::MOMENT;
  event.severity = code == "BOOT" ? Severity::INFO : Severity::WARNING;
  event.code = EventCode{code};
  this->node_.desk.from_loop(event);
}

void NodeComponent::refresh() {
  Readings &readings = this->node_.readings;
  const uint64_t now_us = mono_us();
  const uint32_t error_us = this->node_.clock.timeline().error_us(now_us);
  for (size_t metric = 0; metric < readings.size(); metric++) {
    const std::string_view key = readings.rows()[metric].key;
    if (key == "uptime") {
      const uint64_t uptime_s = now_us / 1'000'000;
      readings.set_value(metric, static_cast<double>(uptime_s));
    } else if (key == "restarts") {
      readings.set_value(metric, this->restarts_);
    } else if (key == "clock_valid") {
      readings.set(metric, this->node_.clock.valid(now_us) ? 1 : 0);
    } else if (key == "clock_error") {
      if (error_us == CLOCK_ERROR_UNKNOWN) {
        readings.forget(metric);
      } else {
        readings.set_value(metric, error_us / 1000.0);
      }
    }
  }
}

}  // namespace esphome::microgrid
