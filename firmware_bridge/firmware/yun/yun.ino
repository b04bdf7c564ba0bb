/* The Yun class: ATmega32u4, Serial1 to the Linux side, two MAX7219 modules on SPI, buttons, LEDs.
 *
 * Only pins, clock and ports are here; the behaviour of the board is in ../core. Nothing else may
 * print to Serial1: on this board, one byte at the wrong moment stops the boot of Linux. */
#include <EEPROM.h>
#include <SPI.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#include "max7219.h"

extern "C" {
#include "../core/serial.h"
}

static const unsigned long LINE_BAUD = 250000; /* divides 16 MHz without a remainder: exact */

static const uint8_t BUTTON_PINS[] = {4, 5}; /* to ground; not 7, the handshake with Linux */
static const uint8_t LED_HOST = 8;           /* a host is connected */
static const uint8_t LED_ALONE = 9;          /* no host: the picture may be out of date */
static const uint8_t LED_EVENT = 11;         /* a press waits for the host's journal */
static const uint8_t N_BUTTONS = sizeof(BUTTON_PINS);

static const int BOOT_COUNTER = 0; /* address in EEPROM, two bytes */
static const uint16_t KEPT_MAGIC = 0x7d1e;

/* The number of presses that a reset loses. This RAM survives a reset but not a loss of power. */
static struct {
    uint16_t magic;
    uint16_t reset_loss;
    uint16_t check; /* the complement: after power-up, RAM has random contents */
} kept __attribute__((section(".noinit")));

static pd_app_t app;
static pd_receiver_t receiver;

static void send_line(void *, const uint8_t *packet, uint8_t size, bool)
{
    uint8_t line[PD_ANSWER_PACKET_MAX + 2];

    Serial1.write(line, pd_encode(packet, size, line));
}

static void draw(void *, const pd_app_t *shown)
{
    max7219_draw(shown);
}

/* Counts this boot in EEPROM, whose cells last 100,000 writes: one per boot. A new board holds
 * 0xffff, so its first boot is 0. */
static uint16_t next_boot_id()
{
    uint16_t boot_id;

    EEPROM.get(BOOT_COUNTER, boot_id);
    boot_id++;
    EEPROM.put(BOOT_COUNTER, boot_id);
    return boot_id;
}

static uint16_t lost_reset()
{
    bool is_kept = kept.magic == KEPT_MAGIC && kept.check == (uint16_t)~kept.reset_loss;

    return is_kept ? kept.reset_loss : 0;
}

static void keep()
{
    kept.magic = KEPT_MAGIC;
    kept.reset_loss = pd_app_reset_loss(&app);
    kept.check = ~kept.reset_loss;
}

void setup()
{
    pd_port_t port = {send_line, draw, NULL};
    pd_identity_t identity = {next_boot_id(), lost_reset(), PD_BOARD_YUN, {0, 1, 0}};

    for (uint8_t button = 0; button < N_BUTTONS; button++) {
        pinMode(BUTTON_PINS[button], INPUT_PULLUP);
    }
    pinMode(LED_HOST, OUTPUT);
    pinMode(LED_ALONE, OUTPUT);
    pinMode(LED_EVENT, OUTPUT);
    max7219_begin();
    pd_receiver_reset(&receiver);
    pd_app_begin(&app, &port, &identity, millis());
    Serial1.begin(LINE_BAUD);
    set_sleep_mode(SLEEP_MODE_IDLE);
    wdt_enable(WDTO_2S);
}

/* Sleeps until a byte comes or the millisecond ends. Interrupts are off during the check, and an
 * AVR executes one more instruction after sei(): no byte can come between check and sleep. */
static void rest()
{
    noInterrupts();
    if (!Serial1.available()) {
        sleep_enable();
        interrupts();
        sleep_cpu();
        sleep_disable();
    }
    interrupts();
}

void loop()
{
    wdt_reset();
    while (Serial1.available()) {
        pd_serial_take(&receiver, &app, (uint8_t)Serial1.read(), millis());
    }
    for (uint8_t button = 0; button < N_BUTTONS; button++) {
        pd_app_pin(&app, button, digitalRead(BUTTON_PINS[button]) == LOW, millis());
    }
    pd_app_tick(&app, millis());
    digitalWrite(LED_HOST, app.state == PD_FRESH);
    digitalWrite(LED_ALONE, app.state != PD_FRESH);
    digitalWrite(LED_EVENT, app.edges.size > 0);
    keep();
    rest();
}
