// One step after the other, none of them long: what came in, what is to be written, who asked.
#include "log_writer.h"

#include <algorithm>
#include <new>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr uint32_t WAIT_US = 50'000;
constexpr uint32_t SHORT_WAIT_US = 1000;
constexpr uint64_t SYNC_US = 2'000'000;
constexpr uint64_t TIMESYNC_US = 60'000'000;
constexpr uint64_t SAVE_US = 60'000'000;
// Without a medium events are told of without a place in the log when they waited so long for one.
constexpr uint64_t TELL_US = 2'000'000;
// A ring passes over a bad block after eight attempts, which take 2.8 s.
constexpr uint32_t FIRST_RETRY_US = 50'000;
constexpr uint32_t LAST_RETRY_US = 500'000;
constexpr uint64_t GIVE_UP_US = 5'000'000;
constexpr int FRAMES_AT_ONCE = 8;
constexpr uint32_t PREPARED_AT_ONCE = 2;
constexpr std::string_view ACKNOWLEDGED = "log_ack";

size_t aligned(size_t bytes) { return (bytes + 15) / 16 * 16; }

}  // namespace

// ------------------------------------------------------------------------------------------------ setting up

bool LogWriter::setup(uint64_t mono_us) {
  const LogSettings &settings = this->settings_;
  const Identity &identity = this->node_.identity;
  // Every frame fits into a segment behind its schema.
  if (FRAME_HEADER_BYTES + schema_bytes(settings.log_channels) + max_frame_bytes(settings) +
          size_t{2} * SECTOR_BYTES >
      size_t{settings.log_slot_blocks} * BLOCK_BYTES)
    return false;
  const std::array<size_t, 7> sizes = {
      Recorder::arena_bytes(settings.log_channels, settings.timing),
      max_frame_bytes(settings),
      settings.queue_bytes,
      settings.foreign_bytes,
      schema_bytes(settings.log_channels) + schema_bytes(settings.capture_channels),
      sizeof(Slot) * settings.log_slots,
      sizeof(SnapshotHead) * settings.snapshot_slots};
  size_t bytes = 0;
  for (const size_t size : sizes) bytes += aligned(size);
  this->work_memory_.reset(new (std::nothrow) uint8_t[work_bytes(settings)]);
  if (this->work_memory_ == nullptr || !this->memory_.take(bytes)) return false;
  std::array<std::span<uint8_t>, sizes.size()> rooms{};
  std::span<uint8_t> left = this->memory_.bytes();
  for (size_t i = 0; i < sizes.size(); i++) {
    rooms[i] = left.first(sizes[i]);
    left = left.subspan(aligned(sizes[i]));
  }
  const auto [arena, read_room, queue, foreign, schemas, slots, heads] = rooms;
  this->work_room_ = {this->work_memory_.get(), work_bytes(settings)};
  this->block_.emplace(this->work_room_.first<BLOCK_BYTES>());
  this->read_room_ = read_room;
  this->queue_ = FrameQueue(queue);
  this->frames_in_.emplace(foreign);

  const Schema log{.node = identity.node, .cluster = identity.cluster, .channels = settings.log_channels};
  const Schema capture{
      .node = identity.node, .cluster = identity.cluster, .channels = settings.capture_channels};
  ByteWriter log_payload(schemas);
  write_schema(log_payload, log);
  ByteWriter capture_payload(schemas.subspan(log_payload.size()));
  write_schema(capture_payload, capture);
  if (!log_payload.ok() || !capture_payload.ok()) return false;
  this->log_schema_ = {log_payload.written(), crc32(log_payload.written())};
  this->capture_schema_ = {capture_payload.written(), crc32(capture_payload.written())};

  this->log_device_.set_blocks(settings.log_slots * settings.log_slot_blocks);
  this->capture_device_.set_blocks(settings.capture_slots * settings.capture_slot_blocks);
  this->snapshot_device_.set_blocks(settings.snapshot_slots * settings.snapshot_slot_blocks);
  this->start_ = {.boot_id = identity.boot_id,
                  .mono_us = mono_us,
                  .utc_us = this->node_.clock.utc_us(mono_us),
                  .schema = this->log_schema_.payload,
                  .schema_hash = this->log_schema_.hash,
                  .reason = settings.reason,
                  .firmware = identity.firmware};
  this->log_.emplace(this->log_device_,
                     RingConfig{.node = identity.node,
                                .cluster = identity.cluster,
                                .blocks_per_segment = settings.log_slot_blocks,
                                .segment_us = uint64_t{settings.log_slot_s} * 1'000'000},
                     std::span(new (slots.data()) Slot[settings.log_slots], settings.log_slots),
                     *this->block_);
  Start capture_start = this->start_;
  capture_start.schema = this->capture_schema_.payload;
  capture_start.schema_hash = this->capture_schema_.hash;
  if (!this->capture_.setup({.schema = capture,
                             .schema_payload = this->capture_schema_.payload,
                             .schema_hash = this->capture_schema_.hash,
                             .start = capture_start,
                             .device = &this->capture_device_,
                             .cache = &*this->block_,
                             .slots = settings.capture_slots,
                             .blocks_per_slot = settings.capture_slot_blocks,
                             .ram_blocks = settings.ram_capture_blocks},
                            mono_us) ||
      !this->recorder_.setup(log, this->log_schema_.hash, settings.timing, arena, mono_us))
    return false;
  this->snapshots_.emplace(
      this->snapshot_device_, settings.snapshot_slot_blocks,
      std::span(new (heads.data()) SnapshotHead[settings.snapshot_slots], settings.snapshot_slots),
      *this->block_);
  if (settings.ram_snapshot_blocks != 0) {
    if (!this->ram_snapshot_memory_.take(size_t{settings.ram_snapshot_blocks} * BLOCK_BYTES)) return false;
    this->ram_snapshots_.emplace(this->ram_snapshot_memory_.bytes(), *this->block_);
    this->ram_snapshots_->store.load();
  }
  this->reader_.emplace(*this->log_, *this->block_, this->read_room_);
  this->cutter_.emplace(identity, *this->log_, this->capture_, this->log_schema_, this->capture_schema_,
                        *this->block_, this->read_room_);
  this->node_.desk.add(*this);
  return true;
}

