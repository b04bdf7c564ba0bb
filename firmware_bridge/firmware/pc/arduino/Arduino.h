/* The part of Arduino that the Uno Q's sketch uses, for a PC: our own declarations, with names and
 * signatures of arduino:zephyr. A sketch that compiles with these is consistent, but may not
 * run on the board. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t pin_size_t;
enum PinStatus { LOW = 0, HIGH = 1 };
enum PinMode { INPUT = 0, OUTPUT = 1, INPUT_PULLUP = 2 };
enum analogPins { A0 = 14, A1, A2, A3, A4, A5 };

unsigned long millis(void);
unsigned long micros(void);
void pinMode(pin_size_t pin, PinMode mode);
PinStatus digitalRead(pin_size_t pin);
int analogRead(pin_size_t pin);
void analogReadResolution(int bits);

class ZephyrSerial {
public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(const uint8_t *buffer, size_t size);
};

extern ZephyrSerial Serial1;

#endif
