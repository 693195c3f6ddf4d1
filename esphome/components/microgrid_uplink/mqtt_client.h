// MQTT 3.1.1 over any stream of bytes: last will, QoS 0 and 1, reconnection. All memory is given at the
// start: what does not fit into the outbox is refused, what is larger than the receive buffer is
// acknowledged, dropped and counted.
#pragma once

#include <array>

#include "byte_stream.h"
#include "publisher.h"

namespace esphome::microgrid {

/// Texts and bytes outlive the client.
struct MqttSettings {
  std::string_view client_id;
  std::string_view user{};
  std::string_view password{};
  std::string_view will_topic{};  // without: no last will; with QoS 1 and retained
  Bytes will_payload{};
  uint16_t keep_alive_s{15};
  bool clean_session{false};  // true: the broker forgets what came while we were away
};

struct MqttCounters {
  uint32_t connections;
  uint32_t refused;          // by the broker: credentials, client id
  uint32_t losses;           // connections that ended without our doing
  uint32_t protocol_errors;  // the broker said what it may not say
  uint32_t sent;             // messages
  uint32_t repeated;         // of them once more after a reconnection
  uint32_t received;
  uint32_t oversized;  // received and dropped
  uint32_t no_room;    // not taken for sending
};

class MqttClient final : public Publisher {
 public:
  /// `inbox` of at least 512 bytes bounds what can be received, `outbox` what waits to be sent or
  /// acknowledged.
  MqttClient(ByteStream &stream, MessageReceiver &receiver, const MqttSettings &settings,
             std::span<uint8_t> inbox, std::span<uint8_t> outbox)
      : stream_(stream), receiver_(receiver), settings_(settings), inbox_(inbox), outbox_(outbox) {}

  /// Does what is due: a few kB each way at most.
  void loop(uint64_t now_us) override;
  uint32_t connection() const override {
    return this->state_ == State::CONNECTED ? this->counters_.connections : 0;
  }
  bool publish(std::string_view topic, Bytes payload, uint8_t qos, bool retain) override;
  bool subscribe(std::string_view filter) override;

  /// Ends the connection properly, so that the broker keeps the last will to itself.
  void disconnect();

  const MqttCounters &counters() const { return this->counters_; }
  size_t waiting() const { return this->entry_count_; }

 protected:
  enum class State : uint8_t { IDLE, OPENING, GREETING, CONNECTED };
  enum class Kind : uint8_t { CONNECT, ONCE, AT_LEAST_ONCE, SUBSCRIBE };
  struct Entry {
    uint32_t bytes;
    uint16_t id;
    Kind kind;
    bool sent;
  };

  static constexpr size_t MAX_ENTRIES = 64;
  static constexpr size_t MAX_IN_FLIGHT = 20;  // what brokers take at a time
  static constexpr size_t BYTES_PER_LOOP = size_t{16} * 1024;
  static constexpr uint64_t SECOND_US = 1'000'000;
  static constexpr uint64_t ANSWER_TIMEOUT_US = 10 * SECOND_US;
  static constexpr uint64_t MAX_PAUSE_US = 30 * SECOND_US;

  // Connection.
  void greet(uint64_t now_us);
  void lose(uint64_t now_us);
  void protocol_error();
  void look_after(uint64_t now_us);

  // Sending: control packets first, then the outbox in its order.
  bool put(Kind kind, uint16_t id, uint8_t first_byte, size_t body_bytes);
  uint8_t *room_for(size_t bytes);
  uint16_t new_id();
  void control(std::span<const uint8_t> packet);
  void send(uint64_t now_us);
  size_t in_flight() const;
  void remove(size_t index);
  bool remove_acknowledged(Kind kind, uint16_t id);

  // Receiving.
  void receive(uint64_t now_us);
  void take_packets(uint64_t now_us);
  void take(uint8_t first_byte, Bytes body);
  void take_message(uint8_t first_byte, Bytes body, bool whole);

  ByteStream &stream_;
  MessageReceiver &receiver_;
  MqttSettings settings_;
  std::span<uint8_t> inbox_;
  std::span<uint8_t> outbox_;

  State state_{State::IDLE};
  uint64_t deadline_us_{0};       // of opening and greeting; when IDLE: of the next attempt
  uint64_t pause_us_{SECOND_US};  // before the next attempt
  uint64_t sent_us_{0};
  uint64_t heard_us_{0};
  uint64_t pinged_us_{0};  // 0: no ping is unanswered
  bool broken_{false};     // the connection must be given up

  std::array<Entry, MAX_ENTRIES> entries_{};
  size_t entry_count_{0};
  size_t outbox_used_{0};
  size_t progress_{0};  // bytes written of the first unsent entry
  uint16_t last_id_{0};

  std::array<uint8_t, 128> control_{};  // acknowledgements and pings that wait
  size_t control_used_{0};
  size_t control_progress_{0};

  size_t inbox_used_{0};
  size_t skip_{0};  // of a message that is too large

  MqttCounters counters_{};
};

}  // namespace esphome::microgrid
