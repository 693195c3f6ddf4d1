// A CAN controller as the node sees it; TWAI, MCP2515 and UDP multicast are behind it.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/platform.h"
#include "esphome/components/microgrid_core/umg1_can.h"

namespace esphome::microgrid {

enum class ControllerState : uint8_t { ACTIVE, PASSIVE, BUS_OFF, STOPPED };

struct ControllerStatus {
  ControllerState state{ControllerState::STOPPED};
  uint8_t transmit_errors{0};  // TEC
  uint8_t receive_errors{0};   // REC
  uint32_t bus_errors{0};      // bit, stuff, form, CRC and acknowledge errors seen since the start
  uint32_t missed{0};          // received frames lost because nobody took them in time
  uint32_t unsent{0};          // frames that were taken to be sent, and were not: more urgent ones needed the
                               // place, or the bus was off
  uint32_t bus_offs{0};
};

/// All calls but those of the driver's own interrupts come from the bus task.
class CanBus {
 public:
  /// Opens the controller; `wake` is given whenever a frame came or was sent. False when there is none; may
  /// be repeated.
  virtual bool open(uint32_t bit_rate, Signal &wake) = 0;

  /// Puts a frame into the controller's queue. False when it is full of frames as urgent, or the controller
  /// is off the bus. With `stamp` the time at which its transmission was done is kept for sent_us().
  virtual bool send(const CanFrame &frame, bool stamp = false) = 0;
  /// When the transmission of the last frame sent with `stamp` was done; once.
  virtual std::optional<uint64_t> sent_us() = 0;

  /// The oldest received frame, its mono_us being when its last bit was on the bus as near as the hardware
  /// can tell.
  virtual std::optional<CanFrame> receive() = 0;

  virtual ControllerStatus status() = 0;
  /// After BUS_OFF: begins the recovery (128 × 11 recessive bits); the state tells when it is over.
  virtual void recover() = 0;
  /// How receive stamps are distributed; see clock_sources.h.
  virtual bool stamps_in_interrupt() const = 0;

 protected:
  ~CanBus() = default;
};

}  // namespace esphome::microgrid
