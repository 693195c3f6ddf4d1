// The JSON reader: what it accepts is JSON, what it finds is what stands there, and nothing else is touched.
#include "esphome/components/microgrid_core/json_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace esphome::microgrid {
namespace {

JsonDocument read(std::string_view text) {
  return read_json({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
}
JsonFault fault_of(std::string_view text) { return read(text).fault; }
std::string text_of(JsonValue value) {
  char room[64];
  const auto text = value.text(room);
  return text ? std::string(*text) : "nothing";
}

TEST(JsonReader, accepts_every_kind_of_value) {
  for (const auto *text : {"{}", "[]", " {\t}\r\n", "1", "-0", "0.5e-7", "1E+3", "\"\"", "true", "false",
                           "null", R"({"a":[1,{"b":null}],"c":"\u00e9\n"})", "[[],[[]]]"})
    EXPECT_EQ(fault_of(text), JsonFault::NONE) << text;
}

TEST(JsonReader, refuses_what_is_no_json) {
  for (const auto *text : {"",          " ",     "{",   "}",         "[1,]",        "{\"a\":1,}", "{\"a\"}",
                           "{a:1}",     "01",    "+1",  ".5",        "1.",          "1e",         "--1",
                           "nul",       "True",  "\"",  "\"\\x\"",   "\"\\u12g4\"", "\"\\u12",    "\"a\nb\"",
                           "{} {}",     "[1 2]", "NaN", "-Infinity", "'a'",         "[}",         "{]",
                           "{\"a\":1]", "\"\\",  "1,2", "{\"a\":}",  "[,]",         "{,}",        "/**/1"})
    EXPECT_EQ(fault_of(text), JsonFault::NOT_JSON) << text;
}

TEST(JsonReader, counts_levels_as_the_contract_does) {
  const auto nested = [](size_t levels, std::string inner) {
    for (size_t i = 0; i < levels; i++) inner = "[" + inner + "]";
    return inner;
  };
  EXPECT_EQ(fault_of(nested(16, "")), JsonFault::NONE);
  EXPECT_EQ(fault_of(nested(15, "1")), JsonFault::NONE);
  EXPECT_EQ(fault_of(nested(16, "1")), JsonFault::TOO_DEEP);
  EXPECT_EQ(fault_of(nested(17, "")), JsonFault::TOO_DEEP);
  EXPECT_EQ(fault_of(nested(5'000, "")), JsonFault::TOO_DEEP);
  EXPECT_EQ(fault_of(std::string(5'000, '{')), JsonFault::NOT_JSON);
}

TEST(JsonReader, refuses_what_is_too_large_or_no_utf8) {
  EXPECT_EQ(fault_of(std::string(MAX_JSON_BYTES + 1, ' ')), JsonFault::TOO_LARGE);
  EXPECT_EQ(fault_of("\"\xff\""), JsonFault::NOT_UTF8);
  EXPECT_EQ(fault_of("\"\xed\xa0\x80\""), JsonFault::NOT_UTF8);
  EXPECT_EQ(fault_of("\xef\xbb\xbf{}"), JsonFault::NOT_JSON);
}

TEST(JsonReader, finds_members) {
  const JsonValue value =
      read(R"( { "a" : 1 , "b" : [ 2 , "]" , {"c":"}"} ] , "a" : 3, "\u0064":true } )").value;
  EXPECT_EQ(value["a"].integer(), 3);  // the last one counts
  EXPECT_EQ(value["b"].type(), JsonType::ARRAY);
  EXPECT_TRUE(value["d"].boolean());
  EXPECT_EQ(value["e"].type(), JsonType::ABSENT);
  EXPECT_EQ(value["a"]["x"].type(), JsonType::ABSENT);
  JsonItems items = value["b"].items();
  EXPECT_EQ(items.next()->value.integer(), 2);
  EXPECT_EQ(text_of(items.next()->value), "]");
  EXPECT_EQ(text_of(items.next()->value["c"]), "}");
  EXPECT_FALSE(items.next());
  EXPECT_FALSE(read("3").value.items().next());
}

TEST(JsonReader, reads_texts) {
  EXPECT_EQ(text_of(read(R"("a\"\\\/\b\f\n\r\t")").value), "a\"\\/\b\f\n\r\t");
  EXPECT_EQ(text_of(read(R"("\u0041\u00e9\u20ac\ud83d\ude00")").value), "A\u00e9\u20ac\U0001F600");
  EXPECT_EQ(text_of(read(R"("\ud83d")").value), "?");
  EXPECT_EQ(text_of(read(R"("\ude00x\ud83d\u0041")").value), "?x?A");
  EXPECT_EQ(text_of(read("\"" + std::string(64, 'x') + "\"").value), std::string(64, 'x'));
  EXPECT_EQ(text_of(read("\"" + std::string(65, 'x') + "\"").value), "nothing");
  EXPECT_EQ(text_of(read("1").value), "nothing");
}

TEST(JsonReader, reads_numbers) {
  EXPECT_EQ(read("-12.5e1").value.number(), -125.0);
  EXPECT_EQ(read("4294967295").value.integer(), 4294967295);
  EXPECT_EQ(read("9223372036854775807").value.integer(), INT64_MAX);
  EXPECT_FALSE(read("9223372036854775808").value.integer());
  EXPECT_FALSE(read("1.0").value.integer());
  EXPECT_FALSE(read("1e2").value.integer());
  EXPECT_FALSE(read("1e400").value.number());
  EXPECT_EQ(read("1e-400").value.number(), 0.0);
  EXPECT_FALSE(read("\"1\"").value.number());
  EXPECT_EQ(fault_of(std::string(5000, '9')), JsonFault::NOT_JSON);  // as the other side refuses it
}

}  // namespace
}  // namespace esphome::microgrid
