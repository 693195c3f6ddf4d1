// Prints a birth, a live and an event message as the firmware writes them, one per line, for the contract's
// parsers.
#include <array>
#include <cmath>
#include <cstdio>

#include "esphome/components/microgrid_core/fault_catalogue.h"
#include "esphome/components/microgrid_core/json_writer.h"

using namespace esphome::microgrid;

namespace {

constexpr int64_t TIME_US = 1'795'278'896'789'000;
constexpr uint32_t BOOT_ID = 0xFFFFFFFF;

void birth(JsonWriter &json) {
  json.begin_object();
  json.integer("protocol", 1);
  json.text("kind", "house");
  json.text("name", "Haus \"Süd\" № 3");
  json.text("parent", "gateway_1");
  json.text("firmware", "0.1.0");
  json.integer("boot_id", BOOT_ID);
  json.number("interval_s", 1, 1);
  json.time("time", TIME_US);
  json.begin_object("capabilities");
  json.begin_array("metrics");
  for (const auto *key : {"frequency", "voltage", "battery_power"}) json.text(key);
  json.end_array();
  json.begin_array("log_channels");
  json.text("frequency");
  json.end_array();
  json.begin_array("commands");
  json.begin_object();
  json.text("name", "droop_gain");
  json.begin_array("parameters");
  json.begin_object();
  json.text("name", "gain");
  json.text("type", "number");
  json.number("minimum", 0.5, 2);
  json.number("maximum", 5, 2);
  json.text("unit", "%");
  json.end_object();
  json.end_array();
  json.end_object();
  json.end_array();
  json.end_object();
  json.end_object();
}

void live(JsonWriter &json) {
  json.begin_object();
  json.integer("boot_id", BOOT_ID);
  json.integer("seq", 17);
  json.time("time", TIME_US);
  json.begin_object("values");
  json.number("frequency", 49.98765, 3);
  json.number("voltage", NAN, 1);
  json.number("battery_power", -1234.56, 1);
  json.boolean("contactor", true);
  json.text("mode", "follow\n");
  json.end_object();
  json.begin_array("faults");
  json.text(fault(FaultCode::F012).code);
  json.end_array();
  json.end_object();
}

void event(JsonWriter &json) {
  json.begin_object();
  json.text("event_id", "house_3-4294967295-18");
  json.text("type", "fault");
  json.text("state", "raised");
  json.text("code", fault(FaultCode::F001).code);
  json.text("severity", "critical");
  json.integer("boot_id", BOOT_ID);
  json.integer("seq", 18);
  json.time("time", 0);
  json.begin_object("values");
  json.number("current", 61.25, 2);
  json.end_object();
  json.end_object();
}

}  // namespace

int main() {
  for (const auto write : {birth, live, event}) {
    std::array<char, 2048> room{};
    JsonWriter json(room);
    write(json);
    const auto document = json.finish();
    if (!document) return 1;
    std::printf("%.*s\n", static_cast<int>(document->size()), document->data());
  }
  return 0;
}
