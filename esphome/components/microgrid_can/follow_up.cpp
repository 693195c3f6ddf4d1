// See "Time" in contract/can.md.
#include "follow_up.h"

#include "beat.h"

namespace esphome::microgrid {

namespace {

constexpr uint64_t WITHIN_US = 50'000;
constexpr int64_t EVERY_US = 1'000'000;

}  // namespace

bool FollowUpSender::wants(const Timeline &timeline, uint64_t beat_us) const {
  if (this->waiting_) return false;
  if (this->missed_) return true;
  const int64_t nearest_us = clock_us(timeline, beat_us) + static_cast<int64_t>(BEAT_US) / 2;
  return nearest_us % EVERY_US < static_cast<int64_t>(BEAT_US);
}

void FollowUpSender::stamped(uint64_t done_us) {
  if (this->waiting_ && done_us >= this->waiting_->sent_us) this->waiting_->done_us = done_us;
}

std::optional<dbc::FollowUp> FollowUpSender::due(uint64_t now_us, const Timeline &timeline) {
  if (!this->waiting_) return std::nullopt;
  if (now_us >= this->waiting_->sent_us + WITHIN_US) {
    this->waiting_.reset();
    this->missed_ = true;
    return std::nullopt;
  }
  const auto sequence = static_cast<uint8_t>(this->waiting_->sequence & 0xFF);
  if (!timeline.known) return dbc::FollowUp{.sequence = sequence, .utc = 0};
  if (this->waiting_->done_us == 0) return std::nullopt;
  const int64_t utc_us = timeline.utc_us(this->waiting_->done_us);
  return dbc::FollowUp{.sequence = sequence, .utc = utc_us > 0 ? static_cast<uint64_t>(utc_us) : 0};
}

}  // namespace esphome::microgrid
