// Windows and their way into the store, a few frames at each step.
#include "snapshot_cutter.h"

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_event.h"
#include "esphome/components/microgrid_core/umg1_samples.h"

namespace esphome::microgrid {

namespace {

constexpr int FRAMES_AT_ONCE = 16;
// Frames of a ring lie in the order in which they were finished: so far apart may their times be.
constexpr uint64_t DISORDER_US = 90'000'000;
// The slow frame of the window itself is often not closed yet: the one before it comes along.
constexpr uint64_t SLOW_US = 60'000'000;

}  // namespace

// --------------------------------------------------------------------------------------------------- windows

void SnapshotCutter::extend(Window &window, uint64_t trigger_us) {
  const uint64_t to_us = std::min(trigger_us + AFTER_US, window.from_us + MAX_WINDOW_US);
  if (to_us <= window.to_us) return;
  window.to_us = to_us;
  window.extended = true;
}

bool SnapshotCutter::keep(const SnapshotRequest &request) {
  Window *same = nullptr, *free = nullptr;
  for (Window &window : this->windows_) {
    if (!window.used) {
      free = free == nullptr ? &window : free;
      continue;
    }
    if (window.recovered || (this->copying() && &window == this->window_)) continue;
    const bool inside = request.trigger_mono_us >= window.from_us && request.trigger_mono_us <= window.to_us;
    if (inside) extend(window, request.trigger_mono_us);
    const bool same_boot =
        window.key.boot_id == request.key.boot_id || window.key.boot_id == 0 || request.key.boot_id == 0;
    if (window.key.node == request.key.node && window.key.number == request.key.number && same_boot) {
      if (window.key.boot_id == 0) window.key.boot_id = request.key.boot_id;
      same = &window;
    }
  }
  if (same != nullptr) return true;
  if (free == nullptr) return false;
  const uint64_t from_us = request.trigger_mono_us - std::min(request.trigger_mono_us, BEFORE_US);
  *free = {.used = true,
           .partial = request.trigger_mono_us < BEFORE_US,
           .key = request.key,
           .code = request.code,
           .trigger_mono_us = request.trigger_mono_us,
           .trigger_utc_us = request.trigger_utc_us,
           .boot_id = this->identity_.boot_id,
           .from_us = from_us,
           .to_us = request.trigger_mono_us + AFTER_US};
  return true;
}

void SnapshotCutter::name(uint8_t node, uint32_t number, uint32_t boot_id) {
  for (Window &window : this->windows_) {
    if (window.used && window.key.node == node && window.key.number == number && window.key.boot_id == 0)
      window.key.boot_id = boot_id;
  }
}

void SnapshotCutter::set_store(SnapshotStore *store, const SnapshotStore *other) {
  this->stage_ = Stage::NONE;
  this->store_ = store;
  for (Window &window : this->windows_) {
    if (!window.used) continue;
    if (window.recovered) {
      window.used = false;  // its head says it again
      continue;
    }
    window.head = nullptr;
    window.pinned_in_capture = window.pinned_in_log = false;
  }
  if (store == nullptr) return;
  for (SnapshotHead &head : store->heads()) {
    if (!head.recording || head.forgotten) continue;
    const auto mine =
        std::find_if(this->windows_.begin(), this->windows_.end(), [&head](const Window &window) {
          return window.used && window.boot_id == head.boot_id &&
                 window.trigger_mono_us == head.trigger_mono_us && window.key.node == head.key.node &&
                 window.key.number == head.key.number;
        });
    if (mine != this->windows_.end()) {
      mine->head = &head;
    } else if (other != nullptr && other->find(head.key, head.node) != nullptr) {
      head.forgotten = true;  // was finished there while this one was away
    }
  }
}

void SnapshotCutter::recover_one() {
  Window *free = nullptr;
  for (Window &window : this->windows_) {
    if (window.used && window.recovered) return;  // one at a time: new triggers need windows too
    if (!window.used) free = &window;
  }
  if (free == nullptr) return;
  const auto heads = this->store_->heads();
  const auto left_behind = std::find_if(heads.begin(), heads.end(), [this](const SnapshotHead &head) {
    return head.recording && !head.forgotten &&
           std::none_of(this->windows_.begin(), this->windows_.end(),
                        [&head](const Window &window) { return window.used && window.head == &head; });
  });
  if (left_behind == heads.end()) return;
  SnapshotHead &head = *left_behind;
  *free = {.used = true,
           .partial = true,
           .recovered = true,
           .key = head.key,
           .code = head.code,
           .trigger_mono_us = head.trigger_mono_us,
           .trigger_utc_us = head.trigger_utc_us,
           .boot_id = head.boot_id,
           .from_us = head.from_us,
           .to_us = head.to_us,
           .head = &head};
}

bool SnapshotCutter::reserve(Window &window) {
  SnapshotHead *head = this->store_->take_slot();
  if (head == nullptr) return true;  // one will be finished
  head->recording = true;
  head->node = this->identity_.number;
  head->key = window.key;
  head->code = window.code;
  head->boot_id = window.boot_id;
  head->from_us = window.from_us;
  head->to_us = window.to_us;
  head->trigger_mono_us = window.trigger_mono_us;
  head->trigger_utc_us = window.trigger_utc_us;
  window.head = head;
  return this->store_->save(*head);
}

void SnapshotCutter::pin(Window &window) {
  // Again and again: a window that was extended is longer than its pin.
  if (RingLog *ring = this->capture_.ring(); ring != nullptr)
    window.pinned_in_capture = ring->pin(this->pin_of(window), window.from_us, window.to_us);
  if (!this->capture_.in_ram())
    window.pinned_in_log = this->log_.pin(this->pin_of(window), window.from_us, window.to_us);
}

bool SnapshotCutter::is_over(const Window &window, uint64_t now_us) const {
  if (window.head == nullptr) return false;
  if (window.recovered) return this->capture_.ring() != nullptr;
  if (now_us < window.to_us) return false;
  if (now_us >= window.to_us + PATIENCE_US) return true;
  return window.key.boot_id != 0 && this->capture_.complete_until(window.to_us);
}

bool SnapshotCutter::step(uint64_t now_us) {
  if (this->store_ == nullptr || !this->store_->loaded()) return true;
  this->recover_one();
  for (Window &window : this->windows_) {
    if (!window.used) continue;
    if (window.head == nullptr && !this->reserve(window)) return false;
    if (window.recovered || (this->copying() && &window == this->window_)) continue;
    const uint64_t complete_from_us = this->capture_.complete_from_us();
    window.partial =
        window.partial || (complete_from_us > window.from_us && complete_from_us <= window.to_us);
    this->pin(window);
  }
  if (!this->copying()) {
    const auto due = std::find_if(
        this->windows_.begin(), this->windows_.end(),
        [this, now_us](const Window &window) { return window.used && this->is_over(window, now_us); });
    if (due == this->windows_.end()) return true;
    RingLog *ring = this->capture_.ring();
    if (ring != nullptr && ring->sync() != LogResult::OK) return false;
    due->partial = due->partial || ring == nullptr || this->capture_.in_ram() ||
                   !this->capture_.complete_until(due->to_us);
    this->window_ = &*due;
    this->stage_ = Stage::BEGIN;
  }
  return this->copy_some();
}

uint8_t SnapshotCutter::free() const {
  if (this->store_ == nullptr) return 0;
  return static_cast<uint8_t>(std::ranges::count(this->windows_, false, &Window::used));
}

size_t SnapshotCutter::list(std::span<StoredSnapshot> to) const {
  size_t count = 0;
  for (const Window &window : this->windows_) {
    if (!window.used || count == to.size()) continue;
    to[count++] = {.object = 0,
                   .node = this->identity_.number,
                   .part = SnapshotPart::MEASURED,
                   .state = StoredState::RECORDING,
                   .key = window.key,
                   .code = window.code,
                   .bytes = 0,
                   .crc = 0};
  }
  return count;
}

// --------------------------------------------------------------------------------------------------- copying

bool SnapshotCutter::copy_some() {
  switch (this->stage_) {
    case Stage::NONE:
      return true;
    case Stage::BEGIN:
      this->begin();
      return this->write_heads(SnapshotPart::MEASURED);
    case Stage::SAMPLES:
      return this->copy_frames(this->capture_.ring(), SnapshotPart::MEASURED);
    case Stage::LOG:
      return this->copy_frames(this->capture_.in_ram() ? nullptr : &this->log_, SnapshotPart::MEASURED);
    case Stage::TRAFFIC:
      return this->copy_frames(this->capture_.ring(), SnapshotPart::TRAFFIC);
    case Stage::FINISH:
      return this->finish();
  }
  return true;
}

void SnapshotCutter::begin() {
  SnapshotHead &head = *this->window_->head;
  head.key = this->window_->key;
  head.to_us = this->window_->to_us;
  head.parts = {};
  this->seq_ = 0;
  this->again_ = false;
  this->reader_.reset();
  this->stage_ = Stage::SAMPLES;
}

bool SnapshotCutter::write_schema(const SchemaBytes &schema, SnapshotPart part) {
  FrameBuilder frame(this->room_, {.kind = Kind::SCHEMA,
                                   .mono_us = this->window_->from_us,
                                   .utc_us = 0,
                                   .schema_hash = schema.hash,
                                   .clock = {}});
  frame.bytes(schema.payload);
  return this->write_frame(frame.finish(), part);
}

bool SnapshotCutter::write_heads(SnapshotPart part) {
  const Window &window = *this->window_;
  window.head->part(part).wanted = true;
  if (!this->write_schema(this->capture_schema_, part)) return false;
  if (part == SnapshotPart::MEASURED && !this->write_schema(this->log_schema_, part)) return false;

  const EventId event_id = make_event_id(this->identity_.cluster, window.key);
  std::array<char, 4> number{};
  const int digits =
      std::snprintf(number.data(), number.size(), "%u", static_cast<unsigned>(window.key.node));
  const bool own = window.key.node == this->identity_.number;
  FrameBuilder frame(this->room_, {.kind = Kind::SNAPSHOT,
                                   .mono_us = window.trigger_mono_us,
                                   .utc_us = window.trigger_utc_us,
                                   .schema_hash = this->capture_schema_.hash,
                                   .clock = {}});
  write_snapshot(frame, {.event_id = event_id.view(),
                         .code = window.code.view(),
                         .origin = own ? this->identity_.node
                                       : std::string_view(number.data(), static_cast<size_t>(digits)),
                         .trigger_mono_us = window.trigger_mono_us,
                         .trigger_utc_us = window.trigger_utc_us,
                         .before_ms = static_cast<uint32_t>((window.trigger_mono_us - window.from_us) / 1000),
                         .after_ms = static_cast<uint32_t>((window.to_us - window.trigger_mono_us) / 1000),
                         .state = static_cast<SnapshotState>(window.state())});
  return this->write_frame(frame.finish(), part);
}

bool SnapshotCutter::write_frame(std::span<uint8_t> frame, SnapshotPart part) {
  SnapshotHead &head = *this->window_->head;
  if (frame.empty() || frame.size() > this->store_->capacity(part) - head.part(part).received) {
    this->again_ = true;
    return true;
  }
  seal(frame, {this->window_->boot_id, this->seq_});
  if (!this->store_->append(head, part, frame)) {
    this->stage_ = Stage::BEGIN;  // on a medium that failed a while ago nothing is certain: all of it again
    return false;
  }
  this->seq_++;
  return true;
}

bool SnapshotCutter::wanted(const Frame &frame) const {
  const FrameHeader &header = frame.header;
  const Window &window = *this->window_;
  uint64_t span_us = 0;
  switch (header.kind) {
    case Kind::SCHEMA:  // another one than ours: an update came between the trigger and now
      return header.schema_hash != this->capture_schema_.hash && header.schema_hash != this->log_schema_.hash;
    case Kind::FAST:
      if (this->stage_ != Stage::SAMPLES) return false;
      span_us = CaptureLog::SPAN_US - 1;
      break;
    case Kind::CAN:
      if (this->stage_ != Stage::TRAFFIC) return false;
      span_us = CaptureLog::SPAN_US - 1;
      break;
    case Kind::SLOW: {
      const auto samples = open_samples(frame);
      if (this->stage_ != Stage::LOG || !samples) return false;
      span_us = uint64_t{samples->span_ms} * 1000 + SLOW_US;
      break;
    }
    case Kind::EVENT:
    case Kind::TIMESYNC:
      if (this->stage_ != Stage::LOG) return false;
      break;
    default:
      return false;
  }
  return header.mono_us <= window.to_us && header.mono_us + span_us >= window.from_us;
}

bool SnapshotCutter::copy_frames(RingLog *from, SnapshotPart to) {
  const Window &window = *this->window_;
  bool ended = from == nullptr;
  if (!ended && !this->reader_) {
    this->reader_.emplace(*from, this->cache_, this->room_);
    this->reader_->seek_segment(
        from->segment_before(window.boot_id, window.from_us - std::min(window.from_us, SLOW_US)));
  }
  for (int i = 0; i < FRAMES_AT_ONCE && !ended; i++) {
    Frame frame{};
    switch (this->reader_->next(frame)) {
      case RingReader::Step::END:
        ended = true;
        break;
      case RingReader::Step::UNREADABLE:
        this->reader_->skip();
        this->again_ = true;
        break;
      case RingReader::Step::FRAME:
        if (frame.header.boot_id != window.boot_id) break;
        ended = frame.header.mono_us > window.to_us + DISORDER_US;
        if (!this->wanted(frame)) break;
        if (!window.head->part(to).wanted) {  // its heads need the room in which the frame lies
          if (!this->write_heads(to)) return false;
          this->reader_.reset();
          return true;
        }
        if (!this->write_frame(this->room_.first(frame.bytes.size()), to)) return false;
        break;
    }
  }
  if (ended) {
    this->reader_.reset();
    this->stage_ = static_cast<Stage>(static_cast<uint8_t>(this->stage_) + 1);
  }
  return true;
}

bool SnapshotCutter::finish() {
  Window &window = *this->window_;
  if (this->again_ && !window.partial) {
    window.partial = true;
    this->stage_ = Stage::BEGIN;
    return true;
  }
  SnapshotHead &head = *window.head;
  for (const SnapshotPart which : {SnapshotPart::MEASURED, SnapshotPart::TRAFFIC}) {
    SnapshotHead::Part &part = head.part(which);
    if (!part.wanted) continue;
    const auto crc = this->store_->crc_of(head, which);
    if (!crc) return false;
    part.crc = *crc;
    part.bytes = part.received;
    part.state = window.state();
    part.complete = true;
  }
  head.recording = false;
  if (!this->store_->save(head)) {
    head.recording = true;
    return false;
  }
  this->release(window);
  this->stage_ = Stage::NONE;
  return true;
}

void SnapshotCutter::release(Window &window) {
  if (window.pinned_in_log) this->log_.unpin(this->pin_of(window));
  if (RingLog *ring = this->capture_.ring(); ring != nullptr && window.pinned_in_capture)
    ring->unpin(this->pin_of(window));
  window.used = false;
}

}  // namespace esphome::microgrid