void LogWriter::load(Storage &storage) {
  std::array<uint8_t, 8> bytes{};
  if (!storage.load(ACKNOWLEDGED, bytes)) return;
  this->saved_ = {.boot_id = microgrid::load<uint32_t>(bytes.data()),
                  .seq = microgrid::load<uint32_t>(bytes.data() + 4)};
  if (this->saved_.boot_id == 0) return;
  this->acknowledged_ = this->saved_;
  this->acknowledged_shared_.store(this->saved_);
}

void LogWriter::save(Storage &storage, uint64_t now_us) {
  const Position position = this->acknowledged_shared_.load();
  if (position == this->saved_ || (this->saved_us_ != 0 && now_us < this->saved_us_ + SAVE_US)) return;
  std::array<uint8_t, 8> bytes{};
  microgrid::store(bytes.data(), position.boot_id);
  microgrid::store(bytes.data() + 4, position.seq);
  this->saved_us_ = now_us;
  if (storage.save(ACKNOWLEDGED, bytes)) this->saved_ = position;
}

// ----------------------------------------------------------------------------------------------- other tasks

void LogWriter::happened(const NodeEvent &event) {
  this->events_in_.push(event);
  this->wake_.give();
}

bool LogWriter::record(std::span<const uint8_t> frame) { return this->frames_in_->push(frame); }

bool LogWriter::keep(const SnapshotRequest &request) {
  const bool taken = this->wishes_.push({.request = request});
  this->wake_.give();
  return taken;
}

bool LogWriter::name_snapshot(uint8_t node, uint32_t number, uint32_t boot_id) {
  Wish wish{.name_only = true};
  wish.request.key = {.node = node, .boot_id = boot_id, .number = number};
  return this->wishes_.push(wish);
}

