#include "mcu.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <avr_eeprom.h>
#include <avr_ioport.h>
#include <avr_spi.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_elf.h>
#include <sim_hex.h>

#define FREQUENCY_HZ 16000000
#define CYCLES_PER_US (FREQUENCY_HZ / 1000000)
#define EEPROM_SIZE 1024
#define BYTE_US 40 /* ten bits at 250000 baud */

typedef struct {
    const char *name;
    char port;
    uint8_t pin;
} wire_t;

/* The sketch's pins 4, 5; 8, 9, 11; 10. */
static const wire_t BUTTONS[MCU_BUTTONS] = {{"0", 'D', 4}, {"1", 'C', 6}};
static const wire_t LEDS[] = {{"host", 'B', 4}, {"alone", 'B', 5}, {"event", 'B', 7}};
static const wire_t SELECT = {"select", 'B', 6};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static avr_t *avr;
static avr_irq_t *uart_input;
static void (*take_output)(const uint8_t *data, size_t size);
static bool uart_ready = true;
static uint8_t incoming[MCU_LINE_SIZE]; /* to the MCU */
static size_t incoming_first, incoming_end;
static uint8_t outgoing[MCU_LINE_SIZE]; /* from the MCU, not yet passed to take_uart */
static size_t outgoing_size;
static uint8_t transfer[64]; /* SPI bytes since the modules were selected */
static size_t transfer_size;
static bool buttons_down[MCU_BUTTONS];
static avr_cycle_count_t next_byte_cycle;

uint64_t mcu_now_us(void)
{
    return avr->cycle / CYCLES_PER_US;
}

void mcu_say_hex(const char *key, const uint8_t *data, size_t size)
{
    printf("{\"t_us\":%" PRIu64 ",\"%s\":\"", mcu_now_us(), key);
    for (size_t index = 0; index < size; index++) {
        printf("%02x", data[index]);
    }
    printf("\"}\n");
}

/* --- callbacks of the MCU ------------------------------------------------------------------- */

static void on_uart_output(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)param;
    if (outgoing_size < sizeof(outgoing)) {
        outgoing[outgoing_size++] = (uint8_t)value;
    }
}

static void on_uart_ready(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)value;
    uart_ready = param != NULL; /* simavr's events XON and XOFF, not the bytes 0x11 and 0x13 */
}

static void on_spi_output(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)param;
    if (transfer_size < sizeof(transfer)) {
        transfer[transfer_size++] = (uint8_t)value;
    }
}

static void on_select(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)param;
    if (value && transfer_size > 0) {
        mcu_say_hex("spi", transfer, transfer_size);
    }
    transfer_size = 0;
}

static void on_led(struct avr_irq_t *irq, uint32_t value, void *param)
{
    const wire_t *led = param;

    (void)irq;
    printf("{\"t_us\":%" PRIu64 ",\"led\":\"%s\",\"level\":%d}\n", mcu_now_us(), led->name, value != 0);
}

static void do_not_sleep(avr_t *sleeper, avr_cycle_count_t cycles)
{
    (void)sleeper, (void)cycles; /* mcu_run_us controls the time */
}

/* --- wiring --------------------------------------------------------------------------------- */

static avr_irq_t *pin_of(const wire_t *wire)
{
    return avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(wire->port), wire->pin);
}

static void drive_buttons(void)
{
    for (size_t button = 0; button < COUNT(BUTTONS); button++) {
        avr_irq_t *pin = pin_of(&BUTTONS[button]);

        /* simavr ignores a level equal to the last one raised. Its reset clears the pin's value but
         * not that memory. So we raise the opposite level first. */
        avr_raise_irq(pin, buttons_down[button]);
        avr_raise_irq(pin, !buttons_down[button]); /* pulled up; to ground */
    }
}

static void wire_up(void)
{
    uint32_t flags = 0;

    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('1'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('1'), &flags);
    uart_input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('1'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('1'), UART_IRQ_OUTPUT),
                            on_uart_output, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('1'), UART_IRQ_OUT_XON),
                            on_uart_ready, &uart_ready);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('1'), UART_IRQ_OUT_XOFF),
                            on_uart_ready, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_SPI_GETIRQ(0), SPI_IRQ_OUTPUT),
                            on_spi_output, NULL);
    avr_irq_register_notify(pin_of(&SELECT), on_select, NULL);
    for (size_t led = 0; led < COUNT(LEDS); led++) {
        avr_irq_register_notify(pin_of(&LEDS[led]), on_led, (void *)&LEDS[led]);
    }
    drive_buttons();
}

