// Where time comes from: what every kind of source is worth, and how its messages become observations.
#pragma once

#include <cstdint>
#include <optional>

#include "umg1_frame.h"

namespace esphome::microgrid {

/// One comparison of the counter with UTC. Of a one-way message, `mono_us` is when it was received and
/// `utc_us` when it was sent; of an exchange both are the middle of it.
struct Observation {
  ClockSource source{ClockSource::NONE};
  uint32_t reference{0};  // who gives the time: node id of the bus master, of the server
  uint64_t mono_us{0};
  int64_t utc_us{0};
  uint32_t reference_error_us{0};  // what the reference says of itself
  uint32_t round_trip_us{0};       // of an exchange
};

/// How the observations of a source are filtered.
enum class Path : uint8_t {
  ONE_WAY,   // late by chance, never early: of a window, the one that took least time
  EXCHANGE,  // the longer the round trip beyond the shortest, the less it is worth
};

struct SourceSettings {
  ClockSource source;
  Path path;
  uint32_t least_delay_us;  // of a one-way message
  uint32_t spread_us;   // one way: delays are between least and least + spread; exchange: error of a good one
  uint32_t bias_us;     // what can never be seen, e.g. that one direction takes longer
  uint32_t silence_us;  // holdover begins when nothing came for so long
};

/// Interrupt stamps at both ends: 5–40 µs. The list of a node's sources begins with the one it prefers.
constexpr SourceSettings CAN_INTERRUPT_STAMPS{.source = ClockSource::CAN,
                                              .path = Path::ONE_WAY,
                                              .least_delay_us = 5,
                                              .spread_us = 35,
                                              .bias_us = 20,
                                              .silence_us = 5'000'000};
/// Stamps by a task of high priority: 0.2–3 ms.
constexpr SourceSettings CAN_TASK_STAMPS{.source = ClockSource::CAN,
                                         .path = Path::ONE_WAY,
                                         .least_delay_us = 200,
                                         .spread_us = 2800,
                                         .bias_us = 100,
                                         .silence_us = 5'000'000};
/// Four time stamps over Wi-Fi, every 10 to 64 s.
constexpr SourceSettings NETWORK_EXCHANGE{.source = ClockSource::NETWORK,
                                          .path = Path::EXCHANGE,
                                          .least_delay_us = 0,
                                          .spread_us = 400,
                                          .bias_us = 200,
                                          .silence_us = 200'000'000};
/// The 1 Hz edge of a DS3231, stamped by interrupt; how wrong the RTC is, each observation says.
constexpr SourceSettings RTC_EDGE{.source = ClockSource::RTC,
                                  .path = Path::ONE_WAY,
                                  .least_delay_us = 2,
                                  .spread_us = 30,
                                  .bias_us = 20,
                                  .silence_us = 5'000'000};

/// Joins SYNC (when did it arrive?) and FOLLOW_UP (when was it sent?).
class TwoStepReceiver final {
 public:
  void sync(uint32_t reference, uint8_t sequence, uint64_t received_mono_us);
  /// nullopt when no SYNC of that reference and sequence arrived within the last 500 ms.
  std::optional<Observation> follow_up(uint32_t reference, uint8_t sequence, int64_t sent_utc_us,
                                       uint32_t reference_error_us, uint64_t now_mono_us);

 protected:
  struct Waiting {
    uint32_t reference;
    uint64_t mono_us;
    uint8_t sequence;
  };
  std::optional<Waiting> waiting_;
};

/// A question to a time server and its answer.
struct Exchange {
  uint64_t sent_mono_us;
  int64_t received_utc_us;  // by the server
  int64_t answered_utc_us;
  uint64_t returned_mono_us;
};

/// nullopt when the times contradict each other or the answer took more than 2 s.
std::optional<Observation> observe_exchange(const Exchange &exchange, uint32_t reference,
                                            uint32_t reference_error_us);

/// The RTC's registers, read at `read_mono_us`, and its last edge before that. nullopt when so much time lies
/// between that the registers may tell of the next second.
std::optional<Observation> observe_rtc(uint64_t edge_mono_us, uint64_t read_mono_us, int64_t unix_s,
                                       uint32_t reference_error_us);

}  // namespace esphome::microgrid
