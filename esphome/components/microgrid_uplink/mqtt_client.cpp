// Packets are laid out in the outbox as they go over the wire; what is acknowledged moves out and the rest
// moves up.
#include "mqtt_client.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

enum PacketType : uint8_t {
  CONNECT = 1,
  CONNACK = 2,
  PUBLISH = 3,
  PUBACK = 4,
  SUBSCRIBE = 8,
  SUBACK = 9,
  PINGREQ = 12,
  PINGRESP = 13,
  DISCONNECT = 14,
};

constexpr uint8_t DUP = 0x08;
constexpr uint8_t RETAIN = 0x01;
constexpr size_t MAX_TEXT_BYTES = 0xFFFF;
constexpr size_t MAX_BODY_BYTES = 268'435'455;

constexpr uint8_t first_byte_of(PacketType type, uint8_t flags = 0) {
  return static_cast<uint8_t>(type << 4 | flags);
}

size_t length_bytes(size_t body_bytes) {
  size_t bytes = 1;
  for (; body_bytes >= 0x80; body_bytes >>= 7) bytes++;
  return bytes;
}

/// Numbers are big-endian here.
void put_u16(ByteWriter &out, size_t value) {
  out.u8(static_cast<uint8_t>(value >> 8));
  out.u8(static_cast<uint8_t>(value));
}
void put_text(ByteWriter &out, Bytes text) {
  put_u16(out, text.size());
  out.bytes(text);
}
uint16_t take_u16(ByteReader &in) {
  const uint8_t high = in.u8();
  return static_cast<uint16_t>(high << 8 | in.u8());
}

/// The remaining length behind the first byte: its value and how many bytes it has; bytes 0 when more must
/// come first.
struct Length {
  size_t value{0};
  size_t bytes{0};
  bool malformed{false};
};
Length read_length(Bytes data) {
  Length length;
  for (size_t i = 0; i < 4; i++) {
    if (i == data.size()) return {};
    length.value |= static_cast<size_t>(data[i] & 0x7F) << (7 * i);
    if (data[i] < 0x80) {
      length.bytes = i + 1;
      return length;
    }
  }
  length.malformed = true;
  return length;
}

}  // namespace

// ---- connection
// --------------------------------------------------------------------------------------------

void MqttClient::loop(uint64_t now_us) {
  switch (this->state_) {
    case State::IDLE:
      if (now_us < this->deadline_us_) return;
      this->state_ = State::OPENING;
      this->deadline_us_ = now_us + ANSWER_TIMEOUT_US;
      if (!this->stream_.open()) this->lose(now_us);
      return;
    case State::OPENING:
      if (this->stream_.state() == ByteStream::State::OPEN) {
        this->greet(now_us);
      } else if (this->stream_.state() == ByteStream::State::CLOSED || now_us >= this->deadline_us_) {
        this->lose(now_us);
      }
      return;
    case State::GREETING:
    case State::CONNECTED:
      this->receive(now_us);
      if (!this->broken_) this->send(now_us);
      if (!this->broken_) this->look_after(now_us);
      if (this->broken_ || this->stream_.state() != ByteStream::State::OPEN) this->lose(now_us);
  }
}

void MqttClient::greet(uint64_t now_us) {
  const MqttSettings &is = this->settings_;
  const bool will = !is.will_topic.empty();
  size_t body = 10 + 2 + is.client_id.size();
  if (will) body += 2 + is.will_topic.size() + 2 + is.will_payload.size();
  if (!is.user.empty()) body += 2 + is.user.size();
  if (!is.password.empty()) body += 2 + is.password.size();

  // It goes before everything that waits; the inbox is empty now and long enough to build it.
  ByteWriter out(this->inbox_);
  out.u8(first_byte_of(CONNECT));
  out.varint(body);
  put_text(out, bytes_of("MQTT"));
  out.u8(4);  // 3.1.1
  out.u8(static_cast<uint8_t>((is.user.empty() ? 0 : 0x80) | (is.password.empty() ? 0 : 0x40) |
                              (will ? 0x20 | 1 << 3 | 0x04 : 0) | (is.clean_session ? 0x02 : 0)));
  put_u16(out, is.keep_alive_s);
  put_text(out, bytes_of(is.client_id));
  if (will) put_text(out, bytes_of(is.will_topic));
  if (will) put_text(out, is.will_payload);
  if (!is.user.empty()) put_text(out, bytes_of(is.user));
  if (!is.password.empty()) put_text(out, bytes_of(is.password));

  this->state_ = State::GREETING;
  this->deadline_us_ = now_us + ANSWER_TIMEOUT_US;
  this->sent_us_ = now_us;
  this->pinged_us_ = 0;
  this->broken_ = false;
  this->inbox_used_ = this->skip_ = this->control_used_ = this->control_progress_ = 0;
  // A stream that was just opened has room for so little; when it has not, nothing will come of it.
  if (!out.ok() || this->stream_.write(out.written()) != out.size()) this->lose(now_us);
}

