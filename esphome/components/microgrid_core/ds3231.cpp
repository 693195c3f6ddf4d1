#include "ds3231.h"

#include <algorithm>
#include <chrono>

#include "umg1_crc.h"

namespace esphome::microgrid {

namespace {

// Registers.
constexpr uint8_t TIME = 0x00;
constexpr uint8_t ALARM_1 = 0x07;  // not used as such: keeps when the time was set, over power cuts
constexpr uint8_t CONTROL = 0x0E;
constexpr uint8_t STATUS = 0x0F;

// CONTROL 0: oscillator on, square wave instead of alarms on the pin, 1 Hz.
constexpr uint8_t SQUARE_WAVE_1_HZ = 0x00;
constexpr uint8_t STOPPED = 0x80;  // STATUS: the oscillator stood still at some time

constexpr uint8_t TWELVE_HOURS = 0x40;
constexpr uint8_t AFTERNOON = 0x20;
constexpr uint8_t CENTURY = 0x80;

constexpr int64_t DAY_S = 86'400;
constexpr uint64_t RETRY_US = 60'000'000;
constexpr uint64_t SET_WITHIN_US = 20'000;  // of a full second: one turn of the main loop
// ±3.5 ppm over the whole range of temperature, and aging of 1 ppm in the first year.
constexpr uint64_t DRIFT_PPM = 5;
constexpr uint32_t SETTING_ERROR_US = SET_WITHIN_US + 5'000;  // and the transfer
constexpr uint32_t UNKNOWN_AGE_ERROR_US = 60'000'000;         // set by somebody else: five months of drift

/// nullopt when it is no number of two decimal digits up to `most`.
std::optional<uint32_t> decimal(uint8_t bcd, uint32_t most) {
  const uint32_t tens = bcd >> 4;
  const uint32_t ones = bcd & 0x0F;
  const uint32_t number = tens * 10 + ones;
  return ones < 10 && tens < 10 && number <= most ? std::optional{number} : std::nullopt;
}

uint8_t bcd(uint32_t number) { return static_cast<uint8_t>(number / 10 << 4 | number % 10); }

std::optional<uint32_t> hour_of(uint8_t value) {
  if ((value & 0x80) != 0) return std::nullopt;
  if ((value & TWELVE_HOURS) == 0) return decimal(value, 23);
  const auto hour = decimal(value & 0x1F, 12);
  if (!hour || *hour == 0) return std::nullopt;
  return *hour % 12 + ((value & AFTERNOON) != 0 ? 12 : 0);
}

/// Seconds, little-endian, and a check that another use of the alarm does not pass.
std::array<uint8_t, 6> mark_of(int64_t unix_s) {
  std::array<uint8_t, 6> bytes{};
  for (size_t i = 0; i < 4; i++) bytes[i] = static_cast<uint8_t>(unix_s >> (8 * i));
  const uint32_t check = crc32(std::span{bytes}.first(4));
  bytes[4] = static_cast<uint8_t>(check);
  bytes[5] = static_cast<uint8_t>(check >> 8);
  return bytes;
}

}  // namespace

std::optional<int64_t> read_ds3231_time(const Ds3231Time &registers) {
  const auto second = decimal(registers[0], 59);
  const auto minute = decimal(registers[1], 59);
  const auto hour = hour_of(registers[2]);
  const auto day = decimal(registers[4], 31);
  const auto month = decimal(registers[5] & static_cast<uint8_t>(~CENTURY), 12);
  const auto year = decimal(registers[6], 99);
  if (!second || !minute || !hour || !day || !month || !year) return std::nullopt;
  const int full_year = 2000 + static_cast<int>(*year) + ((registers[5] & CENTURY) != 0 ? 100 : 0);
  const std::chrono::year_month_day date{std::chrono::year{full_year}, std::chrono::month{*month},
                                         std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return days * DAY_S + int64_t{*hour} * 3600 + int64_t{*minute} * 60 + *second;
}

Ds3231Time write_ds3231_time(int64_t unix_s) {
  const auto days = std::chrono::sys_days{std::chrono::days{unix_s / DAY_S}};
  const std::chrono::year_month_day date{days};
  const auto of_day = static_cast<uint32_t>(unix_s % DAY_S);
  const int years = static_cast<int>(date.year()) - 2000;
  const uint8_t century = years >= 100 ? CENTURY : 0;
  return {bcd(of_day % 60),
          bcd(of_day / 60 % 60),
          bcd(of_day / 3600),
          static_cast<uint8_t>(std::chrono::weekday{days}.iso_encoding()),
          bcd(static_cast<unsigned>(date.day())),
          static_cast<uint8_t>(bcd(static_cast<unsigned>(date.month())) | century),
          bcd(static_cast<uint32_t>(years % 100))};
}

bool Ds3231::begin() {
  uint8_t status = 0;
  if (!this->device_.read(STATUS, std::span{&status, 1})) return false;
  // Of the status only what tells that the oscillator stood still is kept; the 32 kHz output goes off.
  const std::array<uint8_t, 3> settings{CONTROL, SQUARE_WAVE_1_HZ, static_cast<uint8_t>(status & STOPPED)};
  if (!this->device_.write(settings)) return false;
  this->trusted_ = (status & STOPPED) == 0;
  this->set_s_ = this->trusted_ ? this->read_mark() : std::nullopt;
  return true;
}

std::optional<int64_t> Ds3231::read_mark() {
  std::array<uint8_t, 6> bytes{};
  if (!this->device_.read(ALARM_1, bytes)) return std::nullopt;
  uint32_t seconds = 0;
  for (size_t i = 0; i < 4; i++) seconds |= static_cast<uint32_t>(bytes[i]) << (8 * i);
  return seconds != 0 && mark_of(seconds) == bytes ? std::optional{int64_t{seconds}} : std::nullopt;
}

void Ds3231::edge(uint64_t mono_us) { this->edge_us_.store(mono_us); }

uint32_t Ds3231::error_us(int64_t unix_s) const {
  if (!this->set_s_ || unix_s < *this->set_s_) return UNKNOWN_AGE_ERROR_US;
  const auto age_s = static_cast<uint64_t>(unix_s - *this->set_s_);
  return static_cast<uint32_t>(
      std::min<uint64_t>(SETTING_ERROR_US + age_s * DRIFT_PPM, UNKNOWN_AGE_ERROR_US));
}

std::optional<Observation> Ds3231::poll(uint64_t now_us) {
  const uint64_t edge_us = this->edge_us_.load();
  if (!this->trusted_ || edge_us == this->seen_edge_us_) return std::nullopt;
  this->seen_edge_us_ = edge_us;
  Ds3231Time registers{};
  if (!this->device_.read(TIME, registers)) {
    this->counters_.failures++;
    return std::nullopt;
  }
  const auto unix_s = read_ds3231_time(registers);
  const auto seen = unix_s ? observe_rtc(edge_us, now_us, *unix_s, this->error_us(*unix_s)) : std::nullopt;
  if (!unix_s) this->counters_.nonsense++;
  if (seen) this->counters_.observations++;
  return seen;
}

bool Ds3231::set(int64_t unix_s) {
  const Ds3231Time time = write_ds3231_time(unix_s);
  std::array<uint8_t, 8> now{TIME};
  std::copy(time.begin(), time.end(), now.begin() + 1);
  const auto mark = mark_of(unix_s);
  std::array<uint8_t, 7> when{ALARM_1};
  std::copy(mark.begin(), mark.end(), when.begin() + 1);
  const std::array<uint8_t, 2> running{STATUS, 0};
  // The time first, it is urgent. A mark without its time would be a lie, so it comes after; the other way
  // round the worst is an old mark, and with it an error that is said to be too large.
  return this->device_.write(now) && this->device_.write(when) && this->device_.write(running);
}

void Ds3231::keep(const Timeline &timeline, uint64_t now_us) {
  if (timeline.source == ClockSource::RTC || !timeline.valid(now_us) || now_us < this->kept_from_us_) return;
  const int64_t utc_us = timeline.utc_us(now_us);
  const int64_t unix_s = utc_us / 1'000'000;
  if (this->set_s_ && unix_s >= *this->set_s_ && unix_s - *this->set_s_ < DAY_S) return;
  if (utc_us % 1'000'000 >= static_cast<int64_t>(SET_WITHIN_US)) return;
  if (!this->set(unix_s)) {
    this->counters_.failures++;
    this->kept_from_us_ = now_us + RETRY_US;
    return;
  }
  this->counters_.settings++;
  this->seen_edge_us_ = this->edge_us_.load();  // it was of the seconds as they were before
  this->set_s_ = unix_s;
  this->trusted_ = true;
}

}  // namespace esphome::microgrid
