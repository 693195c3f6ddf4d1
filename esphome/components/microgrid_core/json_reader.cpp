// The grammar of RFC 8259 as one loop over the bytes, with a bit per level for what is open; after that,
// walking over what is known to be right.
#include "json_reader.h"

#include <charconv>
#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr size_t MAX_TRACKED_DEPTH = 64;     // bits; deeper is too deep without reading on
constexpr size_t MAX_INTEGER_DIGITS = 4300;  // what the other side's reader converts

bool is_blank(char character) {
  return character == ' ' || character == '\t' || character == '\n' || character == '\r';
}
bool is_digit(char character) { return character >= '0' && character <= '9'; }

int hex_value(char character) {
  if (is_digit(character)) return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

/// Reads over tokens; whatever does not fit leaves it failed.
class Cursor final {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool over() const { return this->at_ == this->text_.size(); }
  char peek() const { return this->over() ? '\0' : this->text_[this->at_]; }
  size_t at() const { return this->at_; }
  bool take(char wanted) {
    if (this->over() || this->text_[this->at_] != wanted) return false;
    this->at_++;
    return true;
  }
  void blanks() {
    while (!this->over() && is_blank(this->text_[this->at_])) this->at_++;
  }

  bool word(std::string_view wanted) {
    if (this->text_.substr(this->at_, wanted.size()) != wanted) return false;
    this->at_ += wanted.size();
    return true;
  }

  bool string() {
    if (!this->take('"')) return false;
    while (!this->over()) {
      const char character = this->text_[this->at_++];
      if (character == '"') return true;
      if (static_cast<uint8_t>(character) < 0x20) return false;
      if (character == '\\' && !this->escape()) return false;
    }
    return false;
  }

  bool number() {
    this->take('-');
    const size_t begin = this->at_;
    if (!this->take('0') && this->digits() == 0) return false;
    const size_t whole = this->at_ - begin;
    bool integer = true;
    if (this->take('.')) {
      integer = false;
      if (this->digits() == 0) return false;
    }
    if (this->peek() == 'e' || this->peek() == 'E') {
      integer = false;
      this->at_++;
      if (!this->take('+')) this->take('-');
      if (this->digits() == 0) return false;
    }
    return !integer || whole <= MAX_INTEGER_DIGITS;
  }

  bool scalar() {
    switch (this->peek()) {
      case '"':
        return this->string();
      case 't':
        return this->word("true");
      case 'f':
        return this->word("false");
      case 'n':
        return this->word("null");
      default:
        return this->number();
    }
  }

 protected:
  size_t digits() {
    const size_t begin = this->at_;
    while (is_digit(this->peek())) this->at_++;
    return this->at_ - begin;
  }
  bool escape() {
    const char character = this->peek();
    if (this->over()) return false;
    this->at_++;
    if (character != 'u') return std::string_view("\"\\/bfnrt").find(character) != std::string_view::npos;
    for (int i = 0; i < 4; i++) {
      if (this->over() || hex_value(this->peek()) < 0) return false;
      this->at_++;
    }
    return true;
  }

  std::string_view text_;
  size_t at_{0};
};

/// Walks over the whole document once; `read_all` stays false when it gives up before the end.
JsonFault check(std::string_view text, bool &read_all) {
  Cursor cursor(text);
  uint64_t objects = 0;  // a bit per open level
  size_t depth = 0;
  size_t deepest = 0;
  cursor.blanks();
  while (true) {
    // A value stands here.
    if (depth + 1 > deepest) deepest = depth + 1;
    const bool object = cursor.peek() == '{';
    bool complete = true;
    if (object || cursor.peek() == '[') {
      cursor.take(cursor.peek());
      cursor.blanks();
      if (!cursor.take(object ? '}' : ']')) {
        if (depth == MAX_TRACKED_DEPTH) return JsonFault::TOO_DEEP;
        objects = object ? objects | uint64_t{1} << depth : objects & ~(uint64_t{1} << depth);
        depth++;
        complete = false;
      }
    } else if (!cursor.scalar()) {
      return JsonFault::NOT_JSON;
    }
    // Behind a complete value: what closes, then a comma or the end.
    while (complete) {
      cursor.blanks();
      if (depth == 0) {
        if (!cursor.over()) return JsonFault::NOT_JSON;
        read_all = true;
        return deepest > MAX_JSON_DEPTH ? JsonFault::TOO_DEEP : JsonFault::NONE;
      }
      if (cursor.take(',')) break;
      if (!cursor.take((objects >> (depth - 1) & 1) != 0 ? '}' : ']')) return JsonFault::NOT_JSON;
      depth--;
    }
    cursor.blanks();
    if ((objects >> (depth - 1) & 1) != 0) {
      if (!cursor.string()) return JsonFault::NOT_JSON;
      cursor.blanks();
      if (!cursor.take(':')) return JsonFault::NOT_JSON;
      cursor.blanks();
    }
  }
}

/// Bytes of the value at the beginning of checked text.
size_t value_bytes(std::string_view text) {
  Cursor cursor(text);
  if (cursor.peek() != '{' && cursor.peek() != '[') return cursor.scalar() ? cursor.at() : text.size();
  size_t depth = 0;
  while (!cursor.over()) {
    const char character = cursor.peek();
    if (character == '"') {
      cursor.string();
      continue;
    }
    cursor.take(character);
    if (character == '{' || character == '[') depth++;
    if ((character == '}' || character == ']') && --depth == 0) break;
  }
  return cursor.at();
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// UTF-8 characters one after the other into a fixed room.
class TextBuilder final {
 public:
  explicit TextBuilder(std::span<char> room) : room_(room) {}
  bool put(char character) {
    if (this->size_ == this->room_.size()) return false;
    this->room_[this->size_++] = character;
    return true;
  }
  bool put_code(uint32_t code) {
    const auto tail = [&](uint32_t shift) {
      return this->put(static_cast<char>(0x80 | (code >> shift & 0x3F)));
    };
    if (code < 0x80) return this->put(static_cast<char>(code));
    if (code < 0x800) return this->put(static_cast<char>(0xC0 | code >> 6)) && tail(0);
    if (code < 0x10000) return this->put(static_cast<char>(0xE0 | code >> 12)) && tail(6) && tail(0);
    return this->put(static_cast<char>(0xF0 | code >> 18)) && tail(12) && tail(6) && tail(0);
  }
  std::string_view view() const { return {this->room_.data(), this->size_}; }

 protected:
  std::span<char> room_;
  size_t size_{0};
};

uint32_t hex4(std::string_view digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; i++) value = value << 4 | static_cast<uint32_t>(hex_value(digits[i]));
  return value;
}

/// The character of the escape `\uXXXX` at the beginning of `text`, and what it took.
uint32_t unicode_escape(std::string_view text, size_t &taken) {
  const uint32_t first = hex4(text.substr(2));
  taken = 6;
  if (first < 0xD800 || first > 0xDFFF) return first;
  if (first < 0xDC00 && text.size() >= 12 && text.substr(6, 2) == "\\u") {
    const uint32_t second = hex4(text.substr(8));
    if (second >= 0xDC00 && second <= 0xDFFF) {
      taken = 12;
      return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    }
  }
  return '?';
}

char simple_escape(char letter) {
  switch (letter) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return letter;
  }
}

}  // namespace