void MqttClient::lose(uint64_t now_us) {
  if (this->state_ == State::CONNECTED) this->counters_.losses++;
  this->stream_.close();
  this->state_ = State::IDLE;
  this->broken_ = false;
  // A tenth more or less, so that many nodes do not come back at the same instant.
  const uint64_t jitter_us = now_us * 2654435761U % (this->pause_us_ / 5);
  this->deadline_us_ = now_us + this->pause_us_ * 9 / 10 + jitter_us;
  this->pause_us_ = std::min(2 * this->pause_us_, MAX_PAUSE_US);

  uint8_t *at = this->outbox_.data();
  for (size_t i = 0; i < this->entry_count_;) {
    Entry &entry = this->entries_[i];
    if (entry.kind != Kind::AT_LEAST_ONCE) {  // lost with the connection; subscriptions are made anew
      this->remove(i);
      continue;
    }
    if (entry.sent) {
      *at |= DUP;
      entry.sent = false;
      this->counters_.repeated++;
    }
    at += entry.bytes;
    i++;
  }
  this->progress_ = 0;
}

void MqttClient::disconnect() {
  if (this->state_ == State::CONNECTED && this->progress_ == 0 && this->control_progress_ == 0) {
    constexpr std::array<uint8_t, 2> PACKET{first_byte_of(DISCONNECT), 0};
    this->stream_.write(PACKET);
    this->state_ = State::OPENING;  // not a loss
  }
  this->lose(this->sent_us_);
}

void MqttClient::protocol_error() {
  this->counters_.protocol_errors++;
  this->broken_ = true;
}

void MqttClient::look_after(uint64_t now_us) {
  if (this->state_ == State::GREETING) {
    this->broken_ = now_us >= this->deadline_us_;
    return;
  }
  const uint64_t keep_alive_us = this->settings_.keep_alive_s * SECOND_US;
  if (this->pinged_us_ != 0) {
    this->broken_ = now_us >= this->pinged_us_ + ANSWER_TIMEOUT_US;
  } else if (keep_alive_us != 0 &&
             (now_us >= this->sent_us_ + keep_alive_us / 2 || now_us >= this->heard_us_ + keep_alive_us)) {
    // Also while we send and hear nothing: a dead line takes bytes for a long time.
    constexpr std::array<uint8_t, 2> PACKET{first_byte_of(PINGREQ), 0};
    this->control(PACKET);
    this->pinged_us_ = now_us;
  }
}

// ---- sending
// -----------------------------------------------------------------------------------------------

uint8_t *MqttClient::room_for(size_t bytes) {
  if (this->entry_count_ == MAX_ENTRIES || bytes > this->outbox_.size() - this->outbox_used_) {
    this->counters_.no_room++;
    return nullptr;
  }
  uint8_t *room = this->outbox_.data() + this->outbox_used_;
  this->outbox_used_ += bytes;
  return room;
}

bool MqttClient::publish(std::string_view topic, Bytes payload, uint8_t qos, bool retain) {
  if (this->state_ != State::CONNECTED || topic.empty() || topic.size() > MAX_TEXT_BYTES) return false;
  const size_t body = 2 + topic.size() + (qos != 0 ? 2 : 0) + payload.size();
  if (body > MAX_BODY_BYTES) return false;
  const size_t bytes = 1 + length_bytes(body) + body;
  uint8_t *room = this->room_for(bytes);
  if (room == nullptr) return false;

  const uint16_t id = qos != 0 ? this->new_id() : uint16_t{0};
  ByteWriter out({room, bytes});
  out.u8(first_byte_of(PUBLISH, static_cast<uint8_t>((qos != 0 ? 1 << 1 : 0) | (retain ? RETAIN : 0))));
  out.varint(body);
  put_text(out, bytes_of(topic));
  if (qos != 0) put_u16(out, id);
  out.bytes(payload);
  this->entries_[this->entry_count_++] = {.bytes = static_cast<uint32_t>(bytes),
                                          .id = id,
                                          .kind = qos != 0 ? Kind::AT_LEAST_ONCE : Kind::ONCE,
                                          .sent = false};
  return true;
}

