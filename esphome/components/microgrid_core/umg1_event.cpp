// Event, snapshot and boot payloads, written and read in the order of the format's tables.
#include "umg1_event.h"

namespace esphome::microgrid {

ByteReader after_clock(const Frame &frame) {
  ByteReader in(frame.payload());
  if ((frame.header.flags & FLAG_CLOCK) != 0) in.bytes(CLOCK_RECORD_BYTES);
  return in;
}

void write_event(ByteWriter &out, const Event &event) {
  out.u8(static_cast<uint8_t>(event.type));
  out.u8(static_cast<uint8_t>(event.state));
  out.u8(static_cast<uint8_t>(event.severity));
  out.text(event.code);
  out.text(event.event_id);
  if (event.values.size() > std::numeric_limits<uint8_t>::max()) {
    out.fail();
    return;
  }
  out.u8(static_cast<uint8_t>(event.values.size()));
  for (const EventValue &value : event.values) {
    out.u8(value.channel);
    out.i32(value.integer);
  }
  if (event.type == EventType::OVERFLOW_) {
    out.u32(event.lost.boot_id);
    out.u32(event.lost.first_seq);
    out.u32(event.lost.last_seq);
  }
}

std::optional<Event> read_event(ByteReader in, std::span<EventValue> room) {
  Event event{
      .type = static_cast<EventType>(in.u8()),
      .state = static_cast<EventState>(in.u8()),
      .severity = static_cast<Severity>(in.u8()),
      .code = in.text(),
      .event_id = in.text(),
      .values = {},
  };
  const size_t count = in.u8();
  if (!in.ok() || count > room.size()) return std::nullopt;
  for (EventValue &value : room.first(count)) {
    value.channel = in.u8();
    value.integer = in.i32();
  }
  event.values = room.first(count);
  if (event.type == EventType::OVERFLOW_)
    event.lost = {.boot_id = in.u32(), .first_seq = in.u32(), .last_seq = in.u32()};
  if (!in.ok()) return std::nullopt;
  return event;
}

void write_snapshot(ByteWriter &out, const Snapshot &snapshot) {
  out.text(snapshot.event_id);
  out.text(snapshot.code);
  out.text(snapshot.origin);
  out.u64(snapshot.trigger_mono_us);
  out.i64(snapshot.trigger_utc_us);
  out.u32(snapshot.before_ms);
  out.u32(snapshot.after_ms);
  out.u8(static_cast<uint8_t>(snapshot.state));
}

std::optional<Snapshot> read_snapshot(ByteReader in) {
  const Snapshot snapshot{
      .event_id = in.text(),
      .code = in.text(),
      .origin = in.text(),
      .trigger_mono_us = in.u64(),
      .trigger_utc_us = in.i64(),
      .before_ms = in.u32(),
      .after_ms = in.u32(),
      .state = static_cast<SnapshotState>(in.u8()),
  };
  if (!in.ok()) return std::nullopt;
  return snapshot;
}

void write_boot(ByteWriter &out, const Boot &boot) {
  out.u8(static_cast<uint8_t>(boot.reason));
  out.text(boot.firmware);
  out.u32(boot.previous_boot_id);
  out.u32(boot.previous_next_seq);
}

std::optional<Boot> read_boot(ByteReader in) {
  const Boot boot{
      .reason = static_cast<ResetReason>(in.u8()),
      .firmware = in.text(),
      .previous_boot_id = in.u32(),
      .previous_next_seq = in.u32(),
  };
  if (!in.ok()) return std::nullopt;
  return boot;
}

}  // namespace esphome::microgrid
