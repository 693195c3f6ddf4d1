#include "mcp2515_registers.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

// Instructions.
constexpr uint8_t RESET = 0xC0;
constexpr uint8_t READ = 0x03;
constexpr uint8_t WRITE = 0x02;
constexpr uint8_t BIT_MODIFY = 0x05;
constexpr std::array<uint8_t, 2> READ_BUFFER{0x90,
                                             0x94};  // from the identifier on; also clears the receive flag
constexpr uint8_t LOAD_BUFFER_0 = 0x40;
constexpr uint8_t SEND_BUFFER_0 = 0x81;

// Registers.
constexpr uint8_t CANSTAT = 0x0E;
constexpr uint8_t CANCTRL = 0x0F;
constexpr uint8_t TEC = 0x1C;   // REC follows
constexpr uint8_t CNF3 = 0x28;  // CNF2, CNF1, CANINTE follow
constexpr uint8_t CANINTE = 0x2B;
constexpr uint8_t CANINTF = 0x2C;  // EFLG follows
constexpr uint8_t EFLG = 0x2D;
constexpr uint8_t TXB0CTRL = 0x30;
constexpr uint8_t RXB0CTRL = 0x60;
constexpr uint8_t RXB1CTRL = 0x70;

constexpr uint8_t MODE_MASK = 0xE0;
constexpr uint8_t MODE_NORMAL = 0x00;
constexpr uint8_t MODE_CONFIGURATION = 0x80;

// Bits of CANINTE and CANINTF.
constexpr uint8_t RX0 = 0x01;
constexpr uint8_t RX1 = 0x02;
constexpr uint8_t TX0 = 0x04;
constexpr uint8_t ERROR = 0x20;
constexpr uint8_t MESSAGE_ERROR = 0x80;
// A transmission that nobody acknowledges fails thousands of times a second: such errors do not interrupt,
// they are counted when the controller is looked at. The count is a lower bound.
constexpr uint8_t INTERRUPTS = RX0 | RX1 | TX0 | ERROR;
// CANINTF and EFLG of an SPI without a chip: flags of transmit buffers that are never used are among them.
constexpr std::array<uint8_t, 2> NO_CHIP{0xFF, 0xFF};

// Bits of EFLG.
constexpr uint8_t PASSIVE = 0x18;
constexpr uint8_t OFF = 0x20;
constexpr uint8_t OVERFLOWN = 0xC0;

constexpr uint8_t REQUESTED = 0x08;  // TXBnCTRL: waits for the bus
constexpr uint8_t ANY_IDENTIFIER = 0x60;
constexpr uint8_t ROLL_OVER = 0x04;  // a frame that finds buffer 0 full goes to buffer 1

constexpr uint8_t IDE = 0x08;  // SIDL
constexpr uint8_t SRR = 0x10;  // SIDL: remote, of a standard frame
constexpr uint8_t RTR = 0x40;  // DLC

constexpr size_t BUFFER_BYTES = 13;  // SIDH SIDL EID8 EID0 DLC D0 … D7
constexpr uint32_t RESET_US = 20;    // 128 periods of the crystal, and more
constexpr uint32_t MODE_WAIT_US = 100;
constexpr int MODE_TRIES = 50;  // entering normal mode takes 11 recessive bits, or the frame on the bus

void put_identifier(uint32_t identifier, std::span<uint8_t> header) {
  const uint32_t bits = identifier & 0x1FFFFFFF;
  if ((identifier & CAN_EXTENDED) == 0) {
    header[0] = static_cast<uint8_t>(bits >> 3);
    header[1] = static_cast<uint8_t>(bits << 5);
    return;
  }
  header[0] = static_cast<uint8_t>(bits >> 21);
  header[1] = static_cast<uint8_t>((bits >> 13 & 0xE0) | IDE | (bits >> 16 & 0x03));
  header[2] = static_cast<uint8_t>(bits >> 8);
  header[3] = static_cast<uint8_t>(bits);
}

