// The ring: finding its end, placing frames, moving from segment to segment, living with media that fail.
#include "umg1_ring.h"

#include <algorithm>

#include "umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr std::array<uint8_t, BLOCK_BYTES> ZEROS{};
constexpr size_t MAX_NAME_BYTES = 32;
constexpr size_t MAX_BOOT_FRAME_BYTES = FRAME_HEADER_BYTES + 1 + 256 + 8;

constexpr uint32_t sector_up(uint32_t offset) {
  return (offset + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
}

}  // namespace

// ------------------------------------------------------------------------------------------- finding the end

LogResult RingLog::open(const Start &start) {
  const size_t fitting =
      this->device_.block_count() / std::max<uint32_t>(1, this->config_.blocks_per_segment);
  this->slots_ = this->slots_.first(std::min(this->slots_.size(), fitting));
  if (this->slots_.size() < MIN_SLOTS || this->config_.node.size() > MAX_NAME_BYTES ||
      this->config_.cluster.size() > MAX_NAME_BYTES || start.schema.size() > MAX_PAYLOAD_BYTES ||
      SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + start.schema.size() + MAX_BOOT_FRAME_BYTES >
          this->capacity())
    return LogResult::UNUSABLE;
  this->start_ = start;
  if (!this->end_found_) {
    if (const LogResult result = this->find_end(); result != LogResult::OK) return result;
    this->end_found_ = true;
  }
  if (this->boot_pending_) {
    std::array<uint8_t, MAX_BOOT_FRAME_BYTES> room{};
    FrameBuilder frame(room, {.kind = Kind::BOOT,
                              .mono_us = start.mono_us,
                              .utc_us = start.utc_us,
                              .schema_hash = start.schema_hash,
                              .clock = {}});
    const Position previous = this->previous_.value_or(Position{0, 0});
    write_boot(frame, {.reason = start.reason,
                       .firmware = start.firmware,
                       .previous_boot_id = previous.boot_id,
                       .previous_next_seq = previous.seq});
    const std::span<uint8_t> bytes = frame.finish();
    seal(bytes, {start.boot_id, this->next_seq_});  // so that a second attempt is known as the same frame
    if (const LogResult result = this->append(bytes); result != LogResult::OK) return result;
    this->boot_pending_ = false;
  }
  return this->sync();
}

void RingLog::forget_medium() {
  this->end_found_ = false;
  this->active_ = Slot::EMPTY;
  this->preparing_ = Slot::EMPTY;
  this->lowest_next_ = 0;
  this->progress_ = 0;
  this->dirty_ = false;
  this->schema_pending_ = false;
  this->acknowledged_in_.reset();
  this->not_located_boot_.reset();
  for (Pin &pin : this->pins_) pin.used = false;
  this->version_++;
}

void RingLog::recognise(std::optional<Position> last, uint64_t newest) {
  if (this->boot_pending_) this->began_in_ = newest;
  if (!this->appended_) return;
  const uint32_t written = this->appended_->seq;
  if (last && last->boot_id == this->start_.boot_id &&
      (!this->durable_ || last->seq >= this->durable_->seq)) {
    // Numbers behind `last` are on no medium: they are given again, unless some were given up meanwhile.
    if (this->next_seq_ == written + 1) {
      this->next_seq_ = last->seq + 1;
    } else {
      for (uint32_t seq = last->seq + 1; seq <= written; seq++) this->add_lost({last->boot_id, seq});
    }
    this->appended_ = last;
    this->durable_ = last;
    return;
  }
  const bool some_safe = this->acknowledged_ && this->acknowledged_->boot_id == this->start_.boot_id;
  for (uint32_t seq = some_safe ? this->acknowledged_->seq + 1 : 0; seq <= written; seq++)
    this->add_lost({this->start_.boot_id, seq});
  this->appended_.reset();
  this->durable_.reset();
  this->began_in_ = newest;
}

bool RingLog::give_up(uint32_t frames) {
  if (this->progress_ > 0 || this->schema_pending_) return false;
  for (; frames > 0; frames--) this->add_lost({this->start_.boot_id, this->next_seq_++});
  return true;
}

