// Fields are judged in the order in which the readers of the other side do it, so that both name the same
// reason.
#include "requests.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr int64_t DAY_US = 86'400'000'000;
constexpr uint32_t MAX_U32 = 0xFFFFFFFF;
constexpr size_t MAX_VALUES = 256;
constexpr double MAX_MAGNITUDE = 9223372036854775808.0;

constexpr std::array<std::string_view, REFUSALS> NAMES{"bad_topic",     "too_large", "not_utf8",
                                                       "not_json",      "too_deep",  "wrong_type",
                                                       "missing_field", "bad_value", "future_time"};

bool is_lower(char character) { return character >= 'a' && character <= 'z'; }
bool is_upper(char character) { return character >= 'A' && character <= 'Z'; }
bool is_digit(char character) { return character >= '0' && character <= '9'; }

/// The fields of an object; the first thing that is wrong stays.
class Fields final {
 public:
  explicit Fields(JsonValue object) : object_(object) {}

  bool given(std::string_view name) const { return this->object_[name].given(); }

  uint32_t integer(std::string_view name, int64_t low, int64_t high) {
    const JsonValue value = this->get(name);
    if (this->refusal_) return 0;
    if (!value.is_integer()) return this->refuse(Refusal::WRONG_TYPE);
    const auto number = value.integer();
    if (!number || *number < low || *number > high) return this->refuse(Refusal::BAD_VALUE);
    return static_cast<uint32_t>(*number);
  }

  /// A text that `allowed` takes.
  template <size_t CAPACITY>
  ShortText<CAPACITY> text(std::string_view name, bool (*allowed)(std::string_view)) {
    const JsonValue value = this->get(name);
    if (this->refusal_) return {};
    if (value.type() != JsonType::TEXT) {
      this->refuse(Refusal::WRONG_TYPE);
      return {};
    }
    std::array<char, CAPACITY + 1> room{};
    const auto text = value.text(room);
    if (!text || !allowed(*text)) {
      this->refuse(Refusal::BAD_VALUE);
      return {};
    }
    return ShortText<CAPACITY>{*text};
  }

  JsonValue get(std::string_view name) {
    const JsonValue value = this->object_[name];
    if (value.type() == JsonType::ABSENT) this->refuse(Refusal::MISSING_FIELD);
    return value;
  }

  uint32_t refuse(Refusal refusal) {
    if (!this->refusal_) this->refusal_ = refusal;
    return 0;
  }
  const std::optional<Refusal> &refusal() const { return this->refusal_; }

 protected:
  JsonValue object_;
  std::optional<Refusal> refusal_{};
};

Read<JsonValue> read_object(Bytes payload) {
  const JsonDocument document = read_json(payload);
  switch (document.fault) {
    case JsonFault::TOO_LARGE:
      return Refusal::TOO_LARGE;
    case JsonFault::NOT_UTF8:
      return Refusal::NOT_UTF8;
    case JsonFault::NOT_JSON:
      return Refusal::NOT_JSON;
    default:
      break;
  }
  if (document.value.type() == JsonType::ABSENT) return Refusal::TOO_DEEP;
  if (document.value.type() != JsonType::OBJECT) return Refusal::WRONG_TYPE;
  if (document.fault == JsonFault::TOO_DEEP) return Refusal::TOO_DEEP;
  return document.value;
}

/// Parameters of a command: scalars by key, none of them null.
std::optional<Refusal> judge_parameters(JsonValue parameters) {
  if (parameters.type() != JsonType::OBJECT) return Refusal::WRONG_TYPE;
  size_t count = 0;
  JsonItems counted = parameters.items();
  while (counted.next())
    if (++count > MAX_VALUES) return Refusal::BAD_VALUE;
  JsonItems items = parameters.items();
  bool null = false;
  while (const auto item = items.next()) {
    std::array<char, MAX_KEY_BYTES + 1> room{};
    const auto name = item->name.text(room);
    if (!name || !is_key(*name)) return Refusal::BAD_VALUE;
    switch (item->value.type()) {
      case JsonType::NUMBER:
        if (const auto number = item->value.number(); !number || std::fabs(*number) > MAX_MAGNITUDE)
          return Refusal::BAD_VALUE;
        break;
      case JsonType::OBJECT:
      case JsonType::ARRAY:
        return Refusal::WRONG_TYPE;
      case JsonType::NUL:
        null = null || parameters[*name].type() == JsonType::NUL;
        break;
      default:
        break;
    }
  }
  return null ? std::optional{Refusal::WRONG_TYPE} : std::nullopt;
}

/// Digits at a place of a text; −1 when there are others.
int digits(std::string_view text, size_t at, size_t count) {
  int value = 0;
  for (const char character : text.substr(at, count)) {
    if (!is_digit(character)) return -1;
    value = 10 * value + (character - '0');
  }
  return value;
}

