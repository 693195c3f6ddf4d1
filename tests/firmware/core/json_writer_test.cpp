// The JSON writer: what it writes is what was meant, and what does not fit is nothing at all.
#include "esphome/components/microgrid_core/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

namespace esphome::microgrid {
namespace {

using Write = std::function<void(JsonWriter &)>;

std::string written(const Write &write, size_t room_bytes = 4096) {
  std::string room(room_bytes, '#');
  JsonWriter json(std::span(room.data(), room.size()));
  write(json);
  const auto document = json.finish();
  return document ? std::string(*document) : "nothing";
}
std::string number(double value, uint8_t decimals) {
  return written([=](JsonWriter &json) { json.number(value, decimals); });
}
std::string text(std::string_view value) {
  return written([=](JsonWriter &json) { json.text(value); });
}
std::string time(int64_t utc_us) {
  return written([=](JsonWriter &json) { json.time(utc_us); });
}

TEST(JsonWriter, nests_and_sets_commas) {
  EXPECT_EQ(written([](JsonWriter &json) {
              json.begin_object();
              json.integer("a", 1);
              json.begin_array("b");
              json.end_array();
              json.begin_array("c");
              json.boolean(true);
              json.null();
              json.begin_object();
              json.end_object();
              json.text("x");
              json.end_array();
              json.begin_object("d");
              json.null("e");
              json.boolean("f", false);
              json.end_object();
              json.end_object();
            }),
            R"({"a":1,"b":[],"c":[true,null,{},"x"],"d":{"e":null,"f":false}})");
}

TEST(JsonWriter, numbers_have_the_decimals_asked_for) {
  EXPECT_EQ(number(230.456, 1), "230.5");
  EXPECT_EQ(number(-0.004, 2), "0.00");
  EXPECT_EQ(number(-0.006, 2), "-0.01");
  EXPECT_EQ(number(50, 3), "50.000");
  EXPECT_EQ(number(0.07, 3), "0.070");
  EXPECT_EQ(number(-1234.5, 0), "-1235");
  EXPECT_EQ(number(1e-9, 9), "0.000000001");
  EXPECT_EQ(number(1.5, 200), "1.500000000");
  EXPECT_EQ(number(1e18, 9), "1000000000000000000.000000000");
  EXPECT_EQ(number(9.96, 1), "10.0");
  EXPECT_EQ(number(-0.5, 0), "-1");
  EXPECT_EQ(number(123456789012.5, 9), "123456789012.500000000");
}

TEST(JsonWriter, what_is_no_number_is_null) {
  EXPECT_EQ(number(std::nan(""), 1), "null");
  EXPECT_EQ(number(std::numeric_limits<double>::infinity(), 1), "null");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity(), 1), "null");
  EXPECT_EQ(number(1e19, 0), "null");
  EXPECT_EQ(number(-std::numeric_limits<double>::max(), 9), "null");
}

TEST(JsonWriter, integers_of_64_bits) {
  EXPECT_EQ(written([](JsonWriter &json) { json.integer(std::numeric_limits<int64_t>::min()); }),
            "-9223372036854775808");
  EXPECT_EQ(written([](JsonWriter &json) { json.integer(std::numeric_limits<int64_t>::max()); }),
            "9223372036854775807");
  EXPECT_EQ(written([](JsonWriter &json) { json.integer(0); }), "0");
}

TEST(JsonWriter, texts_are_escaped_and_always_utf8) {
  EXPECT_EQ(text("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(text(std::string_view("\n\x1f\0", 3)), R"("\u000a\u001f\u0000")");
  EXPECT_EQ(text("Wärme °C – \U0001F50B"), "\"Wärme °C – \U0001F50B\"");
  EXPECT_EQ(text("cut \xC3"), "\"cut ?\"");
  EXPECT_EQ(text("\xC0\x80\xED\xA0\x80\xF4\x90\x80\x80"), "\"?????????\"")
      << "overlong, surrogate, beyond U+10FFFF";
  EXPECT_EQ(text("\xE2\x82"), "\"??\"");
  EXPECT_EQ(text(""), "\"\"");
}

TEST(JsonWriter, times_are_iso_8601) {
  EXPECT_EQ(time(0), "null");
  EXPECT_EQ(time(1), "\"1970-01-01T00:00:00.000Z\"");
  EXPECT_EQ(time(1'795'278'896'789'999), "\"2026-11-21T16:34:56.789Z\"");
  EXPECT_EQ(time(1'709'164'800'000'000), "\"2024-02-29T00:00:00.000Z\"");
  EXPECT_EQ(time(4'107'542'399'999'999), "\"2100-02-28T23:59:59.999Z\"");
  EXPECT_EQ(time(4'107'542'400'000'000), "\"2100-03-01T00:00:00.000Z\"");
  EXPECT_EQ(time(-1), "\"1969-12-31T23:59:59.999Z\"");
  EXPECT_EQ(time(std::numeric_limits<int64_t>::max()), "null");
  EXPECT_EQ(time(std::numeric_limits<int64_t>::min()), "null");
}

TEST(JsonWriter, a_document_that_does_not_fit_is_none) {
  const Write message = [](JsonWriter &json) {
    json.begin_object();
    json.number("voltage", 230.1, 1);
    json.text("name", "ä\"");
    json.time("time", 1'795'278'896'789'000);
    json.end_object();
  };
  const std::string whole = written(message);
  ASSERT_NE(whole, "nothing");
  for (size_t room = 0; room < whole.size(); room++) EXPECT_EQ(written(message, room), "nothing") << room;
  EXPECT_EQ(written(message, whole.size()), whole);
}

TEST(JsonWriter, mistakes_are_no_document) {
  const Write mistakes[] = {
      [](JsonWriter &) {},
      [](JsonWriter &json) { json.begin_object(); },
      [](JsonWriter &json) { json.end_object(); },
      [](JsonWriter &json) { json.begin_object(), json.end_array(); },
      [](JsonWriter &json) { json.begin_array(), json.end_object(); },
      [](JsonWriter &json) { json.begin_object(), json.integer(1), json.end_object(); },
      [](JsonWriter &json) { json.begin_object(), json.key("a"), json.end_object(); },
      [](JsonWriter &json) {
        json.begin_object(), json.key("a"), json.key("b"), json.null(), json.end_object();
      },
      [](JsonWriter &json) { json.begin_array(), json.key("a"), json.null(), json.end_array(); },
      [](JsonWriter &json) { json.null(), json.null(); },
      [](JsonWriter &json) {
        for (int i = 0; i < 17; i++) json.begin_array();
        for (int i = 0; i < 17; i++) json.end_array();
      },
  };
  for (const Write &mistake : mistakes) EXPECT_EQ(written(mistake), "nothing");
  EXPECT_NE(written([](JsonWriter &json) {
              for (int i = 0; i < 16; i++) json.begin_array();
              for (int i = 0; i < 16; i++) json.end_array();
            }),
            "nothing");
}

}  // namespace
}  // namespace esphome::microgrid
