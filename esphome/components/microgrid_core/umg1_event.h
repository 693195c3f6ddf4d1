// Payloads of the frames that tell what happened: event, snapshot, boot. Texts of what was read point into
// the payload.
#pragma once

#include <optional>

#include "umg1_frame.h"

namespace esphome::microgrid {

enum class EventType : uint8_t { FAULT = 0, ALARM = 1, CONTACTOR = 2, SYNC = 3, BOOT = 4, OVERFLOW_ = 5 };
enum class EventState : uint8_t { MOMENT = 0, RAISED = 1, CLEARED = 2 };
enum class Severity : uint8_t { INFO = 0, WARNING = 1, CRITICAL = 2 };

struct EventValue {
  uint8_t channel;
  int32_t integer;
};

/// Frames that were overwritten before anybody had acknowledged them, first and last included.
struct LostRange {
  uint32_t boot_id;
  uint32_t first_seq;
  uint32_t last_seq;
  bool operator==(const LostRange &) const = default;
};

struct Event {
  EventType type;
  EventState state;
  Severity severity;
  std::string_view code;
  std::string_view event_id;
  std::span<const EventValue> values;
  LostRange lost{};  // only of an overflow
};

void write_event(ByteWriter &out, const Event &event);
/// nullopt when malformed or when `room` is too small for the values.
std::optional<Event> read_event(ByteReader in, std::span<EventValue> room);

enum class SnapshotState : uint8_t { COMPLETE = 0, PARTIAL = 1, EXTENDED = 2 };

struct Snapshot {
  std::string_view event_id;
  std::string_view code;
  std::string_view origin;
  uint64_t trigger_mono_us{};
  int64_t trigger_utc_us{};  // 0: unknown
  uint32_t before_ms{};
  uint32_t after_ms{};
  SnapshotState state{};
};

void write_snapshot(ByteWriter &out, const Snapshot &snapshot);
std::optional<Snapshot> read_snapshot(ByteReader in);

enum class ResetReason : uint8_t {
  UNKNOWN = 0,
  POWER = 1,
  SOFTWARE = 2,
  WATCHDOG = 3,
  BROWN_OUT = 4,
  PANIC = 5,
  UPDATE = 6,
};

struct Boot {
  ResetReason reason;
  std::string_view firmware;
  uint32_t previous_boot_id{0};  // 0: unknown
  uint32_t previous_next_seq{0};
};

void write_boot(ByteWriter &out, const Boot &boot);
std::optional<Boot> read_boot(ByteReader in);

/// The payload of a frame behind its clock record.
ByteReader after_clock(const Frame &frame);

}  // namespace esphome::microgrid