JsonType JsonValue::type() const {
  if (this->raw_.empty()) return JsonType::ABSENT;
  switch (this->raw_.front()) {
    case '{':
      return JsonType::OBJECT;
    case '[':
      return JsonType::ARRAY;
    case '"':
      return JsonType::TEXT;
    case 't':
    case 'f':
      return JsonType::BOOLEAN;
    case 'n':
      return JsonType::NUL;
    default:
      return JsonType::NUMBER;
  }
}

std::optional<double> JsonValue::number() const {
  double value = 0;
  if (this->type() != JsonType::NUMBER) return std::nullopt;
  const char *end = this->raw_.data() + this->raw_.size();
  const auto read = std::from_chars(this->raw_.data(), end, value);
  // Out of range is also what rounds to zero, but then it is small enough to be zero.
  if (read.ec == std::errc::result_out_of_range && this->raw_.find("e-") == std::string_view::npos &&
      this->raw_.find("E-") == std::string_view::npos)
    return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) return 0;
  return std::isfinite(value) ? std::optional{value} : std::nullopt;
}

bool JsonValue::is_integer() const {
  return this->type() == JsonType::NUMBER && this->raw_.find_first_of(".eE") == std::string_view::npos;
}

std::optional<int64_t> JsonValue::integer() const {
  int64_t value = 0;
  if (!this->is_integer()) return std::nullopt;
  const char *end = this->raw_.data() + this->raw_.size();
  const auto read = std::from_chars(this->raw_.data(), end, value);
  return read.ec == std::errc{} ? std::optional{value} : std::nullopt;
}

