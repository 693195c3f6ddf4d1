// The rings between sampler and writer.
//
// Sample g of a channel lies in slot g % capacity; block b holds the samples b × block … (b + 1) × block − 1.
// The sampler may use the slots of the blocks that are not taken; the writer owns those between `taken` and
// `closing`.
#include "umg1_recorder.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

uint32_t acquire(const uint32_t &shared) { return __atomic_load_n(&shared, __ATOMIC_ACQUIRE); }
void release(uint32_t &shared, uint32_t value) { __atomic_store_n(&shared, value, __ATOMIC_RELEASE); }
void count(uint32_t &shared) { __atomic_fetch_add(&shared, 1, __ATOMIC_RELAXED); }

}  // namespace

bool Recorder::setup(const Schema &schema, uint32_t schema_hash, const RecorderTiming &timing,
                     std::span<uint8_t> arena, uint64_t mono_us) {
  if (!is_valid(schema) || arena.size() < arena_bytes(schema.channels, timing) ||
      reinterpret_cast<uintptr_t>(arena.data()) % alignof(Track) != 0 ||
      max_frame_bytes(schema.channels, timing) > FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES)
    return false;
  uint8_t *next = arena.data() + schema.channels.size() * sizeof(Track);
  this->tracks_ = {reinterpret_cast<Track *>(arena.data()), schema.channels.size()};
  for (size_t i = 0; i < schema.channels.size(); i++) {
    const Channel &channel = schema.channels[i];
    const GroupTiming &group = timing.of(channel.group);
    const uint32_t block = block_samples(channel, group);
    const uint32_t capacity = capacity_of(channel, group);
    if (uint64_t{group.span_ms} * 1000 % channel.period_us != 0 || block == 0 ||
        block > std::numeric_limits<uint16_t>::max())
      return false;
    const size_t valid_bytes = size_t{(capacity + 31) / 32} * 4;
    this->tracks_[i] = {.values = next + valid_bytes,
                        .valid = reinterpret_cast<uint32_t *>(next),
                        .block = block,
                        .capacity = capacity};
    std::fill_n(next, valid_bytes, uint8_t{0});
    next += valid_bytes + (size_t{capacity} * channel.width + 3) / 4 * 4;
  }
  for (const Group group : {Group::SLOW, Group::FAST}) {
    this->groups_[static_cast<size_t>(group)] = {.span_us = timing.of(group).span_ms * 1000,
                                                 .slack_us = timing.of(group).slack_ms * 1000,
                                                 .closing = 0,
                                                 .taken = 0};
  }
  this->channels_ = schema.channels;
  this->schema_hash_ = schema_hash;
  this->start_us_ = mono_us;
  this->counters_ = {};
  return true;
}

bool Recorder::put(size_t channel, uint64_t mono_us, int32_t value) {
  const Channel &meaning = this->channels_[channel];
  const Track &track = this->tracks_[channel];
  const State &state = this->groups_[static_cast<size_t>(meaning.group)];
  if (!fits(value, meaning.width)) {
    count(this->counters_.out_of_range);
    return false;
  }
  // To the nearest regular time: a timer is late by a little now and then.
  const uint64_t sample = (mono_us + meaning.period_us / 2 - this->start_us_) / meaning.period_us;
  if (mono_us < this->start_us_ || sample < uint64_t{acquire(state.closing)} * track.block) {
    count(this->counters_.late);
    return false;
  }
  if (sample >= uint64_t{acquire(state.taken)} * track.block + track.capacity) {
    count(this->counters_.overrun);
    return false;
  }
  const auto slot = static_cast<uint32_t>(sample % track.capacity);
  uint8_t *to = track.values + size_t{slot} * meaning.width;
  switch (meaning.width) {
    case 1:
      *to = static_cast<uint8_t>(value);
      break;
    case 2: {
      const auto narrow = static_cast<int16_t>(value);
      std::memcpy(to, &narrow, sizeof(narrow));
      break;
    }
    default:
      std::memcpy(to, &value, sizeof(value));
  }
  __atomic_fetch_or(track.valid + slot / 32, 1U << (slot % 32), __ATOMIC_RELEASE);
  return true;
}

RecorderCounters Recorder::counters() const {
  return {.out_of_range = acquire(this->counters_.out_of_range),
          .late = acquire(this->counters_.late),
          .overrun = acquire(this->counters_.overrun)};
}

bool Recorder::ready(Group group, uint64_t now_us) const {
  const State &state = this->groups_[static_cast<size_t>(group)];
  const uint64_t end_us = this->start_us_ + (uint64_t{state.taken} + 1) * state.span_us;
  return !this->channels_.empty() && now_us >= end_us + state.slack_us / 4;
}

std::span<uint8_t> Recorder::close(Group group, const ClockReading &clock, std::span<uint8_t> room) {
  State &state = this->groups_[static_cast<size_t>(group)];
  const uint32_t number = state.taken;
  release(state.closing, number + 1);
  const uint64_t mono_us = this->start_us_ + uint64_t{number} * state.span_us;
  FrameBuilder frame(room, {.kind = group == Group::FAST ? Kind::FAST : Kind::SLOW,
                            .mono_us = mono_us,
                            .utc_us = clock.utc_us(mono_us),
                            .schema_hash = this->schema_hash_,
                            .clock = clock.record});
  frame.u32(state.span_us / 1000);
  for (size_t i = 0; i < this->channels_.size(); i++) {
    const Channel &channel = this->channels_[i];
    const Track &track = this->tracks_[i];
    if (channel.group != group) continue;
    const auto first = static_cast<uint32_t>(uint64_t{number} * track.block % track.capacity);
    const SampleView samples{.values = track.values,
                             .valid = track.valid,
                             .width = channel.width,
                             .count = static_cast<uint16_t>(track.block),
                             .first = first,
                             .capacity = track.capacity};
    const size_t start = frame.size();
    const bool had_room = frame.ok();
    if (write_block(frame, channel.id, samples, false) > 0) {
      frame.count_block();
    } else if (had_room) {
      frame.rewind(start);  // nothing came: the channel is left out
    }
    for (uint32_t k = 0; k < track.block; k++) {
      const uint32_t slot = (first + k) % track.capacity;
      __atomic_fetch_and(track.valid + slot / 32, ~(1U << (slot % 32)), __ATOMIC_RELAXED);
    }
  }
  release(state.taken, number + 1);
  return frame.blocks() == 0 ? std::span<uint8_t>{} : frame.finish();
}

}  // namespace esphome::microgrid
