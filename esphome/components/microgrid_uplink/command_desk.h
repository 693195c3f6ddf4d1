// Commands from Home Assistant: refused unless declared, within limits and in time; run once; the result
// remembered and told as often as the command comes.
#pragma once

#include "messages.h"
#include "requests.h"

namespace esphome::microgrid {

class CommandDesk final {
 public:
  static constexpr size_t REMEMBERED = 8;

  struct Result {
    uint8_t number{0};  // of the node on the bus
    ShortText<MAX_ID_BYTES> id{};
    CommandStatus status{};
    ShortText<120> text{};  // the id of the event that it began, or why it was not done
    bool waiting{false};    // to be published
  };

  /// `now_utc_us` 0: the clock is not valid, and every new command is refused.
  void take(uint8_t number, const CommandRequest &request, std::span<const Command> commands,
            int64_t now_utc_us);

  /// The oldest result that is not told yet; told() says that it is.
  const Result *waiting() const;
  void told();

 protected:
  Result &remember(uint8_t number, const CommandRequest &request);
  static void execute(Result &result, const CommandRequest &request, std::span<const Command> commands,
                      int64_t now_utc_us);

  std::array<Result, REMEMBERED> results_{};
  size_t next_{0};
};

}  // namespace esphome::microgrid
