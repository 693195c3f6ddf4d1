#ifndef USE_ESP32
#include "udp_frame.h"

#include <bit>
#include <string_view>

namespace esphome::microgrid {

namespace {

// Of https://github.com/msgpack/msgpack/blob/master/spec.md what occurs here.
enum Tag : uint8_t {
  NIL = 0xC0,
  FALSE = 0xC2,
  TRUE = 0xC3,
  BIN8 = 0xC4,
  BIN32 = 0xC6,
  FLOAT32 = 0xCA,
  FLOAT64 = 0xCB,
  UINT8 = 0xCC,
  UINT64 = 0xCF,
  INT8 = 0xD0,
  INT64 = 0xD3,
  STR8 = 0xD9,
  STR32 = 0xDB,
  MAP16 = 0xDE,
  FIXMAP = 0x80,
  FIXSTR = 0xA0,
  NEGATIVE_FIXINT = 0xE0,
};

class Writer final {
 public:
  explicit Writer(std::span<uint8_t> room) : room_(room) {}
  size_t size() const { return this->size_; }

  void byte(uint8_t value) { this->room_[this->size_++] = value; }
  void key(std::string_view text) {
    this->byte(static_cast<uint8_t>(FIXSTR | text.size()));
    for (const char character : text) this->byte(static_cast<uint8_t>(character));
  }
  void flag(std::string_view name, bool value) {
    this->key(name);
    this->byte(value ? TRUE : FALSE);
  }
  void big_endian(uint64_t value, size_t bytes) {
    for (size_t i = bytes; i-- > 0;) this->byte(static_cast<uint8_t>(value >> (8 * i)));
  }

 protected:
  std::span<uint8_t> room_;
  size_t size_{0};
};

/// A scalar of any type; texts and bytes point into the datagram.
struct Scalar {
  enum class Type : uint8_t { NIL, FLAG, INTEGER, FLOAT, TEXT, BINARY } type{Type::NIL};
  int64_t integer{0};  // a flag as 0 or 1
  double real{0};
  Bytes bytes{};

  std::string_view text() const {
    if (this->type != Type::TEXT || this->bytes.empty()) return {};
    return {reinterpret_cast<const char *>(this->bytes.data()), this->bytes.size()};
  }
};

class Reader final {
 public:
  explicit Reader(Bytes datagram) : rest_(datagram) {}
  bool finished() const { return this->rest_.empty(); }

  std::optional<size_t> map() {
    const auto tag = this->big_endian(1);
    if (!tag) return std::nullopt;
    if (*tag >= FIXMAP && *tag < FIXMAP + 16) return static_cast<size_t>(*tag - FIXMAP);
    if (*tag != MAP16) return std::nullopt;
    return this->big_endian(2);
  }

  /// nullopt for what is cut off, and for arrays, maps and extensions, which no field of a message has.
  std::optional<Scalar> scalar() {
    const auto first = this->big_endian(1);
    if (!first) return std::nullopt;
    const auto tag = static_cast<uint8_t>(*first);
    if (tag < FIXMAP) return Scalar{.type = Scalar::Type::INTEGER, .integer = tag};
    if (tag >= NEGATIVE_FIXINT)
      return Scalar{.type = Scalar::Type::INTEGER, .integer = static_cast<int8_t>(tag)};
    if (tag >= FIXSTR && tag < FIXSTR + 32) return this->bytes(Scalar::Type::TEXT, tag - FIXSTR);
    if (tag == NIL) return Scalar{};
    if (tag == FALSE || tag == TRUE) return Scalar{.type = Scalar::Type::FLAG, .integer = tag == TRUE};
    if (tag >= BIN8 && tag <= BIN32) return this->counted(Scalar::Type::BINARY, tag - BIN8);
    if (tag >= STR8 && tag <= STR32) return this->counted(Scalar::Type::TEXT, tag - STR8);
    if (tag >= UINT8 && tag <= UINT64) return this->integer(size_t{1} << (tag - UINT8), false);
    if (tag >= INT8 && tag <= INT64) return this->integer(size_t{1} << (tag - INT8), true);
    if (tag == FLOAT64) {
      const auto bits = this->big_endian(8);
      if (!bits) return std::nullopt;
      return Scalar{.type = Scalar::Type::FLOAT, .real = std::bit_cast<double>(*bits)};
    }
    if (tag == FLOAT32) {
      const auto bits = this->big_endian(4);
      if (!bits) return std::nullopt;
      return Scalar{.type = Scalar::Type::FLOAT, .real = std::bit_cast<float>(static_cast<uint32_t>(*bits))};
    }
    return std::nullopt;
  }

