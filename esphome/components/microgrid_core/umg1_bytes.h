// Little-endian numbers, varints and texts in byte buffers. Whoever runs out of room or data stays failed
// (ok() is false) and touches nothing outside, so that callers check once at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

namespace esphome::microgrid {

using Bytes = std::span<const uint8_t>;

constexpr uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
constexpr int64_t unzigzag(uint64_t value) { return static_cast<int64_t>((value >> 1) ^ (0 - (value & 1))); }

/// The number at the start of `bytes`; there must be enough of them.
template <typename T>
constexpr T load(const uint8_t *bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); i++) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return static_cast<T>(value);
}

template <typename T>
constexpr void store(uint8_t *bytes, T number) {
  for (size_t i = 0; i < sizeof(T); i++)
    bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(number) >> (8 * i));
}

/// Whether the bytes are UTF-8: shortest forms only, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(Bytes bytes);

class ByteWriter {
 public:
  explicit ByteWriter(std::span<uint8_t> room) : room_(room) {}

  template <typename T>
  void number(T value) {
    if (uint8_t *to = this->take(sizeof(T))) store(to, value);
  }
  void u8(uint8_t value) { this->number(value); }
  void u16(uint16_t value) { this->number(value); }
  void u32(uint32_t value) { this->number(value); }
  void u64(uint64_t value) { this->number(value); }
  void i32(int32_t value) { this->number(value); }
  void i64(int64_t value) { this->number(value); }

  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) this->u8(static_cast<uint8_t>(value | 0x80));
    this->u8(static_cast<uint8_t>(value));
  }

  void text(std::string_view value) {
    if (value.size() > std::numeric_limits<uint8_t>::max()) {
      this->ok_ = false;
      return;
    }
    this->u8(static_cast<uint8_t>(value.size()));
    this->bytes({reinterpret_cast<const uint8_t *>(value.data()), value.size()});
  }

  void bytes(Bytes value) {
    uint8_t *to = this->take(value.size());
    if (to != nullptr && !value.empty()) std::memcpy(to, value.data(), value.size());
  }

  /// The next `count` bytes, for the caller to fill; nullptr when there is no room.
  uint8_t *take(size_t count) {
    if (!this->ok_ || count > this->room_.size() - this->size_) {
      this->ok_ = false;
      return nullptr;
    }
    uint8_t *start = this->room_.data() + this->size_;
    this->size_ += count;
    return start;
  }

  /// Forgets everything from `size` on, failures included.
  void rewind(size_t size) {
    this->size_ = size;
    this->ok_ = true;
  }

  bool ok() const { return this->ok_; }
  void fail() { this->ok_ = false; }
  size_t size() const { return this->size_; }
  std::span<uint8_t> written() const { return this->room_.first(this->size_); }

 protected:
  std::span<uint8_t> room_;
  size_t size_{0};
  bool ok_{true};
};

class ByteReader {
 public:
  ByteReader() = default;
  explicit ByteReader(Bytes data) : data_(data) {}

  template <typename T>
  T number() {
    Bytes from = this->bytes(sizeof(T));
    return this->ok_ ? load<T>(from.data()) : T{0};
  }
  uint8_t u8() { return this->number<uint8_t>(); }
  uint16_t u16() { return this->number<uint16_t>(); }
  uint32_t u32() { return this->number<uint32_t>(); }
  uint64_t u64() { return this->number<uint64_t>(); }
  int32_t i32() { return this->number<int32_t>(); }
  int64_t i64() { return this->number<int64_t>(); }

  /// A varint of a 32-bit value: at most 5 bytes.
  uint32_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const uint8_t byte = this->u8();
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        this->ok_ = this->ok_ && value <= std::numeric_limits<uint32_t>::max();
        return this->ok_ ? static_cast<uint32_t>(value) : 0;
      }
    }
    this->ok_ = false;
    return 0;
  }

  std::string_view text() {
    Bytes from = this->bytes(this->u8());
    this->ok_ = this->ok_ && is_utf8(from);
    return {reinterpret_cast<const char *>(from.data()), from.size()};
  }

  Bytes bytes(size_t count) {
    if (!this->ok_ || count > this->data_.size()) {
      this->ok_ = false;
      return {};
    }
    Bytes found = this->data_.first(count);
    this->data_ = this->data_.subspan(count);
    return found;
  }

  bool ok() const { return this->ok_; }
  void fail() { this->ok_ = false; }
  size_t left() const { return this->data_.size(); }

 protected:
  Bytes data_;
  bool ok_{true};
};

}  // namespace esphome::microgrid