bool RingLog::read_slots() {
  bool any = false;
  for (size_t i = 0; i < this->slots_.size(); i++) {
    Slot &slot = this->slots_[i];
    slot = {};
    if (!this->device_.read(static_cast<uint32_t>(i) * this->config_.blocks_per_segment,
                            this->cache_.take())) {
      this->counters_.device_errors++;
      continue;
    }
    any = true;
    const auto header = read_segment_header(this->cache_.bytes());
    if (!header || header->capacity_bytes != this->capacity() || this->slot_of(header->number) != i) continue;
    slot = {.number = header->number,
            .mono_us = header->mono_us,
            .boot_id = header->boot_id,
            .first_seq = Slot::UNKNOWN_SEQ};
    const auto first = parse_header(Bytes(this->cache_.bytes()).subspan(SEGMENT_HEADER_BYTES));
    if (first && first->boot_id == header->boot_id) slot.first_seq = first->seq;
  }
  return any;
}

uint32_t RingLog::last_frame_end(uint64_t number, std::optional<Position> &last) {
  uint32_t end = SEGMENT_HEADER_BYTES;
  this->scan_.open(this->first_block_of(number), end, this->capacity());
  while (true) {
    switch (this->scan_.next()) {
      case SegmentScan::Step::FRAME:
        last = Position{this->scan_.header().boot_id, this->scan_.header().seq};
        end = this->scan_.offset() + static_cast<uint32_t>(this->scan_.header().frame_bytes());
        break;
      case SegmentScan::Step::UNREADABLE:
        this->scan_.skip();
        break;
      case SegmentScan::Step::END:
        return end;
    }
  }
}

bool RingLog::is_of_this_node(uint64_t number) {
  if (!this->device_.read(this->first_block_of(number), this->cache_.take())) return false;
  const auto header = read_segment_header(this->cache_.bytes());
  return header && header->node == this->config_.node && header->cluster == this->config_.cluster;
}

LogResult RingLog::find_end() {
  this->active_ = Slot::EMPTY;
  if (!this->read_slots()) return this->failed();
  std::optional<uint64_t> newest;
  for (const Slot &slot : this->slots_) {
    if (slot.number != Slot::EMPTY && (!newest || slot.number > *newest)) newest = slot.number;
  }
  this->lowest_next_ = newest ? *newest + 1 : 0;
  std::optional<Position> last;
  if (!newest || !this->is_of_this_node(*newest)) {
    this->recognise(last, newest.value_or(0));
    return LogResult::OK;
  }

  const uint32_t end = this->last_frame_end(*newest, last);
  // A start that wrote no frame leaves an empty segment behind: the end is in the one before.
  for (uint64_t number = *newest; !last && number > 0 && *newest - number < this->slots_.size();) {
    if (this->find_segment(--number) != nullptr) this->last_frame_end(number, last);
  }
  if (last && last->boot_id != this->start_.boot_id) this->previous_ = Position{last->boot_id, last->seq + 1};
  this->recognise(last, *newest);
  const size_t needed = FRAME_HEADER_BYTES + this->start_.schema.size() + MAX_BOOT_FRAME_BYTES + BLOCK_BYTES;
  if (sector_up(end) + needed > this->capacity()) return LogResult::OK;
  return this->continue_segment(*newest, end);
}

LogResult RingLog::continue_segment(uint64_t number, uint32_t end) {
  const uint32_t first_block = this->first_block_of(number);
  const uint32_t place = sector_up(end);  // what a torn frame left in the sector of the end stays there
  this->block_ = place / BLOCK_BYTES;
  this->fill_ = place % BLOCK_BYTES;
  if (!this->device_.read(first_block + this->block_, this->buffer_))
    this->buffer_ = {};  // unreadable: nothing good was found in it
  std::fill(this->buffer_.begin() + this->fill_, this->buffer_.end(), uint8_t{0});
  for (uint32_t block = this->block_ + 1; block < this->config_.blocks_per_segment; block++) {
    const BlockRoom room = this->cache_.take();
    const bool empty = this->device_.read(first_block + block, room) && std::ranges::equal(room, ZEROS);
    if (!empty && !this->write_device(first_block + block, ZEROS)) return this->failed();
  }
  this->active_ = number;
  this->active_since_us_ = this->start_.mono_us;
  this->dirty_ = true;
  this->sector_frames_ = 0;
  this->frame_start_ = place;
  // The first frame in the buffer may begin in the block before.
  this->reaches_back_to_ = this->block_ > 0 ? (this->block_ - 1) * BLOCK_BYTES : 0;
  this->durable_end_ = end;
  this->make_schema_frame(this->start_.mono_us, this->start_.utc_us);
  return LogResult::OK;
}

