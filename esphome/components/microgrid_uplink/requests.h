// What Home Assistant sends to a node, read and judged as contract/mqtt demands: `log/ack`, `snapshot/get`,
// `cmd/set`.
#pragma once

#include <variant>

#include "esphome/components/microgrid_core/json_reader.h"
#include "esphome/components/microgrid_core/node_event.h"
#include "esphome/components/microgrid_core/umg1_frame.h"

namespace esphome::microgrid {

/// Reasons of contract/mqtt for which a message is refused; each is a counter.
enum class Refusal : uint8_t {
  BAD_TOPIC,
  TOO_LARGE,
  NOT_UTF8,
  NOT_JSON,
  TOO_DEEP,
  WRONG_TYPE,
  MISSING_FIELD,
  BAD_VALUE,
  FUTURE_TIME,
};
constexpr size_t REFUSALS = 9;
std::string_view name_of(Refusal refusal);

template <typename T>
using Read = std::variant<T, Refusal>;

constexpr size_t MAX_ID_BYTES = 64;
constexpr size_t MAX_KEY_BYTES = 48;
bool is_identifier(std::string_view text);  // of a swarm or node
bool is_id(std::string_view text);
bool is_key(std::string_view text);

/// µs since 1970; nullopt when it is no UTC time such as 2026-01-31T12:00:00.000Z.
std::optional<int64_t> parse_time(std::string_view text);

Read<Position> read_log_ack(Bytes payload);

struct SnapshotGet {
  ShortText<MAX_ID_BYTES> event_id;  // empty: the list is wanted
  uint8_t part{0};                   // 0 measured, 1 traffic
  uint32_t first{0};
  uint16_t count{16};
};
Read<SnapshotGet> read_snapshot_get(Bytes payload);

struct CommandRequest {
  ShortText<MAX_ID_BYTES> id;
  ShortText<MAX_KEY_BYTES> command;
  JsonValue parameters;  // object of scalars, absent when there are none; lies in the payload
  int64_t expires_utc_us{0};
};
/// `now_utc_us` 0: not known, then no time is in the future.
Read<CommandRequest> read_command(Bytes payload, int64_t now_utc_us);

/// `microgrid/v1/<swarm>/<node>/<suffix>`; nullopt when it is of another swarm or none of ours.
struct TopicParts {
  std::string_view node;
  std::string_view suffix;
};
std::optional<TopicParts> parse_topic(std::string_view topic, std::string_view swarm);

}  // namespace esphome::microgrid
