// Field by field in the order of the contract's tables.
#include "messages.h"

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr std::array<std::string_view, 6> EVENT_TYPES{"fault", "alarm", "contactor",
                                                      "sync",  "boot",  "overflow"};
constexpr std::array<std::string_view, 3> EVENT_STATES{"moment", "raised", "cleared"};
constexpr std::array<std::string_view, 3> SEVERITIES{"info", "warning", "critical"};
constexpr std::array<std::string_view, 2> PARTS{"measured", "traffic"};
constexpr std::array<std::string_view, 4> SNAPSHOT_STATES{"complete", "partial", "extended", "recording"};
constexpr std::array<std::string_view, 4> STATUSES{"succeeded", "failed", "rejected", "expired"};

template <size_t COUNT, typename E>
std::string_view word(const std::array<std::string_view, COUNT> &words, E value) {
  const auto index = static_cast<size_t>(value);
  return index < COUNT ? words[index] : words[0];
}

uint8_t decimals_of(const MetricRow &row) {
  return row.exponent < 0 ? static_cast<uint8_t>(-row.exponent) : uint8_t{0};
}

void write_value(JsonWriter &json, const MetricRow &row, double value) {
  if (row.kind == ValueKind::FLAG) {
    json.boolean(row.key, value != 0);
  } else {
    json.number(row.key, value, decimals_of(row));
  }
}

void write_optional(JsonWriter &json, std::string_view name, std::string_view text) {
  if (!text.empty()) json.text(name, text);
}

void write_parameter(JsonWriter &json, const CommandParameter &parameter) {
  constexpr std::array<std::string_view, 3> TYPES{"number", "boolean", "choice"};
  json.begin_object();
  json.text("name", parameter.name);
  json.text("type", word(TYPES, parameter.type));
  if (parameter.type == CommandParameter::Type::NUMBER) {
    json.number("minimum", parameter.minimum, 3);
    json.number("maximum", parameter.maximum, 3);
  }
  if (parameter.type == CommandParameter::Type::CHOICE) {
    json.begin_array("options");
    for (const std::string_view option : parameter.options) json.text(option);
    json.end_array();
  }
  write_optional(json, "unit", parameter.unit);
  json.end_object();
}

}  // namespace

MetricSet known_metrics(const Readings &readings) {
  MetricSet known = 0;
  for (size_t i = 0; i < std::min<size_t>(readings.size(), 64); i++)
    if (readings.get(i)) known |= MetricSet{1} << i;
  return known;
}

void write_birth(JsonWriter &json, const NodeView &node, MetricSet metrics, int64_t utc_us) {
  json.begin_object();
  json.integer("protocol", 1);
  json.text("kind", node.role == Role::GATEWAY ? "gateway" : "house");
  json.text("name", node.name.empty() ? node.node : node.name);
  json.integer("boot_id", node.boot_id);
  write_optional(json, "parent", node.parent);
  write_optional(json, "hardware", node.hardware);
  write_optional(json, "firmware", node.firmware);
  json.integer("interval_s", 1);
  json.time("time", utc_us);
  json.begin_object("capabilities");
  json.begin_array("metrics");
  const std::span<const MetricRow> rows = node.readings->rows();
  for (size_t i = 0; i < rows.size(); i++)
    if ((metrics >> i & 1) != 0) json.text(rows[i].key);
  json.end_array();
  json.begin_array("log_channels");
  for (const MetricRow &row : rows)
    if (row.channel != 0) json.text(row.key);
  json.end_array();
  json.begin_array("commands");
  for (const Command &command : node.commands) {
    json.begin_object();
    json.text("name", command.name);
    json.begin_array("parameters");
    for (const CommandParameter &parameter : command.parameters) write_parameter(json, parameter);
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  json.end_object();
}

void write_live(JsonWriter &json, const NodeView &node, MetricSet metrics, uint32_t seq, int64_t utc_us) {
  json.integer("boot_id", node.boot_id);
  json.integer("seq", seq);
  json.time("time", utc_us);
  json.begin_object("values");
  const std::span<const MetricRow> rows = node.readings->rows();
  for (size_t i = 0; i < rows.size(); i++) {
    if ((metrics >> i & 1) == 0) continue;
    if (node.readings->get(i)) {
      write_value(json, rows[i], node.readings->value(i));
    } else {
      json.null(rows[i].key);
    }
  }
  json.end_object();
  json.begin_array("faults");
  for (const FaultRow &row : FAULTS)
    if (node.faults.active(row)) json.text(row.code);
  if (node.card_failed) json.text(CARD_FAILED);
  json.end_array();
}

void write_event(JsonWriter &json, const OutgoingEvent &event, std::span<const MetricRow> rows) {
  json.begin_object();
  json.text("event_id", event.event_id.view());
  json.text("type", word(EVENT_TYPES, event.type));
  json.text("state", word(EVENT_STATES, event.state));
  json.text("code", event.code.view());
  json.text("severity", word(SEVERITIES, event.severity));
  json.integer("boot_id", event.boot_id);
  json.integer("seq", event.seq);
  json.time("time", event.utc_us);
  json.begin_object("values");
  for (const EventValue &value : std::span(event.values).first(event.value_count)) {
    const auto row = std::ranges::find(rows, value.channel, &MetricRow::channel);
    if (row != rows.end() && value.channel != 0)
      write_value(json, *row, (static_cast<double>(value.integer) + row->offset) * step_of(*row));
  }
  if (event.type == EventType::OVERFLOW_) {
    json.integer("first_seq", event.lost.first_seq);
    json.integer("last_seq", event.lost.last_seq);
  }
  json.end_object();
  json.end_object();
}

void write_snapshot_list(JsonWriter &json, std::string_view cluster,
                         std::span<const StoredSnapshot> snapshots) {
  json.begin_object();
  json.begin_array("snapshots");
  for (const StoredSnapshot &snapshot : snapshots) {
    const bool ready = snapshot.state != StoredState::RECORDING;
    json.begin_object();
    json.text("event_id", make_event_id(cluster, snapshot.key).view());
    json.text("code", snapshot.code.view());
    json.text("part", word(PARTS, snapshot.part));
    json.text("state", word(SNAPSHOT_STATES, snapshot.state));
    json.integer("bytes", ready ? snapshot.bytes : 0);
    json.integer("crc", ready ? snapshot.crc : 0);
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

void write_command_result(JsonWriter &json, std::string_view id, CommandStatus status,
                          std::string_view text) {
  json.begin_object();
  json.text("id", id);
  json.text("status", word(STATUSES, status));
  if (status != CommandStatus::SUCCEEDED) {
    write_optional(json, "reason", text);
  } else if (!text.empty()) {
    json.begin_object("values");
    json.text("event_id", text);
    json.end_object();
  }
  json.end_object();
}

void write_chunk_header(const ChunkHeader &header, std::span<uint8_t> chunk) {
  ByteWriter out(chunk.first(CHUNK_HEADER_BYTES));
  out.u8(1);
  out.u8(static_cast<uint8_t>(header.part));
  out.u8(header.state);
  out.u8(0);
  out.u32(header.number);
  out.u32(header.count);
  out.u32(header.object_bytes);
  out.u32(header.object_crc);
  out.u32(crc32(chunk.subspan(CHUNK_HEADER_BYTES)));
}

}  // namespace esphome::microgrid
