// Messages about time become observations, or nothing when they do not fit together.
#include "clock_sources.h"

namespace esphome::microgrid {

namespace {

constexpr uint64_t FOLLOW_UP_WITHIN_US = 500'000;  // the next SYNC comes after 1 s
constexpr uint64_t LONGEST_EXCHANGE_US = 2'000'000;
constexpr uint64_t RTC_READ_WITHIN_US = 900'000;

}  // namespace

void TwoStepReceiver::sync(uint32_t reference, uint8_t sequence, uint64_t received_mono_us) {
  this->waiting_ = {.reference = reference, .mono_us = received_mono_us, .sequence = sequence};
}

std::optional<Observation> TwoStepReceiver::follow_up(uint32_t reference, uint8_t sequence,
                                                      int64_t sent_utc_us, uint32_t reference_error_us,
                                                      uint64_t now_mono_us) {
  if (!this->waiting_ || this->waiting_->reference != reference || this->waiting_->sequence != sequence)
    return std::nullopt;
  const uint64_t received = this->waiting_->mono_us;
  this->waiting_.reset();
  if (now_mono_us - received > FOLLOW_UP_WITHIN_US) return std::nullopt;
  return Observation{.source = ClockSource::CAN,
                     .reference = reference,
                     .mono_us = received,
                     .utc_us = sent_utc_us,
                     .reference_error_us = reference_error_us};
}

std::optional<Observation> observe_exchange(const Exchange &exchange, uint32_t reference,
                                            uint32_t reference_error_us) {
  if (exchange.returned_mono_us < exchange.sent_mono_us ||
      exchange.answered_utc_us < exchange.received_utc_us)
    return std::nullopt;
  const uint64_t whole_us = exchange.returned_mono_us - exchange.sent_mono_us;
  const auto inside_us =
      static_cast<uint64_t>(exchange.answered_utc_us) - static_cast<uint64_t>(exchange.received_utc_us);
  if (whole_us > LONGEST_EXCHANGE_US || inside_us > whole_us) return std::nullopt;
  return Observation{.source = ClockSource::NETWORK,
                     .reference = reference,
                     .mono_us = exchange.sent_mono_us + whole_us / 2,
                     .utc_us = exchange.received_utc_us + static_cast<int64_t>(inside_us / 2),
                     .reference_error_us = reference_error_us,
                     .round_trip_us = static_cast<uint32_t>(whole_us - inside_us)};
}

std::optional<Observation> observe_rtc(uint64_t edge_mono_us, uint64_t read_mono_us, int64_t unix_s,
                                       uint32_t reference_error_us) {
  if (read_mono_us < edge_mono_us || read_mono_us - edge_mono_us > RTC_READ_WITHIN_US) return std::nullopt;
  constexpr int64_t LAST_S = 253'402'300'799;  // the end of year 9999
  if (unix_s <= 0 || unix_s > LAST_S) return std::nullopt;
  return Observation{.source = ClockSource::RTC,
                     .reference = 0,
                     .mono_us = edge_mono_us,
                     .utc_us = unix_s * 1'000'000,
                     .reference_error_us = reference_error_us};
}

}  // namespace esphome::microgrid
