// JSON into a buffer of fixed size: what does not fit is no message, never half of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace esphome::microgrid {

/// Writes values in the order of the calls and sets commas and colons itself. Whoever runs out of room, nests
/// deeper than 16, or puts a value where a key belongs, stays failed; finish() tells.
class JsonWriter final {
 public:
  explicit JsonWriter(std::span<char> room) : room_(room) {}

  void begin_object() { this->begin('{'); }
  void end_object() { this->end('}'); }
  void begin_array() { this->begin('['); }
  void end_array() { this->end(']'); }
  void key(std::string_view name);

  void null();
  void boolean(bool value);
  void integer(int64_t value);
  /// With so many decimals (at most 9). What is no number, or beyond 64 bits, is null.
  void number(double value, uint8_t decimals);
  /// Bytes that are no UTF-8 become '?'.
  void text(std::string_view value);
  /// ISO 8601 with milliseconds, rounded down. Null when unknown (0) or not in the years 1000 to 2999.
  void time(int64_t utc_us);

  // A key and its value.
  void null(std::string_view name) { this->key(name), this->null(); }
  void boolean(std::string_view name, bool value) { this->key(name), this->boolean(value); }
  void integer(std::string_view name, int64_t value) { this->key(name), this->integer(value); }
  void number(std::string_view name, double value, uint8_t decimals) {
    this->key(name), this->number(value, decimals);
  }
  void text(std::string_view name, std::string_view value) { this->key(name), this->text(value); }
  void time(std::string_view name, int64_t utc_us) { this->key(name), this->time(utc_us); }
  void begin_object(std::string_view name) { this->key(name), this->begin_object(); }
  void begin_array(std::string_view name) { this->key(name), this->begin_array(); }

  /// The document; nullopt when it is not one: something did not fit or was left open.
  std::optional<std::string_view> finish() const;

  bool ok() const { return this->ok_; }

 protected:
  static constexpr uint8_t MAX_DEPTH = 16;  // what the receivers accept

  void put(char character);
  void put(std::string_view characters);
  void put_digits(uint64_t value, uint8_t least_digits);
  void put_quoted(std::string_view value);
  /// Before every value: its comma, and whether one may stand here.
  void place();
  void begin(char bracket);
  void end(char bracket);

  std::span<char> room_;
  size_t size_{0};
  bool ok_{true};
  bool has_key_{false};  // a value must follow
  uint8_t depth_{0};
  uint32_t is_object_{0};  // a bit per level
  uint32_t has_items_{0};  // level 0 is the document itself
};

}  // namespace esphome::microgrid