// -------------------------------------------------------------------------------------------- placing frames

void RingLog::make_schema_frame(uint64_t mono_us, int64_t utc_us) {
  write_header({.kind = Kind::SCHEMA,
                .flags = 0,
                .payload_bytes = static_cast<uint16_t>(this->start_.schema.size()),
                .blocks = 0,
                .seq = this->next_seq_,
                .boot_id = this->start_.boot_id,
                .schema_hash = this->start_.schema_hash,
                .mono_us = mono_us,
                .utc_us = utc_us,
                .crc = 0},
               this->schema_header_.data());
  store(this->schema_header_.data() + 40, crc32(this->start_.schema, header_crc(this->schema_header_)));
  this->schema_pending_ = true;
}

LogResult RingLog::append(std::span<uint8_t> frame) {
  if (!this->end_found_ || frame.size() < FRAME_HEADER_BYTES) return LogResult::UNUSABLE;
  const size_t overhead = SEGMENT_HEADER_BYTES +
                          sector_up(static_cast<uint32_t>(FRAME_HEADER_BYTES + this->start_.schema.size()));
  if (overhead + frame.size() > this->capacity()) return LogResult::UNUSABLE;
  const auto header = parse_header(frame);
  if (!header || header->frame_bytes() != frame.size()) return LogResult::UNUSABLE;

  const bool frame_in_progress = this->progress_ > 0 && !this->schema_pending_;
  if (frame_in_progress && (header->seq != this->next_seq_ || header->boot_id != this->start_.boot_id ||
                            header->crc != this->progress_crc_))
    this->abandon();
  if (this->progress_ == 0 && !this->schema_pending_) {
    const bool old = header->mono_us >= this->active_since_us_ + this->config_.segment_us;
    if (this->active_ == Slot::EMPTY || old || !this->fits(frame.size())) {
      const LogResult result = this->new_segment(header->mono_us, header->utc_us);
      if (result != LogResult::OK) return result;
    }
  }
  if (this->schema_pending_) {
    const LogResult result = this->place(this->schema_header_, this->start_.schema);
    if (result != LogResult::OK) return result;
    this->schema_pending_ = false;
  }
  if (this->progress_ == 0) seal(frame, {this->start_.boot_id, this->next_seq_});
  return this->place(frame.first(FRAME_HEADER_BYTES), frame.subspan(FRAME_HEADER_BYTES));
}

uint32_t RingLog::next_place() const {
  // No sector holds parts of more than two frames, so that a destroyed one costs two at most.
  return this->sector_frames_ < 2 ? this->end() : sector_up(this->end());
}

bool RingLog::fits(size_t frame_bytes) const { return this->next_place() + frame_bytes <= this->capacity(); }

LogResult RingLog::place(Bytes head, Bytes body) {
  const auto size = static_cast<uint32_t>(head.size() + body.size());
  if (this->progress_ == 0) {
    this->fill_ += this->next_place() - this->end();
    if (this->fill_ == BLOCK_BYTES) {
      if (const LogResult result = this->leave_block(); result != LogResult::OK) return result;
    }
    this->frame_start_ = this->end();
    this->progress_crc_ = load<uint32_t>(head.data() + 40);
  }
  while (this->progress_ < size) {
    if (this->fill_ == BLOCK_BYTES) {
      if (const LogResult result = this->leave_block(); result != LogResult::OK) return result;
    }
    const Bytes left = this->progress_ < head.size() ? head.subspan(this->progress_)
                                                     : body.subspan(this->progress_ - head.size());
    const size_t some = std::min<size_t>(left.size(), BLOCK_BYTES - this->fill_);
    std::copy_n(left.begin(), some, this->buffer_.begin() + this->fill_);
    this->progress_ += static_cast<uint32_t>(some);
    this->fill_ += static_cast<uint32_t>(some);
    this->dirty_ = true;
  }
  const bool in_one_sector = this->frame_start_ / SECTOR_BYTES == (this->end() - 1) / SECTOR_BYTES;
  const bool first_in_sector = !in_one_sector || this->frame_start_ % SECTOR_BYTES == 0;
  this->sector_frames_ = first_in_sector ? uint8_t{1} : static_cast<uint8_t>(this->sector_frames_ + 1);
  this->progress_ = 0;
  this->appended_ = Position{this->start_.boot_id, this->next_seq_};
  this->next_seq_++;
  return LogResult::OK;
}

