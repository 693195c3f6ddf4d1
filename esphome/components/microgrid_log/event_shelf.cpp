// The shelf itself: a short list in the order of time.
#include "event_shelf.h"

#include <algorithm>

namespace esphome::microgrid {

void EventShelf::drop_first() {
  std::copy(this->items_.begin() + 1, this->items_.begin() + static_cast<ptrdiff_t>(this->count_),
            this->items_.begin());
  this->count_--;
}

bool EventShelf::add(const NodeEvent &event, uint64_t now_us) {
  bool kept = true;
  if (this->count_ == CAPACITY) {
    kept = this->items_[0].placed && this->durable_ && this->items_[0].seq <= *this->durable_;
    this->drop_first();
  }
  this->items_[this->count_++] = {
      .event = event, .since_us = now_us, .seq = 0, .placed = false, .told = false};
  return kept;
}

EventShelf::Item *EventShelf::next() {
  for (Item &item : std::span(this->items_).first(this->count_)) {
    if (!item.placed) return &item;
  }
  return nullptr;
}

EventShelf::Item *EventShelf::to_tell(std::optional<uint32_t> durable_seq, uint64_t since_us) {
  for (Item &item : std::span(this->items_).first(this->count_)) {
    const bool safe = item.placed && durable_seq && item.seq <= *durable_seq;
    if (!item.told && (safe || item.since_us <= since_us)) return &item;
  }
  return nullptr;
}

void EventShelf::durable(uint32_t seq) {
  this->durable_ = seq;
  while (this->count_ > 0 && this->items_[0].placed && this->items_[0].seq <= seq && this->items_[0].told)
    this->drop_first();
}

void EventShelf::unplace(std::optional<uint32_t> durable) {
  this->durable_ = durable;
  for (Item &item : std::span(this->items_).first(this->count_))
    item.placed = item.placed && durable && item.seq <= *durable;
}

std::span<uint8_t> EventShelf::make_frame(const NodeEvent &event, std::string_view cluster,
                                          uint32_t schema_hash, std::span<uint8_t> room) {
  FrameBuilder frame(room, {.kind = Kind::EVENT,
                            .mono_us = event.mono_us,
                            .utc_us = event.utc_us,
                            .schema_hash = schema_hash,
                            .clock = {}});
  const EventId event_id = make_event_id(cluster, event.key);
  write_event(frame, {.type = event.type,
                      .state = event.state,
                      .severity = event.severity,
                      .code = event.code.view(),
                      .event_id = event_id.view(),
                      .values = event.used_values(),
                      .lost = event.lost});
  return frame.finish();
}

}  // namespace esphome::microgrid
