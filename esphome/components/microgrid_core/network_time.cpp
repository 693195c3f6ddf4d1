#include "network_time.h"

#include <algorithm>

#include "platform.h"

namespace esphome::microgrid {

namespace {

constexpr uint64_t LONGEST_INTERVAL_US = 3'600'000'000;
constexpr uint64_t PATIENCE_US = 2'000'000;  // a later answer is worthless, see observe_exchange()
constexpr uint32_t FIRST_ANSWERS = 4;        // make a clock sure; see "iburst" of RFC 5905
constexpr uint64_t BETWEEN_FIRST_US = 2'000'000;
constexpr uint64_t NO_WAY_US = 1'000'000;  // until the network is asked for again
constexpr uint32_t SILENT_TOO_LONG = 3;

constexpr uint8_t VERSION = 4;
constexpr uint8_t CLIENT = 3;
constexpr uint8_t SERVER = 4;
constexpr uint8_t ALARM = 3;  // leap indicator: not synchronised
constexpr uint8_t FARTHEST_STRATUM = 15;
constexpr uint32_t WORST_ERROR_US = 1'000'000;  // who is less sure of the time does not help us

// Offsets in the packet.
constexpr size_t STRATUM = 1;
constexpr size_t ROOT_DELAY = 4;
constexpr size_t ROOT_DISPERSION = 8;
constexpr size_t ORIGIN = 24;
constexpr size_t RECEIVE = 32;
constexpr size_t TRANSMIT = 40;

constexpr int64_t SECONDS_1900_TO_1970 = 2'208'988'800;

uint64_t big_endian(std::span<const uint8_t> packet, size_t offset, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value = value << 8 | packet[offset + i];
  return value;
}

/// 16 bits of seconds, 16 of their fraction.
uint64_t short_us(uint64_t value) { return value * 1'000'000 >> 16; }

/// 32 bits of seconds since 1900, 32 of their fraction. The seconds overflow in 2036: small ones are of the
/// era that begins then.
int64_t utc_us(uint64_t stamp) {
  const auto seconds = static_cast<int64_t>(stamp >> 32);
  const int64_t era = seconds < 0x80000000 ? int64_t{1} << 32 : 0;
  const auto fraction_us = static_cast<int64_t>((stamp & 0xFFFFFFFF) * 1'000'000 >> 32);
  return (seconds + era - SECONDS_1900_TO_1970) * 1'000'000 + fraction_us;
}

uint64_t new_cookie() {
  const uint64_t cookie = static_cast<uint64_t>(random_u32()) << 32 | random_u32();
  return cookie == 0 ? 1 : cookie;
}

}  // namespace

TimePacket time_question(uint64_t cookie) {
  TimePacket packet{};
  packet[0] = VERSION << 3 | CLIENT;
  for (size_t i = 0; i < 8; i++) packet[TRANSMIT + i] = static_cast<uint8_t>(cookie >> (56 - 8 * i));
  return packet;
}

TimeAnswer read_time_answer(std::span<const uint8_t> packet, uint64_t cookie) {
  TimeAnswer answer;
  if (packet.size() < TIME_PACKET_BYTES) return answer;
  const uint8_t leap = packet[0] >> 6;
  const uint8_t version = packet[0] >> 3 & 7;
  const uint8_t mode = packet[0] & 7;
  const uint8_t stratum = packet[STRATUM];
  const uint64_t received = big_endian(packet, RECEIVE, 8);
  const uint64_t answered = big_endian(packet, TRANSMIT, 8);
  const uint64_t error_us =
      short_us(big_endian(packet, ROOT_DISPERSION, 4)) + short_us(big_endian(packet, ROOT_DELAY, 4)) / 2;
  answer.fault = (mode != SERVER || version < 3 || version > VERSION)       ? AnswerFault::MODE
                 : (cookie == 0 || big_endian(packet, ORIGIN, 8) != cookie) ? AnswerFault::ORIGIN
                 : stratum == 0                                             ? AnswerFault::KISS
                 : (leap == ALARM || stratum > FARTHEST_STRATUM || received == 0 || answered == 0 ||
                    error_us > WORST_ERROR_US)
                     ? AnswerFault::UNSYNCHRONISED
                     : AnswerFault::NONE;
  answer.received_utc_us = utc_us(received);
  answer.answered_utc_us = utc_us(answered);
  answer.error_us = static_cast<uint32_t>(std::min<uint64_t>(error_us, WORST_ERROR_US));
  return answer;
}

void TimeClient::ask(uint64_t now_us) {
  const uint64_t cookie = new_cookie();
  if (!this->transport_.send(time_question(cookie))) {
    this->next_us_ = now_us + NO_WAY_US;
    return;
  }
  this->cookie_ = cookie;
  this->counters_.asked++;
  this->next_us_ = now_us + this->interval_us_;
}

std::optional<Observation> TimeClient::judge(const TimeTransport::Arrival &arrival) {
  const TimeAnswer answer = read_time_answer(std::span{arrival.packet}.first(arrival.bytes), this->cookie_);
  std::optional<Observation> seen;
  AnswerFault fault = answer.fault;
  if (fault == AnswerFault::NONE) {
    seen = observe_exchange({.sent_mono_us = this->transport_.sent_us(),
                             .received_utc_us = answer.received_utc_us,
                             .answered_utc_us = answer.answered_utc_us,
                             .returned_mono_us = arrival.mono_us},
                            this->transport_.reference(), answer.error_us);
    if (!seen) fault = AnswerFault::TIMES;
  }
  // What does not answer the open question leaves it open: the answer may still come.
  if (fault != AnswerFault::SHORT && fault != AnswerFault::MODE && fault != AnswerFault::ORIGIN) {
    this->cookie_ = 0;
    this->silent_ = 0;
  }
  if (fault == AnswerFault::KISS) {
    this->interval_us_ = std::min(this->interval_us_ * 2, LONGEST_INTERVAL_US);
    this->next_us_ = arrival.mono_us + this->interval_us_;
  }
  if (seen) {
    if (++this->counters_.taken < FIRST_ANSWERS) this->next_us_ = arrival.mono_us + BETWEEN_FIRST_US;
  } else {
    this->counters_.refused[static_cast<size_t>(fault)]++;
  }
  return seen;
}

std::optional<Observation> TimeClient::poll(uint64_t now_us) {
  while (const auto arrival = this->transport_.receive()) {
    if (auto seen = this->judge(*arrival)) return seen;
  }
  if (this->cookie_ != 0 && now_us > this->transport_.sent_us() + PATIENCE_US) {
    this->cookie_ = 0;
    this->counters_.unanswered++;
    if (++this->silent_ >= SILENT_TOO_LONG) {
      this->silent_ = 0;
      this->transport_.look_up_again();
    }
  }
  if (this->cookie_ == 0 && now_us >= this->next_us_) this->ask(now_us);
  return std::nullopt;
}

}  // namespace esphome::microgrid