std::optional<std::string_view> JsonValue::text(std::span<char> room) const {
  if (this->type() != JsonType::TEXT) return std::nullopt;
  std::string_view rest = this->raw_.substr(1, this->raw_.size() - 2);
  TextBuilder out(room);
  while (!rest.empty()) {
    size_t taken = 1;
    bool fits = false;
    if (rest.front() != '\\') {
      fits = out.put(rest.front());
    } else if (rest[1] == 'u') {
      fits = out.put_code(unicode_escape(rest, taken));
    } else {
      taken = 2;
      fits = out.put(simple_escape(rest[1]));
    }
    if (!fits) return std::nullopt;
    rest.remove_prefix(taken);
  }
  return out.view();
}

bool JsonValue::equals(std::string_view wanted) const {
  char room[64];
  const auto found = this->text(room);
  return found && *found == wanted;
}

JsonValue JsonValue::operator[](std::string_view name) const {
  JsonValue found;
  if (this->type() != JsonType::OBJECT) return found;
  JsonItems items = this->items();
  while (const auto item = items.next())
    if (item->name.equals(name)) found = item->value;
  return found;
}

JsonItems JsonValue::items() const { return JsonItems(this->raw_); }

JsonItems::JsonItems(std::string_view raw) {
  if (raw.size() < 2 || (raw.front() != '{' && raw.front() != '[')) return;
  this->object_ = raw.front() == '{';
  this->rest_ = without_blanks(raw.substr(1, raw.size() - 2));
}

JsonValue JsonItems::take() {
  const size_t bytes = value_bytes(this->rest_);
  const JsonValue value(this->rest_.substr(0, bytes));
  this->rest_ = without_blanks(this->rest_.substr(bytes));
  return value;
}

std::optional<JsonItem> JsonItems::next() {
  if (this->rest_.empty()) return std::nullopt;
  JsonItem item;
  if (this->object_) {
    item.name = this->take();
    this->rest_ = without_blanks(this->rest_.substr(1));  // the colon
  }
  item.value = this->take();
  if (!this->rest_.empty()) this->rest_ = without_blanks(this->rest_.substr(1));  // the comma
  return item;
}

JsonDocument read_json(Bytes payload) {
  if (payload.size() > MAX_JSON_BYTES) return {JsonFault::TOO_LARGE, {}};
  if (!is_utf8(payload)) return {JsonFault::NOT_UTF8, {}};
  const std::string_view text(reinterpret_cast<const char *>(payload.data()), payload.size());
  bool read_all = false;
  const JsonFault fault = check(text, read_all);
  return {fault, read_all ? JsonValue(without_blanks(text)) : JsonValue{}};
}

}  // namespace esphome::microgrid