void LogWriter::run() {
  this->wake_.wait(this->busy_ ? SHORT_WAIT_US : WAIT_US);
  this->step(mono_us());
}

void LogWriter::step(uint64_t now_us) {
  this->busy_ = false;
  this->take_events(now_us);
  this->take_wishes();
  this->take_frames(now_us);
  this->close_frames(now_us);
  if (this->card_ != CardState::OK && now_us >= this->next_mount_us_) this->mount(now_us);
  if (this->usable(now_us) && !this->write_log(now_us)) this->trouble(now_us);
  if (!this->capture_.step(now_us, this->node_.clock, this->usable(now_us) && this->log_open_))
    this->trouble(now_us);
  if ((this->without_ || this->usable(now_us)) && !this->cutter_->step(now_us)) this->trouble(now_us);
  if (this->cutter_->copying()) {
    this->reader_->lose_room();
    this->busy_ = true;
  }
  this->tell_events(now_us);
  this->report_lost();
  this->answer_ports(now_us);
  if (!this->busy_ && this->usable(now_us) && this->log_open_) {
    if (this->log_->prepare(PREPARED_AT_ONCE, now_us) == LogResult::DEVICE ||
        (this->capture_.ring() != nullptr &&
         this->capture_.ring()->prepare(PREPARED_AT_ONCE, now_us) == LogResult::DEVICE))
      this->trouble(now_us);
  }
  this->publish_health();
}

void LogWriter::take_events(uint64_t now_us) {
  while (const auto event = this->events_in_.pop()) {
    if (this->shelf_.add(*event, now_us)) continue;
    this->to_give_up_++;
    if (this->in_progress_ == InProgress::EVENT) this->in_progress_ = InProgress::NOTHING;
  }
}

void LogWriter::take_wishes() {
  while (const auto wish = this->wishes_.pop()) {
    const EventKey &key = wish->request.key;
    if (wish->name_only) {
      this->cutter_->name(key.node, key.number, key.boot_id);
    } else if (!this->cutter_->keep(wish->request)) {
      this->refused_++;
    }
  }
}

void LogWriter::take_frames(uint64_t now_us) {
  for (int i = 0; i < FRAMES_AT_ONCE; i++) {
    const auto frame = this->frames_in_->front();
    if (!frame) break;
    const auto header = parse_header(*frame);
    if (header && header->frame_bytes() == frame->size() &&
        frame->size() <= this->settings_.max_foreign_frame) {
      this->queue(*frame);
    } else {
      this->refused_++;
    }
    this->frames_in_->pop();
  }
  if (now_us < this->next_timesync_us_) return;
  const ClockReading reading = this->node_.clock.reading(now_us);
  if (!reading.known || !reading.record) return;
  this->next_timesync_us_ = now_us + TIMESYNC_US;
  FrameBuilder frame(this->build_room(), {.kind = Kind::TIMESYNC,
                                          .mono_us = now_us,
                                          .utc_us = reading.utc_us(now_us),
                                          .schema_hash = this->log_schema_.hash,
                                          .clock = reading.record});
  this->queue(frame.finish());
}

void LogWriter::close_frames(uint64_t now_us) {
  for (const Group group : {Group::FAST, Group::SLOW}) {
    for (int i = 0; i < FRAMES_AT_ONCE && this->recorder_.ready(group, now_us); i++) {
      const auto frame = this->recorder_.close(group, this->node_.clock.reading(now_us), this->build_room());
      if (!frame.empty()) this->queue(frame);
    }
  }
}

void LogWriter::queue(Bytes frame) {
  const uint32_t lost = this->queue_.push(frame);
  if (lost == 0) return;
  this->to_give_up_ += lost;
  if (this->in_progress_ == InProgress::FRAME) this->in_progress_ = InProgress::NOTHING;
}

// ------------------------------------------------------------------------------------------------ the medium