void RingLog::abandon() {
  this->counters_.abandoned_frames++;
  this->progress_ = 0;
  this->sector_frames_ = 2;  // the next frame begins in a sector of its own
}

LogResult RingLog::leave_block() {
  if (this->dirty_) {
    if (const LogResult result = this->write_buffer(); result != LogResult::OK) return result;
  }
  if (this->block_ + 1 == this->config_.blocks_per_segment)
    return this->give_up_segment();  // bad blocks took the room of this frame
  this->block_++;
  this->fill_ = 0;
  this->buffer_ = {};
  this->reaches_back_to_ = this->progress_ > 0 ? this->frame_start_ : this->block_ * BLOCK_BYTES;
  return LogResult::OK;
}

LogResult RingLog::sync() {
  if (!this->end_found_) return LogResult::UNUSABLE;
  if (this->dirty_) {
    if (const LogResult result = this->write_buffer(); result != LogResult::OK) return result;
  }
  if (!this->device_.sync()) {
    this->dirty_ = true;  // who knows what the medium kept
    return this->failed();
  }
  this->errors_in_a_row_ = 0;
  this->durable_ = this->appended_;
  this->durable_end_ = this->progress_ > 0 ? this->frame_start_ : this->end();
  return LogResult::OK;
}

// ------------------------------------------------------------------------------------------- media that fail

bool RingLog::write_device(uint32_t block, BlockBytes from) {
  this->version_++;
  const bool written = this->device_.write(block, from);
  if (written) this->errors_in_a_row_ = 0;
  return written;
}

LogResult RingLog::failed() {
  this->counters_.device_errors++;
  this->errors_in_a_row_++;
  return LogResult::DEVICE;
}

LogResult RingLog::write_buffer() {
  if (this->write_device(this->first_block_of(this->active_) + this->block_, this->buffer_)) {
    this->dirty_ = false;
    return LogResult::OK;
  }
  this->failed();
  return this->errors_in_a_row_ % GIVE_UP_AFTER == 0 ? this->pass_over_block() : LogResult::DEVICE;
}

/// Bad blocks left no room in the segment: what was not durable yet is lost, and said to be.
LogResult RingLog::give_up_segment() {
  // A medium that fails everywhere may come back: only one that takes a block of the next slot is left with a
  // loss.
  const auto next = this->next_number();
  if (!next) return LogResult::FULL;
  if (const LogResult result = this->prepare_slot(*next, 1); result != LogResult::OK) return result;
  if (!this->write_device(this->first_block_of(*next), ZEROS)) return this->failed();
  const auto last = this->appended_, safe = this->durable_;
  if (last && last != safe) {
    for (uint32_t seq = safe && safe->boot_id == last->boot_id ? safe->seq + 1 : 0; seq <= last->seq; seq++)
      this->add_lost({last->boot_id, seq});
  }
  this->progress_ = 0;
  this->schema_pending_ = false;
  this->dirty_ = false;
  this->lowest_next_ = this->active_ + 1;
  this->active_ = Slot::EMPTY;
  return LogResult::DEVICE;
}

/// The block seems bad. Its content, from the block where its first frame begins, is written again behind it;
/// readers drop what they find twice. A medium that fails as a whole fails here too, and nothing changes.
LogResult RingLog::pass_over_block() {
  const uint32_t first = this->reaches_back_to_ / BLOCK_BYTES;
  const uint32_t count = this->block_ - first + 1;
  if (this->block_ + count >= this->config_.blocks_per_segment) return this->give_up_segment();
  const uint32_t base = this->first_block_of(this->active_);
  for (uint32_t i = 0; i + 1 < count; i++) {
    const BlockRoom room = this->cache_.take();
    if (!this->device_.read(base + first + i, room) || !this->write_device(base + this->block_ + 1 + i, room))
      return this->failed();
  }
  if (!this->write_device(base + this->block_ + count, this->buffer_)) return this->failed();
  this->block_ += count;
  this->frame_start_ += count * BLOCK_BYTES;
  this->reaches_back_to_ += count * BLOCK_BYTES;
  this->counters_.moved_blocks += count;
  this->dirty_ = false;
  return LogResult::OK;
}

