#include "max7219.h"

#include <Arduino.h>
#include <SPI.h>

static const uint8_t SELECT_PIN = 10;
static const uint32_t CLOCK_HZ = 8000000; /* the chip's maximum is 10 MHz */
static const uint8_t LIT_LEVEL = 4;       /* these LEDs are on or off: on from half of the levels */

/* Registers. */
static const uint8_t ROW_1 = 0x01;
static const uint8_t DECODE = 0x09;
static const uint8_t INTENSITY = 0x0a;
static const uint8_t SCAN_LIMIT = 0x0b;
static const uint8_t SHUTDOWN = 0x0c;
static const uint8_t DISPLAY_TEST = 0x0f;

/* Writes one register of both chips. The first two bytes move on to the far, right module. */
static void write(uint8_t address, uint8_t left, uint8_t right)
{
    SPI.beginTransaction(SPISettings(CLOCK_HZ, MSBFIRST, SPI_MODE0));
    digitalWrite(SELECT_PIN, LOW);
    SPI.transfer(address);
    SPI.transfer(right);
    SPI.transfer(address);
    SPI.transfer(left);
    digitalWrite(SELECT_PIN, HIGH); /* the chips take the bytes over at this edge */
    SPI.endTransaction();
}

static void write_both(uint8_t address, uint8_t value)
{
    write(address, value, value);
}

/* Writes all settings with each picture: a chip that a voltage spike has disturbed recovers. */
static void configure(uint8_t brightness)
{
    write_both(DISPLAY_TEST, 0);
    write_both(DECODE, 0);
    write_both(SCAN_LIMIT, PD_ROWS - 1);
    write_both(INTENSITY, brightness);
    write_both(SHUTDOWN, brightness > 0); /* the chip's intensity 0 is not dark; ours is */
}

void max7219_begin()
{
    digitalWrite(SELECT_PIN, HIGH);
    pinMode(SELECT_PIN, OUTPUT);
    SPI.begin();
}

void max7219_draw(const pd_app_t *app)
{
    for (uint8_t row = 0; row < PD_ROWS; row++) {
        uint16_t lit = 0; /* the leftmost column is the highest bit */

        for (uint8_t column = 0; column < PD_COLUMNS; column++) {
            if (pd_app_level(app, row, column) >= LIT_LEVEL) {
                lit |= 0x8000u >> column;
            }
        }
        write(ROW_1 + row, lit >> 8, lit & 0xff);
    }
    configure(pd_app_brightness(app));
}
