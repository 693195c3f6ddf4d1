#include "capture_command.h"

namespace esphome::microgrid {

CommandOutcome CaptureCommand::run(std::span<const CommandValue> /*parameters*/) {
  return this->begin(mono_us());
}

CommandOutcome CaptureCommand::begin(uint64_t now_us) {
  if (now_us < this->next_us_)
    return {.succeeded = false, .reason = "the last recording was begun less than 30 s ago"};
  const LogHealth log = this->log_.health();
  if (log.snapshots_free == 0)
    return {.succeeded = false,
            .reason = log.card == CardState::OK ? "as many snapshots as fit are being recorded already"
                                                : "there is no memory card to record on"};
  this->next_us_ = now_us + BETWEEN_US;
  const EventKey key = this->node_.desk.next_key();
  this->bus_.capture(key);
  return {.succeeded = true, .event_id = make_event_id(this->node_.identity.cluster, key)};
}

}  // namespace esphome::microgrid
