// The disciplined clock: UTC from whatever source there is, with an honest estimate of its error.
//
// One task gives it observations; any task, and interrupts, read it. Once synchronised it never jumps: it is
// slewed by at most 500 ppm, and when that does not suffice it first says that its time is not valid.
#pragma once

#include <span>

#include "clock_estimator.h"
#include "clock_sources.h"
#include "clock_timeline.h"
#include "umg1_recorder.h"

namespace esphome::microgrid {

enum class Verdict : uint8_t {
  TAKEN,
  OUTLIER,    // too far from what is known; several that agree are believed after all
  OUTRANKED,  // a better source, or the reference already followed, is there
  REFUSED,    // no such source in the list, older than the last one, or a UTC that cannot be
};

struct ClockCounters {
  uint32_t taken;
  uint32_t outliers;
  uint32_t outranked;
  uint32_t refused;
  uint32_t restarts;   // outliers that agreed: the reference jumped
  uint32_t handovers;  // another source or reference is followed
};

class DisciplinedClock final {
 public:
  /// Sources in the order of preference; the list must outlive the clock.
  explicit DisciplinedClock(std::span<const SourceSettings> sources) : sources_(sources) {}

  /// One task only. `now_mono_us` is the time of the call, not before the observation.
  Verdict take(const Observation &observation, uint64_t now_mono_us);

  // Everybody.
  Timeline timeline() const { return this->published_.load(); }
  int64_t utc_us(uint64_t mono_us) const;  // 0: unknown
  bool valid(uint64_t mono_us) const { return this->timeline().valid(mono_us); }
  /// For the frames of the log.
  ClockReading reading(uint64_t mono_us) const;

  /// Of the task that calls take().
  const ClockCounters &counters() const { return this->counters_; }

 protected:
  /// An observation, weighed: how far it is from what was expected and how much it is worth.
  struct Weighed {
    uint64_t mono_us;
    int64_t offset_us;  // without the least delay
    double surprise_us;
    double variance;  // if it stood alone
    double reference_error_us;
  };
  /// Outliers that agree with each other.
  struct Run {
    uint32_t count{0};
    ClockSource source{ClockSource::NONE};
    uint32_t reference{0};
    uint64_t since_us{0};
    double least_us{0};
    double most_us{0};
  };

  const SourceSettings *settings_of(ClockSource source) const;
  bool follows(const Observation &observation) const;
  bool may_lead(const Observation &observation, const SourceSettings &settings, uint64_t now_mono_us) const;
  Weighed weigh(const Observation &observation, const SourceSettings &settings);
  bool is_outlier(const Weighed &weighed, const SourceSettings &settings, double doubt) const;
  /// True when the run is long enough to be believed.
  bool joins_run(const Observation &observation, const Weighed &weighed, const SourceSettings &settings);
  void lead(const Observation &observation, const SourceSettings &settings);
  void restart(const Weighed &weighed, uint32_t seen);
  void filter(const Weighed &weighed);
  void publish(const Observation &observation, uint64_t now_mono_us);

  std::span<const SourceSettings> sources_;
  const SourceSettings *leader_{nullptr};
  uint32_t reference_{0};
  ClockEstimator estimator_;
  Timeline timeline_;
  Published<Timeline> published_;
  uint32_t confirmations_{0};

  // The window of a one-way path grows from 1 to 16, so that a first estimate is there at once.
  uint32_t window_{1};
  uint32_t window_count_{0};
  uint64_t window_since_us_{0};
  Weighed earliest_{};

  // The last round trips of an exchange path; the shortest is what the way takes at least.
  std::array<uint32_t, 16> round_trips_{};
  uint32_t round_trip_count_{0};

  Run run_;
  ClockCounters counters_{};
};

}  // namespace esphome::microgrid