bool is_part(std::string_view text) { return text == "measured" || text == "traffic"; }
bool any_text(std::string_view) { return true; }

}  // namespace

std::string_view name_of(Refusal refusal) { return NAMES[static_cast<size_t>(refusal)]; }

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         std::ranges::all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= MAX_ID_BYTES && std::ranges::all_of(text, [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) ||
           std::string_view("_.:-").find(c) != std::string_view::npos;
  });
}

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= MAX_KEY_BYTES && is_lower(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
}

std::optional<int64_t> parse_time(std::string_view text) {
  constexpr std::string_view FORM = "yyyy-mm-ddThh:mm:ss";
  constexpr std::array<int, 12> DAYS{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  constexpr std::array<size_t, 5> MARKS{4, 7, 10, 13, 16};
  if (text.size() <= FORM.size() || text.back() != 'Z') return std::nullopt;
  for (const size_t at : MARKS)
    if (text[at] != FORM[at]) return std::nullopt;
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if (year < 1000 || year > 2999 || month < 1 || month > 12 || day < 1) return std::nullopt;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return std::nullopt;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (day > DAYS[static_cast<size_t>(month - 1)] + (leap && month == 2 ? 1 : 0)) return std::nullopt;

  std::string_view fraction = text.substr(FORM.size(), text.size() - FORM.size() - 1);
  int64_t microseconds = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 7) return std::nullopt;
    fraction.remove_prefix(1);
    const int value = digits(fraction, 0, fraction.size());
    if (value < 0) return std::nullopt;
    microseconds = value;
    for (size_t i = fraction.size(); i < 6; i++) microseconds *= 10;
  }
  // Years begin in March, so that the day to leap over is the last one.
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = y / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const int64_t days = era * 146'097 + day_of_era - 719'468;
  return days * DAY_US + (int64_t{hour} * 3600 + int64_t{minute} * 60 + second) * 1'000'000 + microseconds;
}

Read<Position> read_log_ack(Bytes payload) {
  const Read<JsonValue> object = read_object(payload);
  if (const auto *refusal = std::get_if<Refusal>(&object)) return *refusal;
  Fields fields(std::get<JsonValue>(object));
  const Position position{.boot_id = fields.integer("boot_id", 0, MAX_U32),
                          .seq = fields.integer("seq", 0, MAX_U32)};
  if (fields.refusal()) return *fields.refusal();
  return position;
}

Read<SnapshotGet> read_snapshot_get(Bytes payload) {
  const Read<JsonValue> object = read_object(payload);
  if (const auto *refusal = std::get_if<Refusal>(&object)) return *refusal;
  Fields fields(std::get<JsonValue>(object));
  SnapshotGet get;
  if (fields.given("event_id")) get.event_id = fields.text<MAX_ID_BYTES>("event_id", is_id);
  if (fields.given("part")) get.part = fields.text<8>("part", is_part).view() == "traffic" ? 1 : 0;
  if (fields.given("first")) get.first = fields.integer("first", 0, MAX_U32);
  if (fields.given("count")) get.count = static_cast<uint16_t>(fields.integer("count", 1, 256));
  if (fields.refusal()) return *fields.refusal();
  return get;
}

Read<CommandRequest> read_command(Bytes payload, int64_t now_utc_us) {
  const Read<JsonValue> object = read_object(payload);
  if (const auto *refusal = std::get_if<Refusal>(&object)) return *refusal;
  Fields fields(std::get<JsonValue>(object));
  CommandRequest request;
  if (fields.given("parameters")) {
    request.parameters = fields.get("parameters");
    if (const auto refusal = judge_parameters(request.parameters)) return *refusal;
  }
  request.id = fields.text<MAX_ID_BYTES>("id", is_id);
  request.command = fields.text<MAX_KEY_BYTES>("command", is_key);
  const ShortText<32> time = fields.text<32>("expires_at", any_text);
  if (fields.refusal()) return *fields.refusal();
  const auto expires = parse_time(time.view());
  if (!expires) return Refusal::BAD_VALUE;
  if (now_utc_us != 0 && *expires > now_utc_us + DAY_US) return Refusal::FUTURE_TIME;
  request.expires_utc_us = *expires;
  return request;
}

std::optional<TopicParts> parse_topic(std::string_view topic, std::string_view swarm) {
  constexpr std::string_view PREFIX = "microgrid/v1/";
  if (!topic.starts_with(PREFIX)) return std::nullopt;
  topic.remove_prefix(PREFIX.size());
  if (!topic.starts_with(swarm) || topic.size() <= swarm.size() || topic[swarm.size()] != '/')
    return std::nullopt;
  topic.remove_prefix(swarm.size() + 1);
  const size_t slash = topic.find('/');
  if (slash == std::string_view::npos || !is_identifier(topic.substr(0, slash))) return std::nullopt;
  return TopicParts{.node = topic.substr(0, slash), .suffix = topic.substr(slash + 1)};
}

}  // namespace esphome::microgrid
