#include "house.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>

namespace esphome::microgrid {

namespace {

using M = HouseMetric;

constexpr std::string_view KEPT_NAME = "house_counters";
constexpr std::string_view TRIP_NAME = "house_trip";
constexpr uint32_t DERIVE_EVERY_BEATS = 10;
constexpr size_t CELLS = 16;

static_assert(HOUSE_METRICS.size() > static_cast<size_t>(M::UPTIME));

// The inverter runs when its voltage is back from "too low" (F003) and stands still well below that.
constexpr size_t UNDERVOLTAGE_ROW = 2;
static_assert(PROTECTIONS[UNDERVOLTAGE_ROW].code == FaultCode::F003);
constexpr float DEAD_BELOW_V = 50;
constexpr uint64_t TURNED_AFTER_US = 1'000'000;

// Below 5 W the charger only feeds itself; decivolts × centiamperes.
constexpr int64_t TRACKING_FROM = 5'000;

const MetricRow &row_of(M metric) { return HOUSE_METRICS[static_cast<size_t>(metric)]; }

std::optional<int64_t> product(std::optional<int32_t> a, std::optional<int32_t> b) {
  if (!a || !b) return std::nullopt;
  return int64_t{*a} * *b;
}

/// Within 32 bits whatever a sensor made up.
int32_t narrow(int64_t integer) {
  constexpr int64_t LARGEST = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(std::clamp(integer, -LARGEST, LARGEST));
}

/// What else is of interest about a fault.
constexpr std::array<M, 6> CONTEXT{M::INVERTER_FREQUENCY, M::INVERTER_VOLTAGE, M::INVERTER_CURRENT,
                                   M::INVERTER_POWER,     M::DC_BUS_VOLTAGE,   M::BATTERY_CURRENT};

/// Only what the log has a channel for, and once.
void add_value(NodeEvent &event, const Readings &readings, M metric) {
  const MetricRow &row = row_of(metric);
  const auto integer = readings.get(static_cast<size_t>(metric));
  if (row.channel == 0 || !integer) return;
  for (const EventValue &value : event.used_values()) {
    if (value.channel == row.channel) return;
  }
  event.add(row.channel, log_integer(*integer, row.offset));
}

}  // namespace

House::House(Node &node, LogStore &log, const HouseSettings &settings)
    : readings_(node.readings), desk_(node.desk), node_(node), log_(log), settings_(settings) {
  this->charge_.setup(settings.charge);
}

void House::start(Storage &storage) {
  this->storage_ = &storage;
  std::array<uint8_t, sizeof(this->kept_trip_)> trip{};
  if (storage.load(TRIP_NAME, trip)) std::memcpy(&this->kept_trip_, trip.data(), trip.size());
  this->protections_.restore_trip(this->kept_trip_);
  std::array<uint8_t, sizeof(Kept)> bytes{};
  if (storage.load(KEPT_NAME, bytes)) {
    std::memcpy(&this->kept_, bytes.data(), bytes.size());
    const auto &wh = this->kept_.wh;
    this->battery_energy_.restore(wh[DISCHARGED], wh[CHARGED]);
    this->load_energy_.restore(wh[LOAD], 0);
    this->solar_energy_.restore(wh[SOLAR], 0);
    this->exchange_energy_.restore(wh[EXPORTED], wh[IMPORTED]);
    this->charge_.restore(this->kept_.charge_mah);
  } else {
    this->kept_.charge_mah = -1;
  }
  this->published_.store(this->kept_);
  this->node_.add({.name = "clear_faults", .parameters = {}, .handler = &this->clear_action_});
  this->node_.add({.name = "identify", .parameters = {}, .handler = &this->identify_action_});
  this->desk_.add(*this);
}

void House::set_exchange(float power_w) {
  const bool fits = std::abs(power_w) < 1e9F;  // false for NaN
  this->exchange_w_.store(fits ? static_cast<int32_t>(std::lround(power_w)) : Readings::UNKNOWN,
                          std::memory_order_relaxed);
}

CommandOutcome House::clear_faults() {
  this->clear_asked_.store(true, std::memory_order_relaxed);
  if (this->protections_.tripping())
    return {.succeeded = false, .reason = "a value is still beyond its limit"};
  return {.succeeded = true};
}

CommandOutcome House::identify_now() {
  this->identify(mono_us());
  return {.succeeded = true};
}

void House::keep_counters(uint64_t now_us, bool at_once) {
  if (this->storage_ == nullptr || (!at_once && now_us - this->kept_us_ < KEEP_COUNTERS_EVERY_US)) return;
  const Kept now = this->published_.load();
  if (now == this->kept_) return;
  std::array<uint8_t, sizeof(Kept)> bytes{};
  std::memcpy(bytes.data(), &now, bytes.size());
  this->kept_us_ = now_us;  // also when it fails: flash is not written in a hurry
  if (this->storage_->save(KEPT_NAME, bytes)) this->kept_ = now;
}

bool House::keep_trip(uint64_t now_us) {
  const uint16_t code = this->protections_.trip_code();
  if (this->storage_ == nullptr || code == this->kept_trip_) return true;
  if (now_us < this->keep_trip_from_us_) return false;
  std::array<uint8_t, sizeof(code)> bytes{};
  std::memcpy(bytes.data(), &code, bytes.size());
  if (!this->storage_->save_now(TRIP_NAME, bytes)) {
    this->keep_trip_from_us_ = now_us + KEEP_TRIP_AGAIN_US;
    return false;
  }
  this->kept_trip_ = code;
  this->keep_trip_from_us_ = 0;
  return true;
}

void House::tick(uint64_t mono_us, uint8_t sequence) {
  this->status_.sequence = sequence;
  this->take_sample(mono_us);
  this->watch_inverter(mono_us);
  this->protect(mono_us);
  this->count_energy(mono_us);
  if (this->beats_++ % DERIVE_EVERY_BEATS == 0) this->derive_all();
  this->record(mono_us);
}

void House::take_sample(uint64_t mono_us) {
  if (this->input_ == nullptr) return;
  FastSample sample;
  if (!this->input_->sample(mono_us, sample)) sample = {};
  for (const FastQuantity &quantity : FAST_QUANTITIES) {
    if (this->input_->measures(quantity.metric))
      this->readings_.set_value(static_cast<size_t>(quantity.metric),
                                static_cast<double>(sample.*quantity.member));
  }
}

void House::watch_inverter(uint64_t mono_us) {
  bool &running = this->status_.inverter_on;
  const int8_t contact = this->inverter_contact_.load(std::memory_order_relaxed);
  const double voltage_v = this->readings_.value(static_cast<size_t>(M::INVERTER_VOLTAGE));
  if (contact >= 0 || this->tripped()) {
    running = contact != 0 && !this->tripped();
    this->turning_since_us_ = 0;
  } else {
    const ProtectionSettings &undervoltage = this->protections_.settings(UNDERVOLTAGE_ROW);
    // Later than F003, which would not be seen otherwise.
    const uint64_t patience_us =
        running ? std::max(TURNED_AFTER_US, 2 * uint64_t{undervoltage.delay_us}) : TURNED_AFTER_US;
    const bool turning = running ? voltage_v < DEAD_BELOW_V : voltage_v >= undervoltage.release;
    if (!turning) {
      this->turning_since_us_ = 0;
    } else if (this->turning_since_us_ == 0) {
      this->turning_since_us_ = mono_us;
    } else if (mono_us - this->turning_since_us_ >= patience_us) {
      running = !running;
      this->turning_since_us_ = 0;
    }
  }

  using Mode = dbc::InverterMode;
  Mode &mode = this->status_.inverter_mode;
  if (this->tripped()) {
    mode = Mode::TRIPPED;
  } else if (running) {
    mode = Mode::RUNNING;
  } else if (std::isnan(voltage_v)) {
    mode = contact == 0 ? Mode::OFF : Mode::NOT_AVAILABLE;
  } else {
    mode = voltage_v < DEAD_BELOW_V || contact == 0 ? Mode::OFF : Mode::STARTING;
  }
}

void House::protect(uint64_t mono_us) {
  if (this->clear_asked_.exchange(false, std::memory_order_relaxed)) this->protections_.clear();
  const auto changes = this->protections_.step(this->readings_, this->status_.inverter_on, mono_us);
  // First stop, then tell.
  const bool tripped = this->tripped();
  if (this->trip_output_ != nullptr && this->told_tripped_ != tripped)
    this->trip_output_->set_tripped(tripped);
  this->told_tripped_ = tripped;
  this->status_.fault_code = this->protections_.code();
  for (const ProtectionChange &change : changes) {
    const FaultRow &row = microgrid::fault(change.code);
    NodeEvent event{};
    event.type = EventType::FAULT;
    event.state = change.state;
    event.severity = row.severity;
    event.code = EventCode{row.code};
    event.mono_us = mono_us;
    for (const M metric : change.cause.used()) add_value(event, this->readings_, metric);
    for (const M metric : CONTEXT) add_value(event, this->readings_, metric);
    this->desk_.raise(event);
  }
}

void House::count_energy(uint64_t mono_us) {
  const auto current = this->get(M::BATTERY_CURRENT);
  auto voltage = this->get(M::DC_BUS_VOLTAGE);
  if (!voltage) voltage = this->get(M::BATTERY_VOLTAGE);
  this->battery_energy_.add(product(voltage, current), mono_us);
  this->solar_energy_.add(product(this->get(M::MPPT_OUTPUT_VOLTAGE), this->get(M::MPPT_OUTPUT_CURRENT)),
                          mono_us);
  const auto load = this->get(M::LOAD_POWER);
  constexpr int32_t UNITS_PER_W = EnergyIntegral::UNITS_PER_W;
  this->load_energy_.add(product(load, UNITS_PER_W), mono_us);
  const auto inverter = this->get(M::INVERTER_POWER);
  const bool exchanges = this->settings_.load != LoadSource::INVERTER && inverter && load;
  this->exchange_energy_.add(
      exchanges ? std::optional{(int64_t{*inverter} - *load) * UNITS_PER_W} : std::optional<int64_t>{},
      mono_us);

  constexpr int32_t MA_PER_STEP = 10;
  constexpr int32_t MV_PER_STEP = 10;
  const auto scaled = [](std::optional<int32_t> integer, int32_t by) {
    return integer ? std::optional{narrow(int64_t{*integer} * by)} : std::nullopt;
  };
  this->charge_.add(scaled(current, MA_PER_STEP), scaled(voltage, MV_PER_STEP), mono_us);
}

void House::derive(M metric, std::optional<int32_t> integer) {
  if (!this->is_provided(metric))
    this->readings_.set(static_cast<size_t>(metric), integer.value_or(Readings::UNKNOWN));
}

void House::derive_all() {
  this->derive_load();
  this->derive_battery();
  this->derive_health();

  const Kept now{.wh = {this->battery_energy_.negative_wh(), this->battery_energy_.positive_wh(),
                        this->load_energy_.positive_wh(), this->solar_energy_.positive_wh(),
                        this->exchange_energy_.positive_wh(), this->exchange_energy_.negative_wh()},
                 .charge_mah = this->charge_.charge_mah().value_or(-1)};
  constexpr std::array<M, COUNTERS> METRICS{M::BATTERY_ENERGY_CHARGED,
                                            M::BATTERY_ENERGY_DISCHARGED,
                                            M::LOAD_ENERGY,
                                            M::MPPT_ENERGY,
                                            M::ENERGY_EXPORTED,
                                            M::ENERGY_IMPORTED};
  for (size_t i = 0; i < COUNTERS; i++) this->derive(METRICS[i], static_cast<int32_t>(now.wh[i]));
  this->published_.store(now);
}

void House::derive_load() {
  const auto inverter = this->get(M::INVERTER_POWER);
  const int32_t exchange = this->exchange_w_.load(std::memory_order_relaxed);
  switch (this->settings_.load) {
    case LoadSource::INVERTER:
      this->derive(M::LOAD_POWER, inverter);
      break;
    case LoadSource::EXCHANGE:
      this->derive(M::LOAD_POWER, inverter && exchange != Readings::UNKNOWN
                                      ? std::optional{narrow(int64_t{*inverter} - exchange)}
                                      : std::nullopt);
      break;
    case LoadSource::METER:
      break;
  }
}

void House::derive_battery() {
  int32_t cells_mv = 0;
  bool all_known = true;
  for (size_t i = 0; i < CELLS; i++) {
    const auto cell_mv = this->readings_.get(static_cast<size_t>(M::CELL_VOLTAGE_1) + i);
    all_known = all_known && cell_mv;
    // Sums of absurd values are absurd, but do not overflow.
    cells_mv += std::clamp(cell_mv.value_or(0), -10'000'000, 10'000'000);
  }
  this->derive(M::BATTERY_VOLTAGE, all_known ? std::optional{(cells_mv + 5) / 10} : std::nullopt);

  const auto current = this->get(M::BATTERY_CURRENT);
  const double charging_from =
      -static_cast<double>(this->settings_.charging_above_a) / step_of(row_of(M::BATTERY_CURRENT));
  this->derive(M::BATTERY_CHARGING, current ? std::optional{*current < charging_from ? 1 : 0} : std::nullopt);

  this->derive(M::STATE_OF_CHARGE, this->charge_.permille());
  const auto charge_permille = this->get(M::STATE_OF_CHARGE);
  const int64_t full_wh = this->settings_.battery_energy_wh;
  this->derive(
      M::BATTERY_STORED_ENERGY,
      charge_permille && full_wh > 0
          ? std::optional{static_cast<int32_t>(full_wh * std::clamp(*charge_permille, 0, 1000) / 1000)}
          : std::nullopt);

  const int8_t contact = this->battery_contact_.load(std::memory_order_relaxed);
  this->status_.battery_connected =
      contact >= 0 ? contact == 1 : this->get(M::DC_BUS_VOLTAGE).value_or(0) > 1000;

  const auto solar = product(this->get(M::MPPT_INPUT_VOLTAGE), this->get(M::MPPT_INPUT_CURRENT));
  this->status_.mppt_state = !solar                   ? dbc::MpptState::NOT_AVAILABLE
                             : *solar < TRACKING_FROM ? dbc::MpptState::OFF
                                                      : dbc::MpptState::TRACKING;
}

void House::derive_health() {
  int64_t least = std::numeric_limits<int32_t>::max(), most = std::numeric_limits<int32_t>::min();
  for (size_t i = 0; i < CELLS; i++) {
    const auto cell_mv = this->readings_.get(static_cast<size_t>(M::CELL_VOLTAGE_1) + i);
    if (!cell_mv) continue;
    least = std::min<int64_t>(least, *cell_mv);
    most = std::max<int64_t>(most, *cell_mv);
  }
  // Each fault takes 30 %, each 10 mV of cell spread beyond 50 mV takes 1 %.
  const int64_t spread_mv = std::max<int64_t>(most - least, 0);
  const int64_t lost =
      int64_t{30} * std::popcount(this->faults()) + (std::max<int64_t>(spread_mv - 50, 0) + 5) / 10;
  this->derive(M::HEALTH, static_cast<int32_t>(std::max<int64_t>(100 - lost, 0)));
}

void House::record(uint64_t mono_us) {
  this->recorded_.record(this->readings_, this->log_.log(), mono_us);
  this->captured_.record(this->readings_, this->log_.capture(), mono_us);
}

void House::happened(const NodeEvent &event) { this->faults_.happened(event); }

void House::fault(const HeardFault &fault) {
  if (fault.state == EventState::RAISED)
    this->faults_.heard(fault.key, fault.fault_code, fault.mono_us, fault.utc_us);
}

void House::peer_changed(uint8_t node, const Peer &peer) {
  if (peer.ever) this->faults_.named(node, peer.heartbeat.boot_id);
}

std::optional<uint64_t> House::content(uint16_t type, uint8_t group) {
  return pack_house_message(type, group, this->readings_, this->status_);
}

}  // namespace esphome::microgrid