/* simavr logs to stdout, which carries our reports. */
static void log_errors(avr_t *from, const int level, const char *format, va_list arguments)
{
    (void)from;
    if (level <= LOG_ERROR) {
        vfprintf(stderr, format, arguments);
    }
}

/* A .hex file holds only the flash: it is what avrdude writes to a board. */
static bool read_firmware(const char *path, elf_firmware_t *firmware)
{
    size_t length = strlen(path);

    if (length < 4 || strcmp(path + length - 4, ".hex") != 0) {
        return elf_read_firmware(path, firmware) == 0;
    }
    firmware->flash = read_ihex_file(path, &firmware->flashsize, &firmware->flashbase);
    return firmware->flash != NULL;
}

void mcu_load(const char *path, void (*take_uart)(const uint8_t *data, size_t size))
{
    elf_firmware_t firmware = {0};

    take_output = take_uart;
    avr_global_logger_set(log_errors);
    if (!read_firmware(path, &firmware)) {
        fprintf(stderr, "%s is not a firmware\n", path);
        exit(1);
    }
    avr = avr_make_mcu_by_name("atmega32u4");
    if (avr == NULL) {
        fprintf(stderr, "this libsimavr knows no ATmega32u4\n");
        exit(1);
    }
    avr_init(avr);
    avr->log = LOG_ERROR;
    avr->sleep = do_not_sleep;
    firmware.frequency = FREQUENCY_HZ;
    avr_load_firmware(avr, &firmware);
    wire_up();
}

void mcu_load_eeprom(const char *path)
{
    static uint8_t bytes[EEPROM_SIZE];
    avr_eeprom_desc_t contents = {bytes, 0, EEPROM_SIZE};
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        return; /* a new board */
    }
    if (fread(bytes, 1, sizeof(bytes), file) == sizeof(bytes)) {
        avr_ioctl(avr, AVR_IOCTL_EEPROM_SET, &contents);
    }
    fclose(file);
}

void mcu_save_eeprom(const char *path)
{
    static uint8_t bytes[EEPROM_SIZE];
    avr_eeprom_desc_t contents = {bytes, 0, EEPROM_SIZE};
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        perror(path);
        return;
    }
    avr_ioctl(avr, AVR_IOCTL_EEPROM_GET, &contents);
    fwrite(bytes, 1, sizeof(bytes), file);
    fclose(file);
}

/* --- running -------------------------------------------------------------------------------- */

/* Gives the MCU its next byte once the time of a byte on the line has passed. */
static void deliver(void)
{
    if (incoming_first == incoming_end || !uart_ready || avr->cycle < next_byte_cycle) {
        return;
    }
    next_byte_cycle = avr->cycle + BYTE_US * CYCLES_PER_US;
    avr_raise_irq(uart_input, incoming[incoming_first++]);
    if (incoming_first == incoming_end) {
        incoming_first = incoming_end = 0;
    }
}

static void hand_out(void)
{
    if (outgoing_size > 0) {
        take_output(outgoing, outgoing_size);
    }
    outgoing_size = 0;
}

static void run_until(avr_cycle_count_t end)
{
    while (avr->cycle < end) {
        int state;

        deliver();
        state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed) {
            fprintf(stderr, "the MCU stopped at %" PRIu64 " us\n", mcu_now_us());
            exit(1);
        }
        if (outgoing_size > 0 && outgoing[outgoing_size - 1] == 0) {
            hand_out(); /* a whole packet, reported at the time of its last byte */
        }
    }
    hand_out();
}

void mcu_run_us(uint64_t duration_us)
{
    run_until(avr->cycle + duration_us * CYCLES_PER_US);
}

void mcu_reset(void)
{
    avr_cycle_count_t cycle = avr->cycle;

    avr_reset(avr);
    avr->cycle = cycle; /* a reset of the MCU does not reset the simulated time */
    incoming_first = incoming_end = 0;
    outgoing_size = 0;
    uart_ready = true;
    drive_buttons();
}

void mcu_send(uint8_t byte)
{
    if (incoming_end < sizeof(incoming)) {
        incoming[incoming_end++] = byte;
    }
}

void mcu_press(unsigned int button, bool is_down)
{
    buttons_down[button] = is_down;
    drive_buttons();
}
