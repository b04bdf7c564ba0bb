/* The Uno Q: its 8x13 matrix, two buttons to ground, and Serial1 to arduino-router on the Linux
 * side.
 *
 * Only pins, clock and ports are here; the behaviour of the board is in src/core, a copy of the
 * firmware's core. Never tested on a real board: it was compiled and run on a PC, against our own
 * copies of Arduino's declarations.
 *
 * Serial1 must belong to this sketch alone: do not use Arduino_RouterBridge, Bridge or Monitor.
 * To use RouterBridge instead, replace write_line, the reading in loop(), and pd_router by
 * Bridge.provide("pd", ...) and Bridge.notify("pde", ...), which carry the same packets. */
#include <Arduino_LED_Matrix.h>

extern "C" {
#include "src/core/router.h"
}

static const unsigned long LINE_BAUD = 115200; /* the speed of arduino-router's end */
static const uint8_t BUTTON_PINS[] = {2, 3};   /* to ground */
static const uint8_t N_BUTTONS = sizeof(BUTTON_PINS);
static const uint8_t GRAYSCALE_BITS = 3; /* levels 0 to 7, as in a frame */
static const uint8_t NOISE_PINS[] = {A0, A1, A2, A3}; /* unconnected, so they read noise */
static const uint8_t NOISE_READINGS = 32;             /* per pin */

static Arduino_LED_Matrix matrix;
static pd_app_t app;
static pd_router_t router;

static void write_line(void *, const uint8_t *data, uint8_t size)
{
    Serial1.write(data, size);
}

/* The library has no overall brightness, so each level is scaled. Rounded up: lit stays lit. */
static uint8_t dimmed(uint8_t level, uint8_t brightness)
{
    return (uint8_t)((level * brightness + PD_BRIGHTNESS_MAX - 1) / PD_BRIGHTNESS_MAX);
}

static void draw(void *, const pd_app_t *shown)
{
    static uint8_t pixels[PD_ROWS * PD_COLUMNS];
    uint8_t brightness = pd_app_brightness(shown);

    for (uint8_t row = 0; row < PD_ROWS; row++) {
        for (uint8_t column = 0; column < PD_COLUMNS; column++) {
            pixels[row * PD_COLUMNS + column] = dimmed(pd_app_level(shown, row, column), brightness);
        }
    }
    matrix.draw(pixels);
}

/* FNV-1a: each input bit changes about half of the output bits. */
static uint32_t mix(uint32_t hash, uint32_t value)
{
    for (uint8_t byte = 0; byte < sizeof(value); byte++) {
        hash = (hash ^ (value >> (8 * byte) & 0xffu)) * 16777619u;
    }
    return hash;
}

/* Returns a random boot id. A sketch has no memory here that survives a reset and could hold a
 * counter. So the id comes from the noise of open pins, and then from the times of bytes. */
static uint32_t draw_boot_id()
{
    uint32_t hash = 2166136261u;

    for (uint8_t reading = 0; reading < NOISE_READINGS; reading++) {
        for (uint8_t pin : NOISE_PINS) {
            hash = mix(hash, (uint32_t)analogRead(pin));
        }
    }
    return mix(hash, (uint32_t)micros());
}

void setup()
{
    pd_port_t port = {pd_router_send, draw, &router};

    analogReadResolution(14);
    pd_identity_t identity = {draw_boot_id(), 0, PD_BOARD_UNO_Q, {0, 1, 0}};

    for (uint8_t pin : BUTTON_PINS) {
        pinMode(pin, INPUT_PULLUP);
    }
    matrix.begin();
    matrix.setGrayscaleBits(GRAYSCALE_BITS);
    Serial1.begin(LINE_BAUD);
    pd_app_begin(&app, &port, &identity, (uint32_t)millis());
    pd_router_begin(&router, &app, write_line, NULL, (uint32_t)millis());
}

void loop()
{
    while (Serial1.available() > 0) {
        if (!app.was_greeted) { /* after HELLO a host uses this boot id: it must stay the same */
            app.identity.boot_id = mix(app.identity.boot_id, (uint32_t)micros());
        }
        pd_router_take(&router, (uint8_t)Serial1.read(), (uint32_t)millis());
    }
    for (uint8_t button = 0; button < N_BUTTONS; button++) {
        pd_app_pin(&app, button, digitalRead(BUTTON_PINS[button]) == LOW, (uint32_t)millis());
    }
    pd_router_tick(&router, (uint32_t)millis());
}
