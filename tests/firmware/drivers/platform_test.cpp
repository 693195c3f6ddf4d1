// The machine under the firmware, as far as a PC has it.
#include "esphome/components/microgrid_core/platform.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

namespace esphome::microgrid {
namespace {

using std::chrono::milliseconds;

int64_t monotonic_ns() {
  return std::chrono::nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count();
}

TEST(Platform, counts_microseconds_forward) {
  const uint64_t before = mono_us();
  std::this_thread::sleep_for(milliseconds{5});
  const uint64_t passed = mono_us() - before;
  EXPECT_GE(passed, 5000U);
  EXPECT_LT(passed, 5'000'000U);
}

TEST(Platform, has_an_oscillator_of_its_own) {
  set_oscillator(50, 1000);
  const int64_t start_ns = monotonic_ns();
  const uint64_t start = mono_of_monotonic_ns(start_ns);
  EXPECT_GE(start, 1000U);
  EXPECT_LT(start, 1'001'000U);
  // Twenty minutes later it is 60 ms ahead.
  EXPECT_NEAR(static_cast<double>(mono_of_monotonic_ns(start_ns + 1'200'000'000'000) - start),
              1'200'060'000.0, 2);
  // A stamp from before the node's start is at its very beginning, not far in the future.
  EXPECT_EQ(mono_of_monotonic_ns(start_ns - 3'600'000'000'000), 0U);
  set_oscillator(0, 1);
}

TEST(Platform, gives_different_random_numbers) {
  std::set<uint32_t> seen;
  for (int i = 0; i < 100; i++) seen.insert(random_u32());
  EXPECT_GT(seen.size(), 95U);
}

TEST(Signal, given_before_the_wait_is_not_lost) {
  Signal signal;
  signal.give();
  signal.give_from_interrupt();
  EXPECT_TRUE(signal.wait(0));
  EXPECT_FALSE(signal.wait(1000)) << "given twice, it wakes once";
}

TEST(Signal, wakes_a_waiting_thread) {
  Signal signal;
  std::thread other{[&] {
    std::this_thread::sleep_for(milliseconds{20});
    signal.give();
  }};
  EXPECT_TRUE(signal.wait(10'000'000));
  other.join();
}

TEST(Task, runs_its_body_until_it_is_gone) {
  std::atomic<int> turns{0};
  const auto body = [](void *context) {
    static_cast<std::atomic<int> *>(context)->fetch_add(1);
    std::this_thread::sleep_for(milliseconds{1});
  };
  {
    Task task;
    EXPECT_TRUE(task.start("turns", body, &turns, Priority::BUS, 4096));
    EXPECT_FALSE(task.start("again", body, &turns, Priority::BUS, 4096));
    while (turns < 3) std::this_thread::sleep_for(milliseconds{1});
  }
  const int at_the_end = turns;
  std::this_thread::sleep_for(milliseconds{10});
  EXPECT_EQ(turns, at_the_end);
}

}  // namespace
}  // namespace esphome::microgrid
