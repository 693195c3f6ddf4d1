// Any heap of bytes in, one JSON object for each good frame out: `umg1_decode [FILE]` (stdin without it).
//
// Every object has offset, kind, flags, blocks, seq, boot_id, schema_hash, mono_us, utc_us, payload_bytes,
// and by kind: schema, clock, span_ms, node, channels (id → samples, null = missing), event, can, snapshot,
// boot; "malformed": true when the payload is not what its kind says, with the channels before the broken
// one. Integers are exact; the texts are UTF-8 as they lie in the frame.
#include <array>
#include <cstdio>
#include <map>

#include "esphome/components/microgrid_core/umg1_can.h"
#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_event.h"
#include "esphome/components/microgrid_core/umg1_samples.h"
#include "segment_file.h"

using namespace esphome::microgrid;

namespace {

struct KnownSchema {
  std::vector<Channel> room = std::vector<Channel>(MAX_CHANNELS);
  Schema schema;
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x", static_cast<unsigned>(c));
      out += code.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// "name": value, for numbers.
template <typename T>
std::string field(const char *name, T value) {
  return ", \"" + std::string(name) + "\": " + std::to_string(value);
}
template <typename T>
  requires std::is_enum_v<T>
std::string field(const char *name, T value) {
  return field(name, static_cast<unsigned>(value));
}
std::string field(const char *name, std::string_view value) {
  return ", \"" + std::string(name) + "\": " + quoted(value);
}

/// {…} of fields, whose first comma is too much.
std::string object(const std::string &fields) {
  return "{" + (fields.empty() ? fields : fields.substr(2)) + "}";
}

std::string of_schema(const Schema &schema) {
  std::string channels;
  for (const Channel &channel : schema.channels) {
    channels += (channels.empty() ? "" : ", ") +
                object(field("id", channel.id) + field("name", channel.name) + field("unit", channel.unit) +
                       field("numerator", channel.numerator) + field("exponent", channel.exponent) +
                       field("offset", channel.offset) + field("period_us", channel.period_us) +
                       field("group", channel.group) + field("width", channel.width));
  }
  return ", \"schema\": " + object(field("node", schema.node) + field("cluster", schema.cluster) +
                                   ", \"channels\": [" + channels + "]");
}

std::string of_clock(const ClockRecord &clock) {
  return ", \"clock\": " + object(field("drift_ppb", clock.drift_ppb) + field("error_us", clock.error_us) +
                                  field("source", clock.source) + field("state", clock.state));
}

constexpr const char *MALFORMED = ", \"malformed\": true";

std::optional<std::string> of_samples(const Frame &frame, const Schema *schema) {
  auto samples = open_samples(frame);
  if (!samples || schema == nullptr) return std::nullopt;
  std::string channels;
  std::string verdict;
  std::vector<int32_t> values(65535);
  for (uint16_t i = 0; i < samples->blocks; i++) {
    const auto block = read_block(samples->in, *schema, samples->span_ms);
    if (!block || !decode_block(*block, values)) {
      verdict = MALFORMED;
      break;
    }
    channels += (channels.empty() ? "\"" : ", \"") + std::to_string(block->id) + "\": [";
    size_t next = 0;
    for (size_t sample = 0; sample < block->count; sample++)
      channels += (sample == 0 ? "" : ",") +
                  (block->is_present(sample) ? std::to_string(values[next++]) : std::string("null"));
    channels += "]";
  }
  return (frame.header.kind == Kind::SUMMARY ? field("node", samples->node) : "") +
         field("span_ms", samples->span_ms) + ", \"channels\": {" + channels + "}" + verdict;
}

std::optional<std::string> of_event(const Frame &frame) {
  std::array<EventValue, 255> room{};
  const auto event = read_event(after_clock(frame), room);
  if (!event) return std::nullopt;
  std::string values;
  for (const EventValue &value : event->values)
    values += (values.empty() ? "[" : ", [") + std::to_string(value.channel) + ", " +
              std::to_string(value.integer) + "]";
  std::string fields = field("type", event->type) + field("state", event->state) +
                       field("severity", event->severity) + field("code", event->code) +
                       field("event_id", event->event_id) + ", \"values\": [" + values + "]";
  if (event->type == EventType::OVERFLOW_) {
    fields += ", \"lost\": " +
              object(field("boot_id", event->lost.boot_id) + field("first_seq", event->lost.first_seq) +
                     field("last_seq", event->lost.last_seq));
  }
  return ", \"event\": " + object(fields);
}

std::optional<std::string> of_can(const Frame &frame) {
  CanReader reader(frame);
  std::string frames;
  while (const auto can = reader.next()) {
    std::string data;
    for (size_t i = 0; i < can->length; i++) data += (i == 0 ? "" : ", ") + std::to_string(can->data[i]);
    frames += (frames.empty() ? "" : ", ") +
              object(field("mono_us", static_cast<int64_t>(can->mono_us)) +
                     field("identifier", can->identifier) + ", \"data\": [" + data + "]");
  }
  if (!reader.ok()) return std::nullopt;
  return ", \"can\": [" + frames + "]";
}

std::optional<std::string> of_snapshot(const Frame &frame) {
  const auto snapshot = read_snapshot(after_clock(frame));
  if (!snapshot) return std::nullopt;
  return ", \"snapshot\": " +
         object(field("event_id", snapshot->event_id) + field("code", snapshot->code) +
                field("origin", snapshot->origin) + field("trigger_mono_us", snapshot->trigger_mono_us) +
                field("trigger_utc_us", snapshot->trigger_utc_us) + field("before_ms", snapshot->before_ms) +
                field("after_ms", snapshot->after_ms) + field("state", snapshot->state));
}

std::optional<std::string> of_boot(const Frame &frame) {
  const auto boot = read_boot(after_clock(frame));
  if (!boot) return std::nullopt;
  return ", \"boot\": " + object(field("reason", boot->reason) + field("firmware", boot->firmware) +
                                 field("previous_boot_id", boot->previous_boot_id) +
                                 field("previous_next_seq", boot->previous_next_seq));
}

}  // namespace

int main(int argc, char **argv) {
  std::FILE *file = argc > 1 ? std::fopen(argv[1], "rb") : stdin;
  if (file == nullptr) {
    std::fprintf(stderr, "umg1_decode: cannot open %s\n", argv[1]);
    return 1;
  }
  const std::vector<uint8_t> bytes = read_file(file);
  std::map<uint32_t, KnownSchema> schemas;
  FrameScanner scanner(bytes);
  while (const auto frame = scanner.next()) {
    const FrameHeader &header = frame->header;
    std::optional<std::string> content = "";
    const auto known = schemas.find(header.schema_hash);
    switch (header.kind) {
      case Kind::SCHEMA: {
        KnownSchema &place = schemas[crc32(frame->payload())];
        const auto schema = read_schema(frame->payload(), place.room);
        content = schema ? std::optional(of_schema(*schema)) : std::nullopt;
        place.schema = schema.value_or(Schema{});
        break;
      }
      case Kind::FAST:
      case Kind::SLOW:
      case Kind::SUMMARY:
        content = of_samples(*frame, known == schemas.end() ? nullptr : &known->second.schema);
        break;
      case Kind::EVENT:
        content = of_event(*frame);
        break;
      case Kind::TIMESYNC:
        break;
      case Kind::CAN:
        content = of_can(*frame);
        break;
      case Kind::SNAPSHOT:
        content = of_snapshot(*frame);
        break;
      case Kind::BOOT:
        content = of_boot(*frame);
        break;
    }
    const bool may_have_clock = header.kind > Kind::SCHEMA && header.kind <= Kind::SUMMARY;
    if (((may_have_clock && (header.flags & FLAG_CLOCK) != 0) || header.kind == Kind::TIMESYNC) && content) {
      ByteReader in(frame->payload());
      const ClockRecord clock = read_clock(in);
      content = in.ok() ? std::optional(*content + of_clock(clock)) : std::nullopt;
    }
    std::puts(object(field("offset", scanner.offset()) + field("kind", header.kind) +
                     field("flags", header.flags) + field("blocks", header.blocks) +
                     field("seq", header.seq) + field("boot_id", header.boot_id) +
                     field("schema_hash", header.schema_hash) + field("mono_us", header.mono_us) +
                     field("utc_us", header.utc_us) + field("payload_bytes", header.payload_bytes) +
                     content.value_or(MALFORMED))
                  .c_str());
  }
  return 0;
}