uint32_t get_identifier(std::span<const uint8_t> header) {
  const uint32_t standard = static_cast<uint32_t>(header[0]) << 3 | header[1] >> 5;
  if ((header[1] & IDE) == 0) return standard | ((header[1] & SRR) != 0 ? CAN_REMOTE : 0);
  const uint32_t extension = (header[1] & 0x03U) << 16 | static_cast<uint32_t>(header[2]) << 8 | header[3];
  return CAN_EXTENDED | standard << 18 | extension | ((header[4] & RTR) != 0 ? CAN_REMOTE : 0);
}

}  // namespace

bool Mcp2515::read(uint8_t address, std::span<uint8_t> values) {
  std::array<uint8_t, 2 + 4> bytes{READ, address};
  if (!this->port_.transfer(std::span{bytes}.first(2 + values.size()))) return false;
  std::copy_n(bytes.begin() + 2, values.size(), values.begin());
  return true;
}

bool Mcp2515::write(uint8_t address, std::span<const uint8_t> values) {
  std::array<uint8_t, 2 + 4> bytes{WRITE, address};
  std::copy(values.begin(), values.end(), bytes.begin() + 2);
  return this->port_.transfer(std::span{bytes}.first(2 + values.size()));
}

bool Mcp2515::modify(uint8_t address, uint8_t mask, uint8_t value) {
  std::array<uint8_t, 4> bytes{BIT_MODIFY, address, mask, value};
  return this->port_.transfer(bytes);
}

bool Mcp2515::enter(uint8_t mode) {
  if (!this->write(CANCTRL, mode)) return false;
  for (int i = 0; i < MODE_TRIES; i++) {
    uint8_t status = 0xFF;
    if (!this->read(CANSTAT, std::span{&status, 1})) return false;
    if ((status & MODE_MASK) == mode) return true;
    this->port_.pause_us(MODE_WAIT_US);
  }
  return false;
}

bool Mcp2515::start(uint32_t crystal_hz, uint32_t bit_rate) {
  const auto timing = mcp2515_timing(crystal_hz, bit_rate);
  this->status_.state = ControllerState::STOPPED;
  this->sending_ = false;
  this->quiet_us_.reset();
  if (!timing) return false;
  uint8_t reset = RESET;
  if (!this->port_.transfer(std::span{&reset, 1})) return false;
  this->port_.pause_us(RESET_US);
  if (!this->enter(MODE_CONFIGURATION)) return false;

  // An SPI without a chip reads all zeroes or ones: what was written must come back.
  const std::array<uint8_t, 4> wanted{timing->cnf3, timing->cnf2, timing->cnf1, INTERRUPTS};
  std::array<uint8_t, 4> found{};
  if (!this->write(CNF3, wanted) || !this->read(CNF3, found) || found != wanted) return false;
  if (!this->write(RXB0CTRL, ANY_IDENTIFIER | ROLL_OVER) || !this->write(RXB1CTRL, ANY_IDENTIFIER))
    return false;
  if (!this->enter(MODE_NORMAL)) return false;
  this->status_.state = ControllerState::ACTIVE;
  return true;
}

std::optional<CanFrame> Mcp2515::read_buffer(uint8_t index, uint64_t mono_us) {
  std::array<uint8_t, 1 + BUFFER_BYTES> bytes{READ_BUFFER[index]};
  if (!this->port_.transfer(bytes)) return std::nullopt;
  const std::span<const uint8_t> buffer = std::span{bytes}.subspan(1);
  CanFrame frame{.identifier = get_identifier(buffer), .mono_us = mono_us, .length = 0, .data = {}};
  if ((frame.identifier & CAN_REMOTE) == 0) {
    // A length code of 9 … 15 means 8 bytes, too.
    frame.length = std::min<uint8_t>(buffer[4] & 0x0F, 8);
    std::copy_n(buffer.begin() + 5, frame.length, frame.data.begin());
  }
  return frame;
}

void Mcp2515::note_flags(uint8_t error_flags) {
  const bool was_off = this->status_.state == ControllerState::BUS_OFF;
  this->status_.state = (error_flags & OFF) != 0       ? ControllerState::BUS_OFF
                        : (error_flags & PASSIVE) != 0 ? ControllerState::PASSIVE
                                                       : ControllerState::ACTIVE;
  if (this->status_.state != ControllerState::BUS_OFF || was_off) return;
  this->status_.bus_offs++;
  // What waits in the controller would be old news when it is back.
  this->modify(TXB0CTRL, REQUESTED, 0);
  this->sending_ = false;
}