void LogWriter::mount(uint64_t now_us) {
  const CardState state =
      this->medium_.mount({this->log_device_.block_count(), this->capture_device_.block_count(),
                           this->snapshot_device_.block_count()});
  if (state != CardState::OK) {
    this->without_medium(now_us, state, this->medium_.complaint());
    return;
  }
  for (MediumDevice *device : {&this->log_device_, &this->capture_device_, &this->snapshot_device_})
    device->set_mounted(true);
  this->card_ = CardState::OK;
  this->trouble_since_us_ = 0;
  this->retry_after_us_ = 0;
  this->retry_us_ = now_us;
  this->log_->forget_medium();
  this->reader_->forget();
  this->snapshots_->forget_medium();
}

bool LogWriter::open_log() {
  if (!this->snapshots_->loaded() && !this->snapshots_->load()) return false;
  if (this->log_->open(this->start_) != LogResult::OK) return false;
  this->log_open_ = true;
  this->in_progress_ = InProgress::NOTHING;
  const auto durable = this->log_->durable();
  const auto seq = durable ? std::optional{durable->seq} : std::nullopt;
  this->to_give_up_ += this->queue_.unplace(seq);
  this->shelf_.unplace(seq);
  if (this->acknowledged_) this->log_->acknowledge(*this->acknowledged_);
  this->capture_.medium_mounted();
  this->cutter_->set_store(&*this->snapshots_, this->ram_snapshots_ ? &this->ram_snapshots_->store : nullptr);
  this->without_ = false;
  if (this->card_told_) this->tell_card(EventState::CLEARED);
  return true;
}

void LogWriter::trouble(uint64_t now_us) {
  this->errors_++;
  if (this->card_ != CardState::OK) return;
  if (this->trouble_since_us_ == 0) this->trouble_since_us_ = now_us;
  this->retry_after_us_ = std::clamp(this->retry_after_us_ * 2, FIRST_RETRY_US, LAST_RETRY_US);
  this->retry_us_ = now_us + this->retry_after_us_;
  if (now_us >= this->trouble_since_us_ + GIVE_UP_US)
    this->without_medium(now_us, CardState::FAILING, "does not take what is written to it");
}

void LogWriter::well() {
  this->trouble_since_us_ = 0;
  this->retry_after_us_ = 0;
}

void LogWriter::without_medium(uint64_t now_us, CardState state, std::string_view complaint) {
  for (MediumDevice *device : {&this->log_device_, &this->capture_device_, &this->snapshot_device_})
    device->set_mounted(false);
  this->medium_.unmount();
  this->snapshots_->forget_medium();
  this->card_ = state;
  this->complaint_.store(ShortText<120>{complaint});
  this->next_mount_us_ = now_us + uint64_t{this->settings_.remount_s} * 1'000'000;
  if (!this->card_told_) this->tell_card(EventState::RAISED);
  if (this->without_) return;
  this->without_ = true;
  this->log_open_ = false;
  this->reader_->forget();
  this->capture_.medium_lost();
  this->cutter_->set_store(this->ram_snapshots_ ? &this->ram_snapshots_->store : nullptr, nullptr);
}

void LogWriter::tell_card(EventState state) {
  NodeEvent event;
  event.type = EventType::ALARM;
  event.state = state;
  event.severity = Severity::WARNING;
  event.code.assign(CARD_FAILED);
  if (this->node_.desk.from_log(event)) this->card_told_ = state == EventState::RAISED;
}

// --------------------------------------------------------------------------------------------------- the log

bool LogWriter::write_log(uint64_t now_us) {
  if (!this->log_open_ && !this->open_log()) return false;
  if (this->to_give_up_ > 0 && this->log_->give_up(this->to_give_up_)) this->to_give_up_ = 0;
  bool any = true;
  for (int i = 0; i < FRAMES_AT_ONCE && any; i++) {
    if (this->append_next(any) == LogResult::DEVICE) return false;
    if (any && !this->unsynced_) {
      this->unsynced_ = true;
      this->unsynced_since_us_ = now_us;
    }
  }
  this->busy_ = this->busy_ || any;
  const bool due = this->unsynced_ && now_us >= this->unsynced_since_us_ + SYNC_US;
  return !(this->urgent_ || due) || this->sync_log();
}