 protected:
  std::optional<uint64_t> big_endian(size_t bytes) {
    if (this->rest_.size() < bytes) return std::nullopt;
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | this->rest_[i];
    this->rest_ = this->rest_.subspan(bytes);
    return value;
  }
  std::optional<Scalar> integer(size_t bytes, bool with_sign) {
    const auto value = this->big_endian(bytes);
    if (!value || (!with_sign && *value > INT64_MAX)) return std::nullopt;
    const unsigned unused = static_cast<unsigned>(64 - 8 * bytes);
    const auto extended = static_cast<int64_t>(*value << unused) >> unused;
    return Scalar{.type = Scalar::Type::INTEGER,
                  .integer = with_sign ? extended : static_cast<int64_t>(*value)};
  }
  std::optional<Scalar> counted(Scalar::Type type, unsigned width) {
    const auto size = this->big_endian(size_t{1} << width);
    return size ? this->bytes(type, *size) : std::nullopt;
  }
  std::optional<Scalar> bytes(Scalar::Type type, uint64_t size) {
    if (size > this->rest_.size()) return std::nullopt;
    const Scalar scalar{.type = type, .bytes = this->rest_.first(static_cast<size_t>(size))};
    this->rest_ = this->rest_.subspan(static_cast<size_t>(size));
    return scalar;
  }

  Bytes rest_;
};

/// The fields of a message that matter on a classic CAN bus.
struct Fields {
  std::optional<int64_t> identifier;
  std::optional<int64_t> dlc;
  std::optional<Bytes> data;
  double timestamp{0};
  bool extended{true};  // as python-can has it when the field is missing
  bool remote{false};
  bool error{false};
  bool fd{false};

  /// False when the field has another type than it must have. An unknown field is ignored.
  bool take(std::string_view name, const Scalar &value) {
    using Type = Scalar::Type;
    const bool flag = value.type == Type::FLAG;
    const auto take_flag = [&](bool &field) {
      field = value.integer != 0;
      return flag;
    };
    if (name == "is_extended_id") return take_flag(this->extended);
    if (name == "is_remote_frame") return take_flag(this->remote);
    if (name == "is_error_frame") return take_flag(this->error);
    if (name == "is_fd") return take_flag(this->fd);
    if (name == "arbitration_id") {
      this->identifier = value.integer;
      return value.type == Type::INTEGER;
    }
    if (name == "dlc") {
      this->dlc = value.integer;
      return value.type == Type::INTEGER;
    }
    if (name == "data") {
      this->data = value.bytes;
      return value.type == Type::BINARY || value.type == Type::NIL;
    }
    if (name == "timestamp" && value.type == Type::FLOAT) this->timestamp = value.real;
    return true;
  }
};

Datagram judge(const Fields &fields) {
  if (!fields.identifier || !fields.dlc) return {};
  Datagram datagram{.timestamp = fields.timestamp};
  if (fields.error) {
    datagram.kind = DatagramKind::ERROR_FRAME;
    return datagram;
  }
  if (fields.fd) {
    datagram.kind = DatagramKind::FOREIGN;
    return datagram;
  }
  const int64_t last = fields.extended ? 0x1FFFFFFF : 0x7FF;
  if (*fields.identifier < 0 || *fields.identifier > last || *fields.dlc < 0 || *fields.dlc > 8) return {};
  const Bytes data = fields.data.value_or(Bytes{});
  if (!fields.remote && data.size() != static_cast<size_t>(*fields.dlc)) return {};
  datagram.kind = DatagramKind::FRAME;
  datagram.frame.identifier = static_cast<uint32_t>(*fields.identifier) |
                              (fields.extended ? CAN_EXTENDED : 0) | (fields.remote ? CAN_REMOTE : 0);
  if (!fields.remote) {
    datagram.frame.length = static_cast<uint8_t>(data.size());
    for (size_t i = 0; i < data.size(); i++) datagram.frame.data[i] = data[i];
  }
  return datagram;
}

}  // namespace

size_t write_datagram(const CanFrame &frame, double timestamp, std::span<uint8_t> room) {
  Writer writer{room};
  writer.byte(FIXMAP | 11);
  writer.key("timestamp");
  writer.byte(FLOAT64);
  writer.big_endian(std::bit_cast<uint64_t>(timestamp), 8);
  writer.key("arbitration_id");
  writer.byte(UINT8 + 2);  // 32 bits
  writer.big_endian(frame.identifier & 0x1FFFFFFF, 4);
  writer.flag("is_extended_id", (frame.identifier & CAN_EXTENDED) != 0);
  writer.flag("is_remote_frame", (frame.identifier & CAN_REMOTE) != 0);
  writer.flag("is_error_frame", (frame.identifier & CAN_ERROR) != 0);
  writer.key("channel");
  writer.byte(NIL);
  writer.key("dlc");
  writer.byte(frame.length);
  writer.key("data");
  writer.byte(BIN8);
  writer.byte(frame.length);
  for (size_t i = 0; i < frame.length; i++) writer.byte(frame.data[i]);
  writer.flag("is_fd", false);
  writer.flag("bitrate_switch", false);
  writer.flag("error_state_indicator", false);
  return writer.size();
}

Datagram read_datagram(Bytes datagram) {
  if (datagram.size() > MAX_DATAGRAM_BYTES) return {};
  Reader reader{datagram};
  const auto fields_in_map = reader.map();
  if (!fields_in_map) return {};
  Fields fields;
  for (size_t i = 0; i < *fields_in_map; i++) {
    const auto name = reader.scalar();
    const auto value = name ? reader.scalar() : std::nullopt;
    if (!value || name->type != Scalar::Type::TEXT || !fields.take(name->text(), *value)) return {};
  }
  return reader.finished() ? judge(fields) : Datagram{};
}

}  // namespace esphome::microgrid
#endif  // USE_ESP32