Mcp2515Findings Mcp2515::look(std::optional<uint64_t> edge_us) {
  Mcp2515Findings findings{};
  std::array<uint8_t, 2> flags{};
  if (this->status_.state == ControllerState::STOPPED || !this->read(CANINTF, flags) || flags == NO_CHIP)
    return findings;
  const uint64_t now_us = this->port_.now_us();  // after the flags: nothing in them happened later
  const uint8_t causes = flags[0] & INTERRUPTS;
  const uint8_t error_flags = flags[1];
  const bool fresh = edge_us && this->quiet_us_ && *edge_us > *this->quiet_us_ && *edge_us <= now_us;
  findings.more = causes != 0;
  this->quiet_us_ = findings.more ? std::nullopt : std::optional{now_us};

  const uint64_t received_us = fresh && (causes == RX0 || causes == RX1) ? *edge_us : now_us;
  for (const uint8_t index : {uint8_t{0}, uint8_t{1}}) {
    if ((causes & (RX0 << index)) == 0) continue;
    if (const auto frame = this->read_buffer(index, received_us))
      findings.frames[findings.frame_count++] = *frame;
  }
  if ((causes & TX0) != 0) {
    findings.sent = this->sending_;
    if (findings.sent && fresh && causes == TX0) findings.sent_us = edge_us;
    this->sending_ = false;
  }
  if ((flags[0] & MESSAGE_ERROR) != 0) this->status_.bus_errors++;
  if ((causes & ERROR) != 0) {
    if ((error_flags & OVERFLOWN) != 0) {
      this->status_.missed++;
      this->modify(EFLG, OVERFLOWN, 0);
    }
    this->note_flags(error_flags);
  }
  // The receive flags were cleared by reading the buffers. Flags that came meanwhile stay.
  const uint8_t done = flags[0] & (TX0 | ERROR | MESSAGE_ERROR);
  if (done != 0) this->modify(CANINTF, done, 0);
  return findings;
}

bool Mcp2515::send(const CanFrame &frame) {
  if (this->sending_ || this->status_.state == ControllerState::BUS_OFF ||
      this->status_.state == ControllerState::STOPPED) {
    return false;
  }
  std::array<uint8_t, 1 + BUFFER_BYTES> bytes{LOAD_BUFFER_0};
  const std::span<uint8_t> buffer = std::span{bytes}.subspan(1);
  put_identifier(frame.identifier, buffer);
  buffer[4] = static_cast<uint8_t>(frame.length | ((frame.identifier & CAN_REMOTE) != 0 ? RTR : 0));
  std::copy_n(frame.data.begin(), frame.length, buffer.begin() + 5);
  uint8_t request = SEND_BUFFER_0;
  this->sending_ = this->port_.transfer(std::span{bytes}.first(size_t{6} + frame.length)) &&
                   this->port_.transfer(std::span{&request, 1});
  return this->sending_;
}

/// Normal mode, and the interrupts that it was given: a reset leaves neither, and an SPI without a chip reads
/// all zeroes or ones.
bool Mcp2515::runs() {
  uint8_t mode = 0xFF;
  uint8_t interrupts = 0;
  return this->read(CANSTAT, std::span{&mode, 1}) && (mode & MODE_MASK) == MODE_NORMAL &&
         this->read(CANINTE, std::span{&interrupts, 1}) && interrupts == INTERRUPTS;
}

const ControllerStatus &Mcp2515::refresh_status() {
  if (this->status_.state == ControllerState::STOPPED) return this->status_;
  if (!this->runs() && !this->runs()) {  // twice: a single answer may be disturbed
    this->status_.state = ControllerState::STOPPED;
    this->sending_ = false;
    return this->status_;
  }
  std::array<uint8_t, 2> counters{};
  uint8_t error_flags = 0;
  if (this->read(TEC, counters) && this->read(EFLG, std::span{&error_flags, 1})) {
    this->status_.transmit_errors = counters[0];
    this->status_.receive_errors = counters[1];
    this->note_flags(error_flags);
  }
  return this->status_;
}

}  // namespace esphome::microgrid