// ----------------------------------------------------------------------------------- from segment to segment

LogResult RingLog::new_segment(uint64_t mono_us, int64_t utc_us) {
  if (this->active_ != Slot::EMPTY && (this->dirty_ || this->durable_ != this->appended_)) {
    if (const LogResult result = this->sync(); result != LogResult::OK) return result;
  }
  const auto number = this->next_number();
  if (!number) return LogResult::FULL;
  if (const LogResult result = this->prepare_slot(*number, this->config_.blocks_per_segment);
      result != LogResult::OK)
    return result;
  // Zeros that a power cut takes back under a header that stays would make old frames the end of the log.
  if (!this->device_.sync()) return this->failed();
  if (this->active_ == Slot::EMPTY && this->next_seq_ == 0) this->began_in_ = *number;

  this->buffer_ = {};
  write_segment_header({.capacity_bytes = this->capacity(),
                        .number = *number,
                        .boot_id = this->start_.boot_id,
                        .schema_hash = this->start_.schema_hash,
                        .utc_us = utc_us,
                        .mono_us = mono_us,
                        .node = this->config_.node,
                        .cluster = this->config_.cluster},
                       std::span(this->buffer_).first<SEGMENT_HEADER_BYTES>());
  this->slots_[this->slot_of(*number)] = {
      .number = *number, .mono_us = mono_us, .boot_id = this->start_.boot_id, .first_seq = this->next_seq_};
  this->active_ = *number;
  this->active_since_us_ = mono_us;
  this->preparing_ = Slot::EMPTY;
  this->block_ = 0;
  this->fill_ = SEGMENT_HEADER_BYTES;
  this->dirty_ = true;
  this->sector_frames_ = 0;
  this->frame_start_ = SEGMENT_HEADER_BYTES;
  this->reaches_back_to_ = 0;
  this->durable_end_ = SEGMENT_HEADER_BYTES;
  for (Pin &pin : this->pins_) {
    if (pin.used && pin.boot_id == this->start_.boot_id && mono_us <= pin.to_us + FRAME_DELAY_US)
      pin.last_segment = *number;
  }
  this->make_schema_frame(mono_us, utc_us);
  return LogResult::OK;
}

std::optional<uint64_t> RingLog::next_number() {
  uint64_t number = this->lowest_next_;
  if (this->active_ != Slot::EMPTY) number = std::max(number, this->active_ + 1);
  for (size_t tried = 0; tried < this->slots_.size(); tried++, number++) {
    const uint64_t there = this->slots_[this->slot_of(number)].number;
    if (there == Slot::EMPTY) return number;
    if (there == this->active_) continue;
    for (const Pin &pin : this->pins_) {
      if (this->keeper_ != nullptr && pin.used && there >= pin.first_segment && there <= pin.last_segment)
        this->keeper_->rescue(pin.id);
    }
    if (!this->is_pinned(there)) return number;
    this->counters_.skipped_slots++;
  }
  return std::nullopt;
}

LogResult RingLog::prepare_slot(uint64_t number, uint32_t blocks) {
  Slot &slot = this->slots_[this->slot_of(number)];
  if (this->preparing_ != number) {
    this->preparing_ = number;
    this->prepared_blocks_ = 0;
  }
  if (slot.number != Slot::EMPTY) {
    this->collect_lost(slot);
    slot = {};
  }
  for (; blocks > 0 && this->prepared_blocks_ < this->config_.blocks_per_segment; blocks--) {
    if (!this->write_device(this->first_block_of(number) + this->prepared_blocks_, ZEROS)) {
      this->failed();
      if (this->errors_in_a_row_ % GIVE_UP_AFTER == 0) {
        this->lowest_next_ = number + 1;
        this->counters_.skipped_slots++;
      }
      return LogResult::DEVICE;
    }
    this->prepared_blocks_++;
  }
  return LogResult::OK;
}

