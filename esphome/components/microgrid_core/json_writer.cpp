// Numbers and times are written digit by digit: newlib's printf allocates memory for floating point.
#include "json_writer.h"

#include <array>
#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr std::array<double, 10> POWERS{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
constexpr double LARGEST = 9.2e18;  // of 64 bits
constexpr std::string_view HEX = "0123456789abcdef";

/// Bytes of the UTF-8 character at the beginning of `text`; 0 when there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  size_t length = 0;
  uint8_t least =
      0x80;  // of the second byte, against overlong forms, surrogates and what lies beyond U+10FFFF
  uint8_t most = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (first == 0xE0) least = 0xA0;
  if (first == 0xED) most = 0x9F;
  if (first == 0xF0) least = 0x90;
  if (first == 0xF4) most = 0x8F;
  if (length == 0 || text.size() < length || byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < length; i++)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return length;
}

struct Date {
  int64_t year;
  uint8_t month;
  uint8_t day;
};

/// Gregorian date of a day since 1970: years begin in March, so that the day to leap over is the last one.
Date date_of(int64_t days_since_1970) {
  const int64_t days = days_since_1970 + 719'468;  // since 0000-03-01
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month = (5 * day_of_year + 2) / 153;
  return {.year = year_of_era + era * 400 + (month >= 10 ? 1 : 0),
          .month = static_cast<uint8_t>(month < 10 ? month + 3 : month - 9),
          .day = static_cast<uint8_t>(day_of_year - (153 * month + 2) / 5 + 1)};
}

}  // namespace

void JsonWriter::put(char character) {
  if (!this->ok_ || this->size_ >= this->room_.size()) {
    this->ok_ = false;
    return;
  }
  this->room_[this->size_++] = character;
}

void JsonWriter::put(std::string_view characters) {
  for (const char character : characters) this->put(character);
}

void JsonWriter::put_digits(uint64_t value, uint8_t least_digits) {
  std::array<char, 20> digits{};
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0 || count < least_digits);
  while (count > 0) this->put(digits[--count]);
}

void JsonWriter::put_quoted(std::string_view value) {
  this->put('"');
  while (!value.empty()) {
    const size_t length = utf8_length(value);
    const char character = value.front();
    if (length == 0) {
      this->put('?');
    } else if (character == '"' || character == '\\') {
      this->put('\\');
      this->put(character);
    } else if (static_cast<uint8_t>(character) < 0x20) {
      this->put("\\u00");
      this->put(HEX[static_cast<uint8_t>(character) >> 4]);
      this->put(HEX[static_cast<uint8_t>(character) & 15]);
    } else {
      this->put(value.substr(0, length));
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
  this->put('"');
}

void JsonWriter::place() {
  const uint32_t level = 1U << this->depth_;
  const bool in_object = (this->is_object_ & level) != 0;
  const bool has_items = (this->has_items_ & level) != 0;
  // In an object a value follows its key, which set the comma; a document is a single value.
  if (in_object != this->has_key_ || (this->depth_ == 0 && has_items)) this->ok_ = false;
  if (!in_object && has_items) this->put(',');
  this->has_items_ |= level;
  this->has_key_ = false;
}

void JsonWriter::key(std::string_view name) {
  const uint32_t level = 1U << this->depth_;
  if ((this->is_object_ & level) == 0 || this->has_key_) this->ok_ = false;
  if ((this->has_items_ & level) != 0) this->put(',');
  this->has_items_ |= level;
  this->put_quoted(name);
  this->put(':');
  this->has_key_ = true;
}

void JsonWriter::begin(char bracket) {
  this->place();
  this->put(bracket);
  if (this->depth_ == MAX_DEPTH) {
    this->ok_ = false;
    return;
  }
  this->depth_++;
  const uint32_t level = 1U << this->depth_;
  this->has_items_ &= ~level;
  this->is_object_ = bracket == '{' ? this->is_object_ | level : this->is_object_ & ~level;
}

void JsonWriter::end(char bracket) {
  const bool in_object = (this->is_object_ & (1U << this->depth_)) != 0;
  if (this->depth_ == 0 || in_object != (bracket == '}') || this->has_key_) {
    this->ok_ = false;
    return;
  }
  this->put(bracket);
  this->depth_--;
}

void JsonWriter::null() {
  this->place();
  this->put("null");
}

void JsonWriter::boolean(bool value) {
  this->place();
  this->put(value ? "true" : "false");
}

void JsonWriter::integer(int64_t value) {
  this->place();
  if (value < 0) this->put('-');
  this->put_digits(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value), 1);
}

void JsonWriter::number(double value, uint8_t decimals) {
  if (!std::isfinite(value) || std::fabs(value) > LARGEST) {
    this->null();
    return;
  }
  if (decimals >= POWERS.size()) decimals = POWERS.size() - 1;
  // Whole and fraction on their own: together they may have more digits than a double or 64 bits.
  const auto power = static_cast<uint64_t>(POWERS[decimals]);
  const double magnitude = std::fabs(value);
  auto whole = static_cast<uint64_t>(magnitude);
  auto fraction =
      static_cast<uint64_t>(std::llround((magnitude - static_cast<double>(whole)) * POWERS[decimals]));
  if (fraction == power) {
    whole++;
    fraction = 0;
  }
  this->place();
  if (value < 0 && (whole != 0 || fraction != 0)) this->put('-');  // −0.00 is 0.00
  this->put_digits(whole, 1);
  if (decimals == 0) return;
  this->put('.');
  this->put_digits(fraction, decimals);
}

void JsonWriter::text(std::string_view value) {
  this->place();
  this->put_quoted(value);
}

void JsonWriter::time(int64_t utc_us) {
  constexpr int64_t DAY_MS = 86'400'000;
  const int64_t utc_ms = utc_us / 1000 - (utc_us % 1000 < 0 ? 1 : 0);
  const int64_t days = utc_ms / DAY_MS - (utc_ms % DAY_MS < 0 ? 1 : 0);
  const auto of_day = static_cast<uint64_t>(utc_ms - days * DAY_MS);
  const Date date = date_of(days);
  if (utc_us == 0 || date.year < 1000 || date.year > 2999) {
    this->null();
    return;
  }
  this->place();
  this->put('"');
  this->put_digits(static_cast<uint64_t>(date.year), 4);
  this->put('-');
  this->put_digits(date.month, 2);
  this->put('-');
  this->put_digits(date.day, 2);
  this->put('T');
  this->put_digits(of_day / 3'600'000, 2);
  this->put(':');
  this->put_digits(of_day / 60'000 % 60, 2);
  this->put(':');
  this->put_digits(of_day / 1000 % 60, 2);
  this->put('.');
  this->put_digits(of_day % 1000, 3);
  this->put("Z\"");
}

std::optional<std::string_view> JsonWriter::finish() const {
  if (!this->ok_ || this->depth_ != 0 || (this->has_items_ & 1) == 0) return std::nullopt;
  return std::string_view(this->room_.data(), this->size_);
}

}  // namespace esphome::microgrid
