// What all parts of one firmware share: who the node is, what it measures, its clock, what happens at it.
#pragma once

#include <span>

#include "clock.h"
#include "event_desk.h"
#include "identity.h"
#include "readings.h"

namespace esphome::microgrid {

/// A command that the node takes from the broker; see "Commands" in contract/mqtt.
struct CommandParameter {
  std::string_view name;
  enum class Type : uint8_t { NUMBER, BOOLEAN, CHOICE } type;
  double minimum{0};
  double maximum{0};
  std::string_view unit{};
  std::span<const std::string_view> options{};
};

struct CommandValue {
  std::string_view name;
  double number{0};  // a boolean as 0 or 1
  std::string_view choice{};
};

struct CommandOutcome {
  bool succeeded;
  std::string_view reason{};  // for people, when it failed; a literal
  EventId event_id{};         // of what it began, when it succeeded
};

/// Runs in the main loop.
class CommandHandler {
 public:
  virtual CommandOutcome run(std::span<const CommandValue> parameters) = 0;

 protected:
  ~CommandHandler() = default;
};

struct Command {
  std::string_view name;
  std::span<const CommandParameter> parameters;
  CommandHandler *handler;
};

/// Small values that outlive a restart: cursors, counters, commands. On the ESP32 flash, so nothing that
/// changes every second.
class Storage {
 public:
  /// False when there is none of this name and size.
  virtual bool load(std::string_view name, std::span<uint8_t> value) = 0;
  /// Will be written within a minute or so; a power cut before loses it.
  virtual bool save(std::string_view name, std::span<const uint8_t> value) = 0;
  /// Is written when it returns true, whatever happens then. Takes its time: for what is rare and must not be
  /// forgotten.
  virtual bool save_now(std::string_view name, std::span<const uint8_t> value) = 0;

 protected:
  ~Storage() = default;
};

class Node {
 public:
  static constexpr size_t MAX_COMMANDS = 8;

  Node(const Identity &who, std::span<const SourceSettings> time_sources, std::span<const MetricRow> rows,
       std::span<Readings::Cell> cells)
      : identity(who), clock(time_sources), desk(this->identity, this->clock), readings(rows, cells) {}

  const Identity identity;
  DisciplinedClock clock;
  EventDesk desk;
  Readings readings;

  void add(const Command &command) {
    if (this->command_count_ < MAX_COMMANDS) this->commands_[this->command_count_++] = command;
  }
  std::span<const Command> commands() const { return {this->commands_.data(), this->command_count_}; }
  /// The command of this name, alone; nothing when there is none.
  std::span<const Command> command(std::string_view name) const {
    const auto commands = this->commands();
    for (const Command &command : commands)
      if (command.name == name) return {&command, 1};
    return {};
  }

 protected:
  std::array<Command, MAX_COMMANDS> commands_{};
  size_t command_count_{0};
};

}  // namespace esphome::microgrid