LogResult RingLog::prepare(uint32_t blocks, uint64_t mono_us) {
  if (this->active_ == Slot::EMPTY ||
      (this->end() < this->capacity() / 2 && mono_us < this->active_since_us_ + this->config_.segment_us / 2))
    return LogResult::OK;
  if (this->preparing_ != Slot::EMPTY && this->prepared_blocks_ == this->config_.blocks_per_segment)
    return LogResult::OK;
  const auto number = this->next_number();
  return number ? this->prepare_slot(*number, blocks) : LogResult::FULL;
}

// ---------------------------------------------------------------------------------------- acknowledged, lost

void RingLog::acknowledge(Position position) {
  this->acknowledged_ = position;
  this->acknowledged_in_ = this->locate(position);
}

std::optional<LostRange> RingLog::take_lost() {
  if (this->lost_count_ == 0) return std::nullopt;
  const LostRange oldest = this->lost_[0];
  std::copy(this->lost_.begin() + 1, this->lost_.end(), this->lost_.begin());
  this->lost_count_--;
  return oldest;
}

void RingLog::add_lost(Position position) {
  this->counters_.lost_frames++;
  // Numbers in between, if any, were lost before: one range tells of them too.
  if (this->lost_count_ > 0 && this->lost_[this->lost_count_ - 1].boot_id == position.boot_id) {
    LostRange &last = this->lost_[this->lost_count_ - 1];
    last.first_seq = std::min(last.first_seq, position.seq);
    last.last_seq = std::max(last.last_seq, position.seq);
    return;
  }
  if (this->lost_count_ == MAX_LOST) this->take_lost();  // nobody asked for it in the time of eight boots
  this->lost_[this->lost_count_++] = {position.boot_id, position.seq, position.seq};
}

void RingLog::collect_lost(const Slot &slot) {
  if (this->acknowledged_in_ && slot.number < *this->acknowledged_in_) return;
  // In the segment of the acknowledged frame, everything up to that frame is safe.
  const Position safe = this->acknowledged_.value_or(Position{0, 0});
  const bool partly = this->acknowledged_in_ && slot.number == *this->acknowledged_in_;
  uint32_t from = SEGMENT_HEADER_BYTES;
  for (const bool looking : {true, false}) {
    if (looking && !partly) continue;
    this->scan_.open(this->first_block_of(slot.number), from, this->capacity());
    for (SegmentScan::Step step = this->scan_.next(); step != SegmentScan::Step::END;
         step = this->scan_.next()) {
      if (step == SegmentScan::Step::UNREADABLE) {
        this->scan_.skip();
        continue;
      }
      const FrameHeader &header = this->scan_.header();
      if (!looking) {
        this->add_lost({header.boot_id, header.seq});
      } else if (header.boot_id == safe.boot_id && header.seq <= safe.seq) {
        from = this->scan_.offset() + static_cast<uint32_t>(header.frame_bytes());
      }
    }
  }
}

// ------------------------------------------------------------------------------------------------------ pins

bool RingLog::pin(uint32_t id, uint64_t from_us, uint64_t to_us) {
  for (Pin &pin : this->pins_) {
    if (pin.used && pin.id == id) {
      pin.to_us = std::max(pin.to_us, to_us);
      return true;
    }
  }
  const auto free =
      std::find_if(this->pins_.begin(), this->pins_.end(), [](const Pin &pin) { return !pin.used; });
  if (free == this->pins_.end() || this->active_ == Slot::EMPTY) return false;
  const uint64_t first = std::max(this->began_in_, this->segment_before(this->start_.boot_id, from_us));
  *free = {.id = id,
           .boot_id = this->start_.boot_id,
           .from_us = from_us,
           .to_us = to_us,
           .first_segment = first,
           .last_segment = this->active_,
           .used = true};
  return true;
}

void RingLog::unpin(uint32_t id) {
  for (Pin &pin : this->pins_) {
    if (pin.id == id) pin.used = false;
  }
}

const Pin *RingLog::find_pin(uint32_t id) const {
  for (const Pin &pin : this->pins_) {
    if (pin.used && pin.id == id) return &pin;
  }
  return nullptr;
}

