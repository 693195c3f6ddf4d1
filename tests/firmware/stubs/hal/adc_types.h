// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stdint.h>
typedef enum { ADC_UNIT_1, ADC_UNIT_2 } adc_unit_t;
typedef enum {
  ADC_CHANNEL_0,
  ADC_CHANNEL_1,
  ADC_CHANNEL_2,
  ADC_CHANNEL_3,
  ADC_CHANNEL_4,
  ADC_CHANNEL_5,
  ADC_CHANNEL_6,
  ADC_CHANNEL_7,
  ADC_CHANNEL_8,
  ADC_CHANNEL_9,
} adc_channel_t;
typedef enum { ADC_ATTEN_DB_0, ADC_ATTEN_DB_2_5, ADC_ATTEN_DB_6, ADC_ATTEN_DB_12 } adc_atten_t;
typedef enum {
  ADC_BITWIDTH_DEFAULT = 0,
  ADC_BITWIDTH_9 = 9,
  ADC_BITWIDTH_10 = 10,
  ADC_BITWIDTH_11 = 11,
  ADC_BITWIDTH_12 = 12,
} adc_bitwidth_t;
typedef enum {
  ADC_CONV_SINGLE_UNIT_1 = 1,
  ADC_CONV_SINGLE_UNIT_2 = 2,
  ADC_CONV_BOTH_UNIT = 3,
  ADC_CONV_ALTER_UNIT = 7,
} adc_digi_convert_mode_t;
typedef enum { ADC_DIGI_OUTPUT_FORMAT_TYPE1, ADC_DIGI_OUTPUT_FORMAT_TYPE2 } adc_digi_output_format_t;
typedef struct {
  uint8_t atten;
  uint8_t channel;
  uint8_t unit;
  uint8_t bit_width;
} adc_digi_pattern_config_t;
typedef struct {
  union {
    struct {
      uint16_t data : 12;
      uint16_t channel : 4;
    } type1;
    uint16_t val;
  };
} adc_digi_output_data_t;
