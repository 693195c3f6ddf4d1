#include "house_summary.h"

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr uint32_t SECONDS_APART = 4;  // houses finish their minutes one after the other
static_assert(SECONDS_APART * Cluster::HOUSES <= SUMMARY_SAMPLES);

constexpr bool all_are_logged() {
  for (const Channel &channel : SUMMARY_CHANNELS) {
    if (channel.id == 0 || (channel.width != 2 && channel.width != 4)) return false;
  }
  return true;
}
static_assert(all_are_logged(), "id and width come from the house's log");

uint32_t slot_of(uint8_t number, uint64_t second) {
  return static_cast<uint32_t>((second + SUMMARY_SAMPLES - (uint64_t{number} - 1) * SECONDS_APART) %
                               SUMMARY_SAMPLES);
}

}  // namespace

void HouseSummary::clear() {
  this->valid_ = {};
  this->taken_ = 0;
}

void HouseSummary::take(uint32_t slot, uint64_t start_us, const Readings &readings) {
  this->start_us_ = start_us;
  uint8_t *values = this->values_.data();
  for (size_t i = 0; i < SUMMARY_CHANNELS.size(); i++) {
    const Channel &channel = SUMMARY_CHANNELS[i];
    uint8_t *to = values + size_t{slot} * channel.width;
    values += size_t{SUMMARY_SAMPLES} * channel.width;
    const auto integer = readings.get(static_cast<size_t>(SUMMARY_METRICS[i]));
    const int64_t logged = int64_t{integer.value_or(0)} - channel.offset;
    if (!integer || !fits(logged, channel.width)) continue;
    if (channel.width == 2) {
      const auto narrow = static_cast<int16_t>(logged);
      std::memcpy(to, &narrow, sizeof(narrow));
    } else {
      const auto wide = static_cast<int32_t>(logged);
      std::memcpy(to, &wide, sizeof(wide));
    }
    this->valid_[i][slot / 32] |= 1U << (slot % 32);
    this->taken_++;
  }
}

std::span<uint8_t> HouseSummary::build(std::string_view node, uint32_t schema_hash, const ClockReading &clock,
                                       std::span<uint8_t> room) const {
  FrameBuilder frame(room, {.kind = Kind::SUMMARY,
                            .mono_us = this->start_us_,
                            .utc_us = clock.utc_us(this->start_us_),
                            .schema_hash = schema_hash,
                            .clock = clock.record});
  frame.text(node);
  frame.u32(SUMMARY_SAMPLES * SUMMARY_PERIOD_US / 1000);
  const uint8_t *values = this->values_.data();
  for (size_t i = 0; i < SUMMARY_CHANNELS.size(); i++) {
    const Channel &channel = SUMMARY_CHANNELS[i];
    const size_t start = frame.size();
    const bool had_room = frame.ok();
    const SampleView samples{.values = values,
                             .valid = this->valid_[i].data(),
                             .width = channel.width,
                             .count = SUMMARY_SAMPLES,
                             .first = 0,
                             .capacity = SUMMARY_SAMPLES};
    if (write_block(frame, channel.id, samples, false) > 0) {
      frame.count_block();
    } else if (had_room) {
      frame.rewind(start);  // nothing of it came
    }
    values += size_t{SUMMARY_SAMPLES} * channel.width;
  }
  return frame.finish();
}

void SummaryLog::tick(uint64_t mono_us) {
  const uint64_t second = mono_us / SUMMARY_PERIOD_US;
  if (second != this->second_) {
    this->second_ = second;
    this->sample(second);
  }
  for (uint8_t number = 1; number <= Cluster::HOUSES; number++) {
    House &house = this->houses_[number - 1U];
    if (!house.complete || !this->hand_over(number, house, mono_us)) continue;
    house.complete = false;
    house.minute.clear();
  }
}

void SummaryLog::sample(uint64_t second) {
  for (uint8_t number = 1; number <= Cluster::HOUSES; number++) {
    House &house = this->houses_[number - 1U];
    const uint32_t slot = slot_of(number, second);
    if (second < slot) continue;  // a minute that began before the node did
    const uint64_t start_us = (second - slot) * SUMMARY_PERIOD_US;
    // The last one found no room, or the task stood still for so long that its minute is over.
    if (house.complete || (!house.minute.empty() && house.minute.start_us() != start_us)) {
      this->lost_++;
      house.complete = false;
      house.minute.clear();
    }
    if (this->cluster_.present(number)) house.minute.take(slot, start_us, this->cluster_.readings(number));
    house.complete = slot == SUMMARY_SAMPLES - 1 && !house.minute.empty();
  }
}

bool SummaryLog::hand_over(uint8_t number, House &house, uint64_t mono_us) {
  const HouseIdentity who = this->directory_.house(number);
  if (who.node.empty()) return true;  // nobody could be told whose it is
  // The schema of a summary is that of the house: whose it is, what the gateway hears of it.
  FrameBuilder schema(this->room_,
                      {.kind = Kind::SCHEMA, .mono_us = mono_us, .utc_us = this->clock_.utc_us(mono_us)});
  write_schema(schema,
               {.node = who.node.view(), .cluster = this->identity_.cluster, .channels = SUMMARY_CHANNELS});
  const uint32_t hash = crc32(schema.written().subspan(FRAME_HEADER_BYTES));
  if (hash != house.schema_hash || house.minutes_until_schema == 0) {
    const std::span<uint8_t> frame = schema.finish();
    if (frame.empty()) return true;
    store(frame.data() + 20, hash);
    if (!this->sink_.take(frame)) return false;
    house.schema_hash = hash;
    house.minutes_until_schema = SCHEMA_EVERY_MINUTES;
  }
  const std::span<uint8_t> frame =
      house.minute.build(who.node.view(), hash, this->clock_.reading(mono_us), this->room_);
  if (frame.empty()) {
    this->lost_++;
  } else if (!this->sink_.take(frame)) {
    return false;
  }
  house.minutes_until_schema--;
  return true;
}

}  // namespace esphome::microgrid
