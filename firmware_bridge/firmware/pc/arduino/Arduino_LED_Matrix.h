/* The part of the library of this name that the Uno Q's sketch uses, for a PC. */
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