LogResult LogWriter::append_next(bool &any) {
  any = false;
  EventShelf::Item *item = this->in_progress_ == InProgress::FRAME ? nullptr : this->shelf_.next();
  LogResult result = LogResult::OK;
  if (item != nullptr) {
    if (this->in_progress_ != InProgress::EVENT)
      this->event_bytes_ = EventShelf::make_frame(item->event, this->node_.identity.cluster,
                                                  this->log_schema_.hash, this->event_frame_);
    this->in_progress_ = InProgress::EVENT;
    result = this->log_->append(this->event_bytes_);
    if (result == LogResult::OK) {
      item->placed = true;
      item->seq = this->log_->next_seq() - 1;
      this->urgent_ = true;
    }
  } else {
    const std::span<uint8_t> frame = this->queue_.next();
    if (frame.empty()) return LogResult::OK;
    this->in_progress_ = InProgress::FRAME;
    result = this->log_->append(frame);
    if (result == LogResult::OK) this->queue_.placed();
  }
  if (result == LogResult::DEVICE || result == LogResult::FULL) return result;
  any = result == LogResult::OK;
  this->in_progress_ = InProgress::NOTHING;
  return result;
}

bool LogWriter::sync_log() {
  if (this->log_->sync() != LogResult::OK) return false;
  this->unsynced_ = false;
  this->urgent_ = false;
  this->well();
  if (const auto durable = this->log_->durable()) this->queue_.durable(durable->seq);
  return true;
}

void LogWriter::tell_events(uint64_t now_us) {
  const auto durable = this->log_open_ ? this->log_->durable() : std::nullopt;
  const auto seq = durable ? std::optional{durable->seq} : std::nullopt;
  const uint64_t since_us = this->without_ ? now_us - std::min(now_us, TELL_US) : 0;
  while (EventShelf::Item *item = this->shelf_.to_tell(seq, since_us)) {
    const bool safe = item->placed && seq && item->seq <= *seq;
    if (!this->logged_.push({item->event, safe ? item->seq : item->event.key.number})) break;
    item->told = true;
  }
  if (seq) this->shelf_.durable(*seq);
}

void LogWriter::report_lost() {
  if (!this->log_open_) return;
  if (!this->lost_) this->lost_ = this->log_->take_lost();
  if (!this->lost_) return;
  NodeEvent event;
  event.type = EventType::OVERFLOW_;
  event.state = EventState::MOMENT;
  event.severity = Severity::WARNING;
  event.code.assign("OVERFLOW");
  event.lost = *this->lost_;
  if (this->node_.desk.from_log(event)) this->lost_.reset();
}

uint16_t LogWriter::free_permille() const {
  const auto newest = this->log_->newest_segment();
  if (!this->log_open_ || !newest) return 0;
  const auto safe = this->log_->acknowledged_segment();
  const uint64_t oldest = safe ? *safe : this->log_->segment_from(0).value_or(*newest);
  const uint64_t slots = this->settings_.log_slots;
  const uint64_t occupied = std::min(slots, *newest - std::min(*newest, oldest) + 1);
  return static_cast<uint16_t>((slots - occupied) * 1000 / slots);
}

void LogWriter::publish_health() {
  const auto durable = this->log_->durable();
  LogHealth health{
      .card = this->card_ == CardState::OK && this->trouble_since_us_ != 0 ? CardState::FAILING : this->card_,
      .snapshots_free = this->cutter_->free(),
      .free_permille = this->free_permille(),
      .errors = this->errors_,
      .lost_frames = this->log_->counters().lost_frames + this->to_give_up_,
      .refused_records = this->events_in_.refused() + this->wishes_.refused() + this->refused_ +
                         this->frames_in_->refused() + this->capture_.refused() +
                         this->recorder_.counters().overrun,
      .write_latency = this->latency_.counts,
      .next_seq = this->log_->next_seq(),
      .durable_known = durable.has_value(),
      .durable = durable.value_or(Position{})};
  this->health_.store(health);
}

}  // namespace esphome::microgrid
