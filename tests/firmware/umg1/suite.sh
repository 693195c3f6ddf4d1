# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# The log format: codec, recorder and ring.
firmware=(esphome/components/microgrid_core/umg1_*.cpp)
programs=(umg1_tests umg1_encode umg1_decode umg1_writer umg1_vectors)
fuzzers=(umg1_fuzz)
