// One end of ISO-TP on pipes, for a Python test to put on its bus. Lines of hexadecimal digits: frames in
// both directions begin with ':', messages to send and messages that arrived with '='; '!' and a number is an
// error.
//
//   isotp_peer BLOCK_SIZE ST_MIN ROOM_BYTES
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "esphome/components/microgrid_can/isotp.h"

using namespace esphome::microgrid;

namespace {

uint64_t now_us() {
  using namespace std::chrono;
  return static_cast<uint64_t>(duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}

void print(char kind, Bytes bytes) {
  std::string line(1, kind);
  for (const uint8_t byte : bytes) {
    line += "0123456789abcdef"[byte >> 4];
    line += "0123456789abcdef"[byte & 15];
  }
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::vector<uint8_t> parse(const std::string &digits) {
  std::vector<uint8_t> bytes;
  for (size_t i = 1; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

void print_error(IsoTpError error) { std::printf("!%d\n", static_cast<int>(error)), std::fflush(stdout); }

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) return 2;
  const IsoTpSettings settings{.block_size = static_cast<uint8_t>(std::stoul(arguments[1])),
                               .st_min = static_cast<uint8_t>(std::stoul(arguments[2]))};
  std::vector<uint8_t> room(std::stoul(arguments[3]));
  std::vector<uint8_t> message;
  IsoTpSender sender(settings);
  IsoTpReceiver receiver(room, settings);
  std::string input;
  uint32_t completed = 0;
  uint32_t failed = 0;
  bool sending = false;
  while (true) {
    pollfd wait{.fd = 0, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, 1) > 0) {
      char buffer[65536];
      const ssize_t got = read(0, buffer, sizeof buffer);
      if (got <= 0) return 0;
      input.append(buffer, static_cast<size_t>(got));
    }
    size_t begin = 0;
    for (size_t end = 0; (end = input.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string line = input.substr(begin, end - begin);
      const std::vector<uint8_t> bytes = parse(line);
      if (line[0] == '=') {
        message = bytes;
        sending = sender.start(message, now_us());
        if (!sending) print_error(sender.error());
      } else {
        sender.receive(bytes, now_us());
        receiver.receive(bytes, now_us());
      }
      if (receiver.completed() != completed) {
        completed = receiver.completed();
        print('=', receiver.message());
      }
      if (const IsoTpFrame *due = receiver.due(now_us())) {
        print(':', due->bytes());
        receiver.sent(now_us());
      }
    }
    input.erase(0, begin);
    while (const IsoTpFrame *due = sender.due(now_us())) {
      print(':', due->bytes());
      sender.sent(now_us());
    }
    receiver.due(now_us());
    if (receiver.failed() != failed) {
      failed = receiver.failed();
      print_error(receiver.error());
    }
    if (sending && sender.state() != IsoTpState::BUSY) {
      sending = false;
      if (sender.state() == IsoTpState::FAILED) print_error(sender.error());
    }
  }
}
