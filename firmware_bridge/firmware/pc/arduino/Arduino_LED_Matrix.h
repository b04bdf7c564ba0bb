/* What the Uno Q's sketch uses of the library of that name, for a PC. */
#ifndef ARDUINO_LED_MATRIX_H
#define ARDUINO_LED_MATRIX_H

#include "Arduino.h"

class Arduino_LED_Matrix {
public:
    int begin();
    void setGrayscaleBits(uint8_t max);
    void draw(const uint8_t *buf); /* 8 rows of 13, one byte each */
};

#endif
