// ISO-TP (ISO 15765-2, classic CAN, normal addressing): messages of up to 4 GiB as frames of 8 bytes, with
// flow control.
//
// Neither side knows the bus: the caller hands in the frames of the one identifier and sends what comes out.
// All times are of a microsecond counter of the caller's.
#pragma once

#include <array>

#include "esphome/components/microgrid_core/umg1_bytes.h"

namespace esphome::microgrid {

struct IsoTpFrame {
  std::array<uint8_t, 8> data{};
  uint8_t size{0};
  Bytes bytes() const { return {this->data.data(), this->size}; }
};

enum class IsoTpState : uint8_t { IDLE, BUSY, DONE, FAILED };

enum class IsoTpError : uint8_t {
  NONE,
  SEND_TIMEOUT,          // N_As: the bus did not take a frame
  FLOW_CONTROL_TIMEOUT,  // N_Bs: the receiver does not answer
  FRAME_TIMEOUT,         // N_Cr: the sender went silent
  TOO_MANY_WAITS,        // N_WFTmax
  RECEIVER_OVERFLOW,     // the receiver has no room, or gave up
  TOO_LONG,              // the message does not fit into our room, or is empty
  WRONG_SEQUENCE,        // a frame is missing or came twice
  INVALID_FLOW_STATUS,
  INTERRUPTED,  // the sender began another message
  ABORTED,      // by us
};

struct IsoTpSettings {
  bool pad{true};  // frames are always 8 bytes long
  uint8_t block_size{
      16};            // frames between flow controls that we, receiving, ask for; 0: no more flow controls
  uint8_t st_min{0};  // least separation of frames that we ask for, as coded: ms, or 0xF1–0xF9 for 100–900 µs
  uint8_t max_waits{10};  // flow controls WAIT in a row that we, sending, put up with
  uint32_t send_timeout_us{1'000'000};
  uint32_t flow_control_timeout_us{1'000'000};
  uint32_t frame_timeout_us{1'000'000};
};

/// Separation time as coded in flow controls; reserved codes mean the longest.
constexpr uint32_t iso_tp_separation_us(uint8_t st_min) {
  if (st_min <= 0x7F) return st_min * 1000U;
  if (st_min >= 0xF1 && st_min <= 0xF9) return (st_min - 0xF0U) * 100U;
  return 127'000;
}

class IsoTpSender final {
 public:
  explicit IsoTpSender(const IsoTpSettings &settings = {}) : settings_(settings) {}

  /// Begins with a message that stays where it is until the state is no longer BUSY. False while BUSY, or
  /// when the message is empty or longer than 32 bits can say.
  bool start(Bytes message, uint64_t now_us);

  /// The frame to send now, again and again until it is sent(); nullptr when there is none. Also looks after
  /// the timeouts: to be called at least every 100 ms.
  const IsoTpFrame *due(uint64_t now_us);
  /// The bus has taken the frame that was due.
  void sent(uint64_t now_us);

  /// A frame from the receiver; anything but a flow control is ignored.
  void receive(Bytes frame, uint64_t now_us);

  /// Sends nothing more; the receiver will run into its timeout.
  void abort();

  IsoTpState state() const { return this->state_; }
  IsoTpError error() const { return this->error_; }
  size_t bytes_sent() const { return this->at_; }

 protected:
  enum class Step : uint8_t { SINGLE, FIRST, AWAIT_FLOW_CONTROL, CONSECUTIVE };

  void fail(IsoTpError error);
  void prepare();

  IsoTpSettings settings_;
  Bytes message_;
  IsoTpFrame frame_;
  size_t at_{0};         // bytes in frames that were sent
  uint8_t in_frame_{0};  // bytes of the message in frame_
  uint8_t sequence_{0};
  uint8_t block_left_{0};
  bool blocks_{false};  // the receiver wants a flow control after each block
  uint8_t waits_{0};
  uint32_t separation_us_{0};
  uint64_t since_us_{0};  // AWAIT_FLOW_CONTROL: waiting since; otherwise: the frame may be sent from here on
  Step step_{Step::SINGLE};
  IsoTpState state_{IsoTpState::IDLE};
  IsoTpError error_{IsoTpError::NONE};
};

class IsoTpReceiver final {
 public:
  /// `room` is for the message; longer ones are refused.
  explicit IsoTpReceiver(std::span<uint8_t> room, const IsoTpSettings &settings = {})
      : settings_(settings), room_(room) {}

  /// A frame from the sender. When it completes a message the state is DONE until the next one begins.
  void receive(Bytes frame, uint64_t now_us);

  /// The flow control to send now, until it is sent(); nullptr when there is none. Also looks after the
  /// timeout: to be called at least every 100 ms.
  const IsoTpFrame *due(uint64_t now_us);
  void sent(uint64_t now_us);

  /// Takes nothing more of this message; the sender is told with the next flow control it waits for.
  void abort();

  IsoTpState state() const { return this->state_; }
  IsoTpError error() const { return this->error_; }
  /// The message when DONE.
  Bytes message() const;
  /// How many messages were completed and how many were not, since the start.
  uint32_t completed() const { return this->completed_; }
  uint32_t failed() const { return this->failed_; }

 protected:
  void receive_single(Bytes frame);
  void receive_first(Bytes frame, uint64_t now_us);
  void receive_consecutive(Bytes frame, uint64_t now_us);
  void fail(IsoTpError error);
  void complete();
  void ask(uint8_t flow_status, uint64_t now_us);

  IsoTpSettings settings_;
  std::span<uint8_t> room_;
  IsoTpFrame flow_control_;
  size_t size_{0};
  size_t at_{0};
  uint8_t sequence_{0};
  uint8_t block_left_{0};
  bool refuse_block_{false};  // aborted within a block: answered at its end
  bool flow_control_due_{false};
  uint64_t since_us_{0};
  IsoTpState state_{IsoTpState::IDLE};
  IsoTpError error_{IsoTpError::NONE};
  uint32_t completed_{0};
  uint32_t failed_{0};
};

}  // namespace esphome::microgrid