bool RingLog::is_pinned(uint64_t number) const {
  return std::any_of(this->pins_.begin(), this->pins_.end(), [number](const Pin &pin) {
    return pin.used && number >= pin.first_segment && number <= pin.last_segment;
  });
}

// ----------------------------------------------------------------------------------------------- for readers

const Slot *RingLog::find_segment(uint64_t number) const {
  const Slot &slot = this->slots_[this->slot_of(number)];
  return number != Slot::EMPTY && slot.number == number ? &slot : nullptr;
}

std::optional<uint64_t> RingLog::segment_from(uint64_t number) const {
  std::optional<uint64_t> found;
  for (const Slot &slot : this->slots_) {
    if (slot.number != Slot::EMPTY && slot.number >= number && (!found || slot.number < *found))
      found = slot.number;
  }
  return found;
}

std::optional<uint64_t> RingLog::newest_segment() const {
  return this->active_ == Slot::EMPTY ? std::nullopt : std::optional{this->active_};
}

uint64_t RingLog::segment_before(uint32_t boot_id, uint64_t mono_us) const {
  // The boot may have begun inside the segment before the first one that it began.
  std::optional<uint64_t> begun, first_of_boot;
  for (const Slot &slot : this->slots_) {
    if (slot.number == Slot::EMPTY || slot.boot_id != boot_id) continue;
    first_of_boot = std::min(first_of_boot.value_or(slot.number), slot.number);
    if (slot.mono_us + FRAME_DELAY_US <= mono_us) begun = std::max(begun.value_or(slot.number), slot.number);
  }
  if (begun) return *begun;
  if (first_of_boot) return *first_of_boot > 0 ? *first_of_boot - 1 : 0;
  return boot_id == this->start_.boot_id ? this->began_in_ : 0;
}

uint32_t RingLog::first_block_of(uint64_t number) const {
  return static_cast<uint32_t>(this->slot_of(number)) * this->config_.blocks_per_segment;
}

uint32_t RingLog::readable_bytes(uint64_t number) const {
  return number == this->active_ ? this->durable_end_ : this->capacity();
}

std::optional<uint64_t> RingLog::locate(Position position) {
  std::optional<uint64_t> holds, follows, before;
  for (const Slot &slot : this->slots_) {
    if (slot.number == Slot::EMPTY || slot.boot_id != position.boot_id) continue;
    if (slot.first_seq != Slot::UNKNOWN_SEQ && slot.first_seq <= position.seq) {
      holds = holds ? std::max(*holds, slot.number) : slot.number;
    } else {
      follows = follows ? std::min(*follows, slot.number) : slot.number;
    }
  }
  if (holds) return holds;
  if (!follows && position.boot_id == this->start_.boot_id) return this->segment_from(this->began_in_);
  if (follows) {
    // The boot began in the segment before, if that still exists.
    for (const Slot &slot : this->slots_) {
      if (slot.number != Slot::EMPTY && slot.number < *follows)
        before = before ? std::max(*before, slot.number) : slot.number;
    }
    return before ? before : follows;
  }
  // A boot that began and ended inside one segment stands in no header.
  if (this->not_located_boot_ == position.boot_id) return std::nullopt;
  // It is most likely one of the last.
  const auto newest_below = [this](uint64_t limit) {
    std::optional<uint64_t> found;
    for (const Slot &slot : this->slots_) {
      if (slot.number < limit) found = std::max(found.value_or(slot.number), slot.number);
    }
    return found;
  };
  for (auto number = newest_below(Slot::EMPTY); number; number = newest_below(*number)) {
    this->scan_.open(this->first_block_of(*number), SEGMENT_HEADER_BYTES, this->readable_bytes(*number));
    for (SegmentScan::Step step = this->scan_.next(); step != SegmentScan::Step::END;
         step = this->scan_.next()) {
      if (step == SegmentScan::Step::UNREADABLE) {
        this->scan_.skip();
      } else if (this->scan_.header().boot_id == position.boot_id) {
        return number;
      }
    }
  }
  this->not_located_boot_ = position.boot_id;
  return std::nullopt;
}

}  // namespace esphome::microgrid
