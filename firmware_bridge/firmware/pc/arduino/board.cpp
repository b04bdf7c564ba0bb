/* The Uno Q's sketch on a PC, with simulated pins, clock, matrix and serial line. Time passes only
 * when the test calls loop(). A sketch has global state, so there is one such board per process. */
#include <assert.h>
#include <string.h>

#include "Arduino.h"
#include "Arduino_LED_Matrix.h"

/* The IDE declares a sketch's functions by itself. */
void setup();
void loop();
#include "sketch.ino"

namespace {

const size_t LINE_SIZE = 65536;
const uint8_t PINS = 20;

struct {
    uint8_t bytes[LINE_SIZE];
    size_t first, end;
} incoming, outgoing;

uint64_t clock_us;
uint32_t noise;
bool is_down[PINS];
bool is_pulled_up[PINS];
uint8_t drawn[PD_ROWS * PD_COLUMNS];
uint8_t grayscale_bits;
unsigned long line_baud;

} // namespace

ZephyrSerial Serial1;

unsigned long millis(void)
{
    return (uint32_t)(clock_us / 1000);
}

unsigned long micros(void)
{
    return (uint32_t)clock_us;
}

void pinMode(pin_size_t pin, PinMode mode)
{
    assert(pin < PINS);
    is_pulled_up[pin] = mode == INPUT_PULLUP;
}

PinStatus digitalRead(pin_size_t pin)
{
    assert(pin < PINS && is_pulled_up[pin]); /* a button to ground needs the pull-up */
    return is_down[pin] ? LOW : HIGH;
}

int analogRead(pin_size_t pin)
{
    assert(pin >= A0 && pin <= A5);
    noise = noise * 1664525u + 1013904223u;
    return (int)(noise >> 30); /* only the last two bits are noise */
}

void analogReadResolution(int bits)
{
    assert(bits == 14); /* the resolution of this board */
}

void ZephyrSerial::begin(unsigned long baud)
{
    line_baud = baud;
}

int ZephyrSerial::available()
{
    return (int)(incoming.end - incoming.first);
}

int ZephyrSerial::read()
{
    return incoming.first < incoming.end ? incoming.bytes[incoming.first++] : -1;
}

size_t ZephyrSerial::write(const uint8_t *buffer, size_t size)
{
    assert(line_baud == 115200 && outgoing.end + size <= LINE_SIZE);
    memcpy(outgoing.bytes + outgoing.end, buffer, size);
    outgoing.end += size;
    return size;
}

int Arduino_LED_Matrix::begin()
{
    return 1;
}

void Arduino_LED_Matrix::setGrayscaleBits(uint8_t max)
{
    grayscale_bits = max;
}

void Arduino_LED_Matrix::draw(const uint8_t *buf)
{
    for (size_t pixel = 0; pixel < sizeof(drawn); pixel++) {
        assert(buf[pixel] < 1u << grayscale_bits);
        drawn[pixel] = buf[pixel];
    }
}

extern "C" {

void uno_q_reset(uint64_t now_us, uint32_t pin_noise)
{
    clock_us = now_us;
    noise = pin_noise;
    incoming.first = incoming.end = outgoing.end = 0;
    setup();
}

void uno_q_loop(uint64_t now_us)
{
    clock_us = now_us;
    loop();
    incoming.first = incoming.end = 0; /* loop() has read all bytes */
}

void uno_q_receive(const uint8_t *data, size_t size)
{
    assert(incoming.end + size <= LINE_SIZE);
    memcpy(incoming.bytes + incoming.end, data, size);
    incoming.end += size;
}

void uno_q_pin(uint8_t button, bool down)
{
    assert(button < N_BUTTONS);
    is_down[BUTTON_PINS[button]] = down;
}

size_t uno_q_fetch(uint8_t *data)
{
    size_t size = outgoing.end;

    memcpy(data, outgoing.bytes, size);
    outgoing.end = 0;
    return size;
}

/* The core's picture: a level per pixel, and the brightness after the last one. */
void uno_q_picture(uint8_t *levels)
{
    for (uint8_t row = 0; row < PD_ROWS; row++) {
        for (uint8_t column = 0; column < PD_COLUMNS; column++) {
            *levels++ = pd_app_level(&app, row, column);
        }
    }
    *levels = pd_app_brightness(&app);
}

/* The picture that the sketch gave to the matrix library. */
void uno_q_matrix(uint8_t *levels)
{
    memcpy(levels, drawn, sizeof(drawn));
}

} // extern "C"
