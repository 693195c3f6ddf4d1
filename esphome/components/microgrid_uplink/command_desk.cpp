// Judges a command in the order in which a person would ask: is the clock set, is it late, is it known, is it
// allowed.
#include "command_desk.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr size_t MAX_PARAMETERS = 16;

/// A sentence put together of pieces; what does not fit is cut.
class Sentence final {
 public:
  Sentence &operator<<(std::string_view piece) {
    const size_t count = std::min(piece.size(), this->room_.size() - this->size_);
    std::copy_n(piece.begin(), count, this->room_.begin() + static_cast<std::ptrdiff_t>(this->size_));
    this->size_ += count;
    return *this;
  }
  /// Up to three decimals, as many as it needs.
  Sentence &operator<<(double number) {
    std::array<char, 40> room{};
    JsonWriter json(room);
    json.number(number, 3);
    std::string_view digits = json.finish().value_or("?");
    if (digits.find('.') != std::string_view::npos) {
      digits = digits.substr(0, digits.find_last_not_of('0') + 1);
      if (digits.back() == '.') digits.remove_suffix(1);
    }
    return *this << digits;
  }
  std::string_view view() const { return {this->room_.data(), this->size_}; }

 protected:
  std::array<char, 120> room_{};
  size_t size_{0};
};

/// Checks one value against its declaration; false with the reason in `why`.
bool accept(const CommandParameter &parameter, JsonValue value, CommandValue &accepted, Sentence &why) {
  accepted.name = parameter.name;
  switch (parameter.type) {
    case CommandParameter::Type::BOOLEAN:
      accepted.number = value.boolean() ? 1 : 0;
      if (value.type() == JsonType::BOOLEAN) return true;
      why << parameter.name << " must be true or false";
      return false;
    case CommandParameter::Type::CHOICE:
      for (const std::string_view option : parameter.options) {
        if (!value.equals(option)) continue;
        accepted.choice = option;
        return true;
      }
      why << parameter.name << " is none of its options";
      return false;
    case CommandParameter::Type::NUMBER:
      break;
  }
  const auto number = value.number();
  if (!number) {
    why << parameter.name << " must be a number";
    return false;
  }
  accepted.number = *number;
  const bool below = *number < parameter.minimum;
  if (!below && *number <= parameter.maximum) return true;
  why << parameter.name << " = " << *number << (below ? " is below " : " is above ")
      << (below ? parameter.minimum : parameter.maximum);
  if (!parameter.unit.empty()) why << " " << parameter.unit;
  return false;
}

/// Every declared parameter and no other.
bool accept_all(const Command &command, JsonValue given, std::span<CommandValue> accepted, Sentence &why) {
  JsonItems items = given.items();
  while (const auto item = items.next()) {
    const bool declared = std::ranges::any_of(command.parameters, [&](const CommandParameter &parameter) {
      return item->name.equals(parameter.name);
    });
    if (declared) continue;
    std::array<char, MAX_KEY_BYTES> room{};
    why << item->name.text(room).value_or("?") << " is no parameter of " << command.name;
    return false;
  }
  for (size_t i = 0; i < command.parameters.size(); i++) {
    const CommandParameter &parameter = command.parameters[i];
    const JsonValue value = given[parameter.name];
    if (!value.given()) {
      why << parameter.name << " is missing";
      return false;
    }
    if (!accept(parameter, value, accepted[i], why)) return false;
  }
  return true;
}

}  // namespace

void CommandDesk::take(uint8_t number, const CommandRequest &request, std::span<const Command> commands,
                       int64_t now_utc_us) {
  const auto known = std::ranges::find_if(this->results_, [&](const Result &result) {
    return !result.id.empty() && result.number == number && result.id == request.id;
  });
  if (known != this->results_.end()) {
    known->waiting = true;
    return;
  }
  execute(this->remember(number, request), request, commands, now_utc_us);
}

CommandDesk::Result &CommandDesk::remember(uint8_t number, const CommandRequest &request) {
  Result &result = this->results_[this->next_];
  this->next_ = (this->next_ + 1) % REMEMBERED;
  result = {
      .number = number, .id = request.id, .status = CommandStatus::REJECTED, .text = {}, .waiting = true};
  return result;
}

void CommandDesk::execute(Result &result, const CommandRequest &request, std::span<const Command> commands,
                          int64_t now_utc_us) {
  if (now_utc_us == 0) {
    result.text.assign("the clock of the node is not set");
    return;
  }
  if (now_utc_us >= request.expires_utc_us) {
    result.status = CommandStatus::EXPIRED;
    return;
  }
  const auto command = std::ranges::find(commands, request.command.view(), &Command::name);
  Sentence why;
  std::array<CommandValue, MAX_PARAMETERS> values{};
  if (command == commands.end() || command->parameters.size() > MAX_PARAMETERS) {
    result.text.assign((why << "this node has no command " << request.command.view()).view());
    return;
  }
  if (!accept_all(*command, request.parameters, values, why)) {
    result.text.assign(why.view());
    return;
  }
  const CommandOutcome outcome = command->handler->run(std::span(values).first(command->parameters.size()));
  result.status = outcome.succeeded ? CommandStatus::SUCCEEDED : CommandStatus::FAILED;
  result.text.assign(outcome.succeeded ? outcome.event_id.view() : outcome.reason);
}

const CommandDesk::Result *CommandDesk::waiting() const {
  for (size_t i = 0; i < REMEMBERED; i++) {
    const Result &result = this->results_[(this->next_ + i) % REMEMBERED];
    if (result.waiting) return &result;
  }
  return nullptr;
}

void CommandDesk::told() {
  for (size_t i = 0; i < REMEMBERED; i++) {
    Result &result = this->results_[(this->next_ + i) % REMEMBERED];
    if (!result.waiting) continue;
    result.waiting = false;
    return;
  }
}

}  // namespace esphome::microgrid