bool MqttClient::subscribe(std::string_view filter) {
  if (this->state_ != State::CONNECTED || filter.empty() || filter.size() > MAX_TEXT_BYTES) return false;
  const size_t body = 2 + 2 + filter.size() + 1;
  const size_t bytes = 1 + length_bytes(body) + body;
  uint8_t *room = this->room_for(bytes);
  if (room == nullptr) return false;

  const uint16_t id = this->new_id();
  ByteWriter out({room, bytes});
  out.u8(first_byte_of(SUBSCRIBE, 0x02));
  out.varint(body);
  put_u16(out, id);
  put_text(out, bytes_of(filter));
  out.u8(1);
  this->entries_[this->entry_count_++] = {
      .bytes = static_cast<uint32_t>(bytes), .id = id, .kind = Kind::SUBSCRIBE, .sent = false};
  return true;
}

uint16_t MqttClient::new_id() {
  const auto used = [this](uint16_t id) {
    const auto begin = this->entries_.begin();
    return std::any_of(begin, begin + static_cast<std::ptrdiff_t>(this->entry_count_),
                       [id](const Entry &entry) { return entry.id == id; });
  };
  do this->last_id_++;
  while (this->last_id_ == 0 || used(this->last_id_));
  return this->last_id_;
}

void MqttClient::control(std::span<const uint8_t> packet) {
  // receive() stops before it is full, and a ping is sent only when the last one was answered.
  if (packet.size() > this->control_.size() - this->control_used_) return;
  std::copy(packet.begin(), packet.end(),
            this->control_.begin() + static_cast<std::ptrdiff_t>(this->control_used_));
  this->control_used_ += packet.size();
}

size_t MqttClient::in_flight() const {
  size_t count = 0;
  for (size_t i = 0; i < this->entry_count_; i++)
    if (this->entries_[i].sent) count++;
  return count;
}

void MqttClient::send(uint64_t now_us) {
  size_t budget = BYTES_PER_LOOP;
  // A packet is never cut in two by another one.
  if (this->progress_ == 0 && this->control_used_ != 0) {
    const Bytes waiting = Bytes(this->control_).first(this->control_used_).subspan(this->control_progress_);
    const size_t written = this->stream_.write(waiting);
    if (written != 0) this->sent_us_ = now_us;
    this->control_progress_ += written;
    if (this->control_progress_ < this->control_used_) return;
    this->control_used_ = this->control_progress_ = 0;
  }
  if (this->state_ != State::CONNECTED) return;

  size_t offset = 0;
  size_t index = 0;
  while (budget != 0) {
    while (index < this->entry_count_ && this->entries_[index].sent) offset += this->entries_[index++].bytes;
    if (index == this->entry_count_) return;
    Entry &entry = this->entries_[index];
    if (entry.kind != Kind::ONCE && this->progress_ == 0 && this->in_flight() >= MAX_IN_FLIGHT) return;
    const Bytes packet = Bytes(this->outbox_).subspan(offset, entry.bytes).subspan(this->progress_);
    const size_t written = this->stream_.write(packet.first(std::min(budget, packet.size())));
    if (written == 0) return;
    this->sent_us_ = now_us;
    budget -= written;
    this->progress_ += written;
    if (this->progress_ < entry.bytes) continue;
    this->progress_ = 0;
    if (entry.kind != Kind::SUBSCRIBE) this->counters_.sent++;
    if (entry.kind == Kind::ONCE) {
      this->remove(index);
    } else {
      entry.sent = true;
    }
    if (this->control_used_ != 0) return;  // acknowledgements do not wait behind a long queue
  }
}

void MqttClient::remove(size_t index) {
  size_t offset = 0;
  for (size_t i = 0; i < index; i++) offset += this->entries_[i].bytes;
  const size_t bytes = this->entries_[index].bytes;
  std::memmove(this->outbox_.data() + offset, this->outbox_.data() + offset + bytes,
               this->outbox_used_ - offset - bytes);
  this->outbox_used_ -= bytes;
  const auto at = this->entries_.begin() + static_cast<std::ptrdiff_t>(index);
  std::copy(at + 1, this->entries_.begin() + static_cast<std::ptrdiff_t>(this->entry_count_), at);
  this->entry_count_--;
}

