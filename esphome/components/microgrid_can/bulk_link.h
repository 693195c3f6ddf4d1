// One end of ISO-TP on the bus: the sender and the receiver of a node, and how fast they may take the bus.
#pragma once

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_can.h"
#include "isotp.h"

namespace esphome::microgrid {

/// How long a full frame is on the bus: 108 bits, stuff bits as they usually are, and the pause.
constexpr uint32_t bulk_frame_us(uint32_t bit_rate) { return 135'000'000U / bit_rate; }

/// The separation, as coded in flow controls, with which bulk takes at most 30 % of the bus.
constexpr uint8_t bulk_separation(uint32_t bit_rate) {
  const uint32_t pause_us = bulk_frame_us(bit_rate) * 7 / 3;
  if (pause_us <= 900) return static_cast<uint8_t>(0xF0 + (pause_us + 99) / 100);
  return static_cast<uint8_t>(pause_us < 127'000 ? (pause_us + 999) / 1000 : 127);
}
static_assert(bulk_separation(500'000) == 0xF7 && bulk_separation(125'000) == 3);

class BulkLink final {
 public:
  /// `room` is for the message that is received.
  BulkLink(std::span<uint8_t> room, uint32_t bit_rate)
      : settings_{.st_min = bulk_separation(bit_rate)},
        room_(room),
        frame_us_(bulk_frame_us(bit_rate)),
        sender_(settings_),
        receiver_(room, settings_) {}

  bool send(Bytes message, uint64_t now_us) { return this->sender_.start(message, now_us); }
  IsoTpState sending() const { return this->sender_.state(); }
  IsoTpState receiving() const { return this->receiver_.state(); }

  /// A frame from the other end: the message that it completes, which stays until the next frame; otherwise
  /// nothing.
  Bytes receive(const CanFrame &frame, uint64_t now_us) {
    const Bytes data{frame.data.data(), std::min<size_t>(frame.length, frame.data.size())};
    const uint32_t completed = this->receiver_.completed();
    this->sender_.receive(data, now_us);
    this->receiver_.receive(data, now_us);
    return this->receiver_.completed() != completed ? this->receiver_.message() : Bytes{};
  }

  /// Flow controls first: the other end waits for them.
  const CanFrame *due(uint16_t identifier, uint64_t now_us) {
    const IsoTpFrame *frame = this->receiver_.due(now_us);
    this->flow_control_ = frame != nullptr;
    const IsoTpFrame *own = this->sender_.due(now_us);
    if (frame == nullptr) frame = own;
    if (frame == nullptr) return nullptr;
    this->frame_ = {.identifier = identifier, .mono_us = now_us, .length = frame->size, .data = frame->data};
    return &this->frame_;
  }
  /// The controller took the frame that was due. Separation counts from its end on the bus.
  void sent(uint64_t now_us) {
    if (this->flow_control_) {
      this->receiver_.sent(now_us);
    } else {
      this->sender_.sent(now_us + this->frame_us_);
    }
  }

  void stop_sending() { this->sender_.abort(); }
  /// Forgets what was under way in both directions.
  void reset() {
    this->sender_ = IsoTpSender(this->settings_);
    this->receiver_ = IsoTpReceiver(this->room_, this->settings_);
  }

 protected:
  IsoTpSettings settings_;
  std::span<uint8_t> room_;
  uint32_t frame_us_;
  IsoTpSender sender_;
  IsoTpReceiver receiver_;
  CanFrame frame_{};
  bool flow_control_{false};
};

}  // namespace esphome::microgrid
