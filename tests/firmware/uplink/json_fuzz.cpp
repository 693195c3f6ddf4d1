// libFuzzer: any bytes as a request. What is accepted can be read without touching anything outside.
#include <cstdint>

#include "esphome/components/microgrid_uplink/requests.h"

using namespace esphome::microgrid;

namespace {

size_t walk(JsonValue value, int depth) {
  char room[32];
  size_t seen = value.text(room).value_or("").size();
  seen += value.number().has_value() ? 1U : 0U;
  seen += value.integer().has_value() ? 1U : 0U;
  seen += value["event_id"].raw().size();
  JsonItems items = value.items();
  while (const auto item = items.next()) {
    if (depth > static_cast<int>(MAX_JSON_DEPTH)) __builtin_trap();
    seen += item->name.text(room).value_or("").size() + walk(item->value, depth + 1);
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Bytes payload(data, size);
  const JsonDocument document = read_json(payload);
  if (document.fault == JsonFault::NONE && walk(document.value, 1) > 100 * size) __builtin_trap();
  (void)read_log_ack(payload);
  (void)read_snapshot_get(payload);
  (void)read_command(payload, 1'795'262'400'000'000);
  (void)parse_topic({reinterpret_cast<const char *>(data), size}, "village");
  return 0;
}