bool MqttClient::remove_acknowledged(Kind kind, uint16_t id) {
  for (size_t i = 0; i < this->entry_count_; i++) {
    const Entry &entry = this->entries_[i];
    if (entry.kind != kind || entry.id != id || !entry.sent) continue;
    this->remove(i);
    return true;
  }
  return false;
}

// ---- receiving
// ---------------------------------------------------------------------------------------------

void MqttClient::receive(uint64_t now_us) {
  size_t budget = BYTES_PER_LOOP;
  // Every received message may need an acknowledgement of four bytes: first there must be room for them.
  while (budget != 0 && !this->broken_ && this->control_used_ <= this->control_.size() / 2) {
    const std::span<uint8_t> room = this->inbox_.subspan(this->inbox_used_);
    const size_t read = this->stream_.read(room.first(std::min(room.size(), budget)));
    if (read == 0) {
      this->take_packets(now_us);  // what was left when acknowledgements had no room
      return;
    }
    budget -= read;
    this->heard_us_ = now_us;
    this->inbox_used_ += read;
    this->take_packets(now_us);
  }
}

void MqttClient::take_packets(uint64_t now_us) {
  size_t at = 0;
  while (!this->broken_ && this->control_used_ <= this->control_.size() - 8) {
    const size_t skipped = std::min(this->skip_, this->inbox_used_ - at);
    this->skip_ -= skipped;
    at += skipped;
    const Bytes data = Bytes(this->inbox_).first(this->inbox_used_).subspan(at);
    if (data.size() < 2) break;
    const Length length = read_length(data.subspan(1));
    if (length.malformed) return this->protocol_error();
    if (length.bytes == 0) break;
    const size_t head = 1 + length.bytes;
    const size_t whole = head + length.value;
    const bool fits = whole <= this->inbox_.size();
    if (data.size() < whole && (fits || data.size() < this->inbox_.size())) break;

    if (this->state_ == State::GREETING) {
      const Bytes body = data.subspan(head);
      if (data[0] != first_byte_of(CONNACK) || length.value != 2) return this->protocol_error();
      if (body[1] != 0) {
        this->counters_.refused++;
        this->pause_us_ = MAX_PAUSE_US;  // asking more often does not change its mind
        this->broken_ = true;
        return;
      }
      this->state_ = State::CONNECTED;
      this->counters_.connections++;
      this->pause_us_ = SECOND_US;
      this->sent_us_ = now_us;
    } else if (fits) {
      this->take(data[0], data.subspan(head, length.value));
    } else {
      if (data[0] >> 4 != PUBLISH) return this->protocol_error();
      this->counters_.oversized++;
      this->take_message(data[0], data.subspan(head), false);
      this->skip_ = whole - data.size();
    }
    at += std::min(whole, data.size());
  }
  if (at == 0 || this->broken_) return;
  std::memmove(this->inbox_.data(), this->inbox_.data() + at, this->inbox_used_ - at);
  this->inbox_used_ -= at;
}

void MqttClient::take(uint8_t first_byte, Bytes body) {
  ByteReader in(body);
  switch (first_byte >> 4) {
    case PUBLISH:
      return this->take_message(first_byte, body, true);
    case PUBACK:
      if (body.size() != 2) return this->protocol_error();
      this->remove_acknowledged(Kind::AT_LEAST_ONCE, take_u16(in));  // one that we do not know is a late one
      return;
    case SUBACK:
      if (body.size() < 3) return this->protocol_error();
      this->remove_acknowledged(Kind::SUBSCRIBE, take_u16(in));
      return;
    case PINGRESP:
      this->pinged_us_ = 0;
      return;
    default:
      return this->protocol_error();
  }
}

void MqttClient::take_message(uint8_t first_byte, Bytes body, bool whole) {
  const uint8_t qos = first_byte >> 1 & 3;
  ByteReader in(body);
  const Bytes topic = in.bytes(take_u16(in));
  const uint16_t id = qos != 0 ? take_u16(in) : uint16_t{0};
  // We subscribe with QoS 1: nothing higher may come.
  if (!in.ok() || qos > 1 || topic.empty() || (qos == 1 && id == 0)) return this->protocol_error();
  if (qos == 1) {
    const std::array<uint8_t, 4> packet{first_byte_of(PUBACK), 2, static_cast<uint8_t>(id >> 8),
                                        static_cast<uint8_t>(id)};
    this->control(packet);
  }
  if (!whole) return;
  this->counters_.received++;
  this->receiver_.received({reinterpret_cast<const char *>(topic.data()), topic.size()}, in.bytes(in.left()));
}

}  // namespace esphome::microgrid
