// Traffic is coded as it comes, samples when their second is over; both go to the ring at once.
#include "capture_log.h"

#include <new>

namespace esphome::microgrid {

namespace {

// Frames of the bus may wait for their task, and times of a second wait for their samples.
constexpr uint64_t LATENESS_US = 200'000;
constexpr uint64_t SYNC_US = 2'000'000;  // what a power cut may cost

size_t aligned(size_t bytes) { return (bytes + 7) / 8 * 8; }

std::span<Slot> make_slots(std::span<uint8_t> memory) {
  const size_t count = memory.size() / sizeof(Slot);
  return {new (memory.data()) Slot[count], count};
}

RingConfig ring_config(const CaptureSettings &settings, uint32_t blocks) {
  return {.node = settings.schema.node, .cluster = settings.schema.cluster, .blocks_per_segment = blocks};
}

}  // namespace

bool CaptureLog::setup(const CaptureSettings &settings, uint64_t mono_us) {
  this->settings_ = settings;
  const std::span<const Channel> channels = settings.schema.channels;
  const size_t arena = aligned(Recorder::arena_bytes(channels, TIMING));
  const size_t samples = aligned(Recorder::max_frame_bytes(channels, TIMING));
  const size_t table = sizeof(Slot) * settings.slots;
  if (!this->memory_.take(arena + samples + TRAFFIC_FRAME_BYTES + table)) return false;
  const std::span<uint8_t> memory = this->memory_.bytes();
  this->sample_room_ = memory.subspan(arena, samples);
  this->traffic_room_ = memory.subspan(arena + samples, TRAFFIC_FRAME_BYTES);
  this->card_.emplace(*settings.device, ring_config(settings, settings.blocks_per_slot),
                      make_slots(memory.last(table)), *settings.cache);
  if (settings.ram_blocks != 0) {
    const size_t bytes = size_t{settings.ram_blocks} * BLOCK_BYTES;
    const size_t ram_table = sizeof(Slot) * (settings.ram_blocks / RAM_SLOT_BLOCKS);
    if (!this->ram_memory_.take(bytes + ram_table + sizeof(Ram))) return false;
    const std::span<uint8_t> ram = this->ram_memory_.bytes();
    this->ram_ =
        new (ram.last(sizeof(Ram)).data()) Ram(ram.first(bytes), ring_config(settings, RAM_SLOT_BLOCKS),
                                               make_slots(ram.subspan(bytes, ram_table)), *settings.cache);
  }
  this->samples_until_us_ = mono_us;
  this->complete_from_us_ = mono_us;
  return this->recorder_.setup(settings.schema, settings.schema_hash, TIMING, memory.first(arena), mono_us);
}

void CaptureLog::medium_mounted() {
  this->card_->forget_medium();
  this->card_open_ = false;
  if (this->in_ram_) this->gap(this->samples_until_us_);
  this->in_ram_ = false;
}

void CaptureLog::medium_lost() {
  this->card_open_ = false;
  this->in_ram_ = this->ram_ != nullptr;
  if (this->in_ram_) {
    this->ram_->ring.forget_medium();  // the pins of the last time
    this->ram_open_ = false;
  }
  this->gap(this->samples_until_us_);
}

RingLog *CaptureLog::ring() {
  if (this->in_ram_) return this->ram_open_ ? &this->ram_->ring : nullptr;
  return this->card_open_ ? &*this->card_ : nullptr;
}

void CaptureLog::gap(uint64_t until_us) {
  this->complete_from_us_ = std::max(this->complete_from_us_, until_us);
}

bool CaptureLog::complete_until(uint64_t mono_us) const {
  return this->pending_samples_.empty() && this->pending_traffic_.empty() &&
         this->samples_until_us_ >= mono_us && this->traffic_until_us_ >= mono_us &&
         (!this->writer_ || this->traffic_from_us_ > mono_us);
}

uint32_t CaptureLog::refused() const { return this->waiting_.refused() + this->recorder_.counters().overrun; }

void CaptureLog::watch_for_refusals(uint64_t now_us) {
  const uint32_t refused = this->refused();
  if (refused == this->known_refused_) return;
  this->known_refused_ = refused;
  this->gap(now_us);
}

void CaptureLog::begin_traffic(const CanFrame &frame, const DisciplinedClock &clock) {
  const ClockReading reading = clock.reading(frame.mono_us);
  this->traffic_from_us_ = frame.mono_us;
  this->builder_.emplace(this->traffic_room_, FrameStart{.kind = Kind::CAN,
                                                         .mono_us = frame.mono_us,
                                                         .utc_us = reading.utc_us(frame.mono_us),
                                                         .schema_hash = this->settings_.schema_hash,
                                                         .clock = reading.record});
  this->writer_.emplace(*this->builder_, frame.mono_us);
}

void CaptureLog::end_traffic() {
  if (this->writer_ && this->writer_->count() > 0) this->pending_traffic_ = this->builder_->finish();
  this->writer_.reset();
}

void CaptureLog::take_traffic(uint64_t now_us, const DisciplinedClock &clock) {
  while (this->pending_traffic_.empty()) {
    std::optional<CanFrame> frame = this->left_over_;
    this->left_over_.reset();
    if (!frame) {
      frame = this->waiting_.pop();
      if (!frame) break;
    }
    if (this->in_ram_) continue;  // as many bytes as 15 times the samples
    if (this->writer_ && (frame->mono_us >= this->traffic_from_us_ + SPAN_US ||
                          frame->mono_us < this->traffic_from_us_ || !this->writer_->add(*frame))) {
      this->end_traffic();
      this->left_over_ = frame;
      continue;
    }
    if (this->writer_) continue;
    this->begin_traffic(*frame, clock);
    if (!this->writer_->add(*frame)) this->writer_.reset();  // longer than 8 bytes: not of this bus
  }
  if (!this->pending_traffic_.empty()) return;
  if (this->writer_ && now_us >= this->traffic_from_us_ + SPAN_US + LATENESS_US) this->end_traffic();
  this->traffic_until_us_ = now_us - std::min(now_us, LATENESS_US);
}

void CaptureLog::close_samples(uint64_t now_us, const DisciplinedClock &clock) {
  while (this->pending_samples_.empty() && this->recorder_.ready(Group::FAST, now_us)) {
    this->pending_samples_ = this->recorder_.close(Group::FAST, clock.reading(now_us), this->sample_room_);
    this->samples_until_us_ += SPAN_US;
    if (this->pending_samples_.empty()) this->gap(this->samples_until_us_);
  }
}

bool CaptureLog::write_pending(bool medium_usable) {
  if (this->pending_samples_.empty() && this->pending_traffic_.empty()) return true;
  if (!this->in_ram_ && !medium_usable) return true;  // they wait: it may come back
  RingLog &ring = this->in_ram_ ? this->ram_->ring : *this->card_;
  bool &open = this->in_ram_ ? this->ram_open_ : this->card_open_;
  if (!open) {
    if (ring.open(this->settings_.start) != LogResult::OK) return false;
    open = true;
  }
  for (std::span<uint8_t> *pending : {&this->pending_samples_, &this->pending_traffic_}) {
    if (pending->empty()) continue;
    const LogResult result = ring.append(*pending);
    if (result == LogResult::DEVICE) return false;
    if (result != LogResult::OK) this->gap(this->samples_until_us_);  // pinned all over
    *pending = {};
  }
  if (!this->in_ram_) return true;
  ring.sync();  // RAM does not fail
  if (ring.durable()) ring.acknowledge(*ring.durable());
  return true;
}

bool CaptureLog::step(uint64_t now_us, const DisciplinedClock &clock, bool medium_usable) {
  this->watch_for_refusals(now_us);
  bool well = true;
  // Twice, as a stall leaves more than one frame behind.
  for (int i = 0; i < 2 && well; i++) {
    this->take_traffic(now_us, clock);
    this->close_samples(now_us, clock);
    well = this->write_pending(medium_usable);
  }
  if (well && this->card_open_ && medium_usable && now_us >= this->next_sync_us_) {
    well = this->card_->sync() == LogResult::OK;
    this->next_sync_us_ = now_us + SYNC_US;
    // Nobody misses what is overwritten here: it need not be looked through before.
    if (well && this->card_->durable()) this->card_->acknowledge(*this->card_->durable());
  }
  return well;
}

}  // namespace esphome::microgrid
