// JSON that comes from outside, read where it lies: checked as a whole first, then looked into without
// copies. No heap, no recursion; hostile bytes are refused, never half read.
#pragma once

#include <optional>

#include "umg1_bytes.h"

namespace esphome::microgrid {

enum class JsonFault : uint8_t { NONE, TOO_LARGE, NOT_UTF8, NOT_JSON, TOO_DEEP };

enum class JsonType : uint8_t { ABSENT, NUL, BOOLEAN, NUMBER, TEXT, OBJECT, ARRAY };

class JsonItems;

/// A value of a checked document, which must outlive it.
class JsonValue final {
 public:
  JsonValue() = default;
  explicit JsonValue(std::string_view raw) : raw_(raw) {}

  JsonType type() const;
  /// Whether it is there and not null.
  bool given() const { return this->type() > JsonType::NUL; }

  bool boolean() const { return this->raw_ == "true"; }
  /// nullopt when it is no number, or beyond what a double can hold.
  std::optional<double> number() const;
  /// A number without point and exponent.
  bool is_integer() const;
  /// nullopt when it is no integer or has more than 64 bits.
  std::optional<int64_t> integer() const;
  /// With its escapes resolved, half surrogates as '?'; nullopt when it is no text or longer than `room`.
  std::optional<std::string_view> text(std::span<char> room) const;
  /// Whether it is this text; `wanted` has at most 64 bytes.
  bool equals(std::string_view wanted) const;

  /// The member of an object; absent when there is none. When a name comes twice, the last one counts.
  JsonValue operator[](std::string_view name) const;
  /// Of an object or an array; nothing of anything else.
  JsonItems items() const;

  std::string_view raw() const { return this->raw_; }

 protected:
  std::string_view raw_;
};

struct JsonItem {
  JsonValue name;  // absent in an array
  JsonValue value;
};

class JsonItems final {
 public:
  explicit JsonItems(std::string_view raw);
  std::optional<JsonItem> next();

 protected:
  JsonValue take();

  std::string_view rest_;
  bool object_{false};
};

constexpr size_t MAX_JSON_BYTES = size_t{256} * 1024;
constexpr size_t MAX_JSON_DEPTH = 16;  // levels of values: {"a":1} has two

/// Checks the document and gives its only value. With a fault the value is absent, but for TOO_DEEP when it
/// was JSON to its end: so a reader can tell what is no object at all.
struct JsonDocument {
  JsonFault fault{};
  JsonValue value;
};
JsonDocument read_json(Bytes payload);

}  // namespace esphome::microgrid
