// Time from a server of the network: questions and answers of RFC 5905, judged before they reach the clock.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "clock_sources.h"

namespace esphome::microgrid {

constexpr size_t TIME_PACKET_BYTES = 48;
using TimePacket = std::array<uint8_t, TIME_PACKET_BYTES>;

/// The question. Its time stamp is random (`cookie`): the server returns it, and nobody else can guess it.
TimePacket time_question(uint64_t cookie);

enum class AnswerFault : uint8_t {
  NONE,
  SHORT,           // no packet of the protocol
  MODE,            // not the answer of a server, or of another version
  ORIGIN,          // no answer to the question that is open: old, repeated or made up
  KISS,            // the server wants to be left alone
  UNSYNCHRONISED,  // the server does not know the time itself
  TIMES,           // times that contradict each other, or more than 2 s on the way
};
constexpr size_t ANSWER_FAULTS = 7;

struct TimeAnswer {
  AnswerFault fault{AnswerFault::SHORT};
  int64_t received_utc_us{0};
  int64_t answered_utc_us{0};
  uint32_t error_us{0};  // what the server says of itself: root dispersion and half the root delay
};

/// Any bytes are allowed.
TimeAnswer read_time_answer(std::span<const uint8_t> packet, uint64_t cookie);

/// Carries packets to one server and back; never waits.
class TimeTransport {
 public:
  struct Arrival {
    TimePacket packet;
    size_t bytes;
    uint64_t mono_us;
  };

  /// False while there is no way to the server. The time of sending is asked for afterwards.
  virtual bool send(const TimePacket &packet) = 0;
  virtual uint64_t sent_us() = 0;
  virtual std::optional<Arrival> receive() = 0;
  /// Which server it is, for the clock: another one starts afresh.
  virtual uint32_t reference() = 0;
  /// The server is silent: its name may mean another address by now.
  virtual void look_up_again() = 0;

 protected:
  ~TimeTransport() = default;
};

struct TimeClientCounters {
  uint32_t asked;
  uint32_t taken;
  uint32_t unanswered;
  std::array<uint32_t, ANSWER_FAULTS> refused;  // by AnswerFault
};

/// Asks every 10 s, but until the clock can be sure 2 s after each answer. A server that refuses is asked
/// less and less often.
class TimeClient final {
 public:
  explicit TimeClient(TimeTransport &transport) : transport_(transport) {}

  /// Main loop. At most one observation per question.
  std::optional<Observation> poll(uint64_t now_us);

  const TimeClientCounters &counters() const { return this->counters_; }

 protected:
  void ask(uint64_t now_us);
  std::optional<Observation> judge(const TimeTransport::Arrival &arrival);

  TimeTransport &transport_;
  uint64_t next_us_{0};
  uint64_t interval_us_{10'000'000};
  uint64_t cookie_{0};  // 0: no question is open
  uint32_t silent_{0};  // questions in a row without an answer
  TimeClientCounters counters_{};
};

}  // namespace esphome::microgrid
