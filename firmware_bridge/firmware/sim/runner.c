/* The Yun's firmware, executed: an ATmega32u4 in libsimavr with the outside world on stdin and
 * stdout.
 *
 *   runner FIRMWARE.elf [--lockstep] [--eeprom FILE]
 *
 * In real time UART1 is a pty, whose path is told first. With --lockstep there is no pty and time
 * passes only by "run": a test is then as repeatable as one of a function.
 *
 *   in                      out, one JSON object per line, with the simulated time
 *                           {"t_us":0,"path":"/dev/pts/3"}             real time only
 *   pin BUTTON 0|1          {"t_us":1000,"led":"host","level":1}
 *   reset                   {"t_us":1000,"spi":"0100010f"}             one latched transfer
 *   send HEX                {"t_us":1000,"uart":"0a01..."}             lockstep only
 *   run MICROSECONDS        {"t_us":2000,"done":"run"}                 lockstep only
 *
 * The eeprom file, if given, holds the board's memory between two runs. It ends at the end of
 * stdin. simavr's own UART flags are cleared: STDIO would print the line's bytes among ours, and
 * POLL_SLEEP would sleep in the middle of a measurement. */
#define _GNU_SOURCE /* openpty's headers, clock_nanosleep */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <avr_eeprom.h>
#include <avr_ioport.h>
#include <avr_spi.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_elf.h>

#define FREQUENCY_HZ 16000000
#define EEPROM_SIZE 1024
#define LINE_SIZE 65536 /* of commands, and of bytes on their way to the MCU */
#define SLICE_US 500    /* real time: how far we run between two looks at stdin and the pty */
#define BYTE_US 40      /* ten bits at 250000 baud */
#define LOST_US 200000  /* real time: further behind than this we do not try to catch up */

typedef struct {
    const char *name;
    char port;
    uint8_t pin;
} wire_t;

/* The sketch's pins 4, 5; 8, 9, 11; 10. */
static const wire_t BUTTONS[] = {{"0", 'D', 4}, {"1", 'C', 6}};
static const wire_t LEDS[] = {{"host", 'B', 4}, {"alone", 'B', 5}, {"event", 'B', 7}};
static const wire_t SELECT = {"select", 'B', 6};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static avr_t *avr;
static avr_irq_t *uart_input;
static bool uart_ready = true;
static int pty_near = -1;
static uint8_t incoming[LINE_SIZE]; /* to the MCU */
static size_t incoming_first, incoming_end;
static uint8_t outgoing[LINE_SIZE]; /* from the MCU, since we last told */
static size_t outgoing_size;
static uint8_t transfer[64]; /* SPI bytes since the modules were selected */
static size_t transfer_size;
static bool buttons_down[COUNT(BUTTONS)];
static avr_cycle_count_t next_byte_cycle;

static uint64_t now_us(void)
{
    return avr->cycle / (FREQUENCY_HZ / 1000000);
}

static void say_hex(const char *key, const uint8_t *data, size_t size)
{
    printf("{\"t_us\":%" PRIu64 ",\"%s\":\"", now_us(), key);
    for (size_t index = 0; index < size; index++) {
        printf("%02x", data[index]);
    }
    printf("\"}\n");
}

/* --- what the MCU does ---------------------------------------------------------------------- */

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
    uart_ready = param != NULL; /* XON or XOFF: simavr's words, not bytes 0x11 and 0x13 */
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
        say_hex("spi", transfer, transfer_size);
    }
    transfer_size = 0;
}

static void on_led(struct avr_irq_t *irq, uint32_t value, void *param)
{
    const wire_t *led = param;

    (void)irq;
    printf("{\"t_us\":%" PRIu64 ",\"led\":\"%s\",\"level\":%d}\n", now_us(), led->name, value != 0);
}

static void do_not_sleep(avr_t *sleeper, avr_cycle_count_t cycles)
{
    (void)sleeper, (void)cycles; /* we keep the time ourselves */
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

        /* simavr's reset clears what the pin reads but not what it was told last, and a level that
         * it was told already it ignores: hence both. */
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

/* simavr chats on stdout, which is ours. */
static void log_errors(avr_t *from, const int level, const char *format, va_list arguments)
{
    (void)from;
    if (level <= LOG_ERROR) {
        vfprintf(stderr, format, arguments);
    }
}

static void load(const char *path)
{
    elf_firmware_t firmware = {0};

    avr_global_logger_set(log_errors);
    if (elf_read_firmware(path, &firmware) != 0) {
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

static void eeprom(const char *path, bool save)
{
    static uint8_t bytes[EEPROM_SIZE];
    avr_eeprom_desc_t contents = {bytes, 0, EEPROM_SIZE};
    FILE *file = path == NULL ? NULL : fopen(path, save ? "wb" : "rb");

    if (file == NULL) {
        return; /* a new board */
    }
    if (save) {
        avr_ioctl(avr, AVR_IOCTL_EEPROM_GET, &contents);
        fwrite(bytes, 1, sizeof(bytes), file);
    } else if (fread(bytes, 1, sizeof(bytes), file) == sizeof(bytes)) {
        avr_ioctl(avr, AVR_IOCTL_EEPROM_SET, &contents);
    }
    fclose(file);
}

/* --- running -------------------------------------------------------------------------------- */

/* Gives the MCU the next byte of its line when a byte's time has passed. */
static void deliver(void)
{
    if (incoming_first == incoming_end || !uart_ready || avr->cycle < next_byte_cycle) {
        return;
    }
    next_byte_cycle = avr->cycle + BYTE_US * (FREQUENCY_HZ / 1000000);
    avr_raise_irq(uart_input, incoming[incoming_first++]);
    if (incoming_first == incoming_end) {
        incoming_first = incoming_end = 0;
    }
}

static void tell_uart(void)
{
    if (outgoing_size > 0 && pty_near >= 0) {
        (void)!write(pty_near, outgoing, outgoing_size); /* unread bytes are lost, as on a wire */
    } else if (outgoing_size > 0) {
        say_hex("uart", outgoing, outgoing_size);
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
            fprintf(stderr, "the MCU stopped at %" PRIu64 " us\n", now_us());
            exit(1);
        }
        if (outgoing_size > 0 && outgoing[outgoing_size - 1] == 0) {
            tell_uart(); /* a packet is whole: its time is that of its last byte */
        }
    }
    tell_uart();
}

static void run_us(uint64_t duration_us)
{
    run_until(avr->cycle + duration_us * (FREQUENCY_HZ / 1000000));
}

static void reset(void)
{
    avr_cycle_count_t cycle = avr->cycle;

    avr_reset(avr);
    avr->cycle = cycle; /* the world's clock goes on */
    incoming_first = incoming_end = 0;
    outgoing_size = 0;
    uart_ready = true;
    drive_buttons();
}

static void queue_byte(uint8_t byte)
{
    if (incoming_end < sizeof(incoming)) {
        incoming[incoming_end++] = byte;
    }
}

/* --- commands ------------------------------------------------------------------------------- */

static void obey(const char *line)
{
    unsigned int button, level, byte;

    if (sscanf(line, "pin %u %u", &button, &level) == 2 && button < COUNT(BUTTONS)) {
        buttons_down[button] = level != 0;
        drive_buttons();
    } else if (strncmp(line, "reset", 5) == 0) {
        reset();
        printf("{\"t_us\":%" PRIu64 ",\"done\":\"reset\"}\n", now_us());
    } else if (strncmp(line, "send ", 5) == 0) {
        for (line += 5; sscanf(line, "%2x", &byte) == 1; line += 2) {
            queue_byte((uint8_t)byte);
        }
    } else if (strncmp(line, "run ", 4) == 0) {
        run_us(strtoull(line + 4, NULL, 10));
        printf("{\"t_us\":%" PRIu64 ",\"done\":\"run\"}\n", now_us());
    } else {
        printf("{\"error\":\"not understood\"}\n");
    }
    fflush(stdout);
}

static void run_lockstep(void)
{
    static char line[LINE_SIZE];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        obey(line);
    }
}

static uint64_t real_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void open_pty(void)
{
    static int pty_far; /* stays open: else the near end reports a hang-up until a host comes */
    struct termios raw;

    if (openpty(&pty_near, &pty_far, NULL, NULL, NULL) != 0) {
        perror("openpty");
        exit(1);
    }
    tcgetattr(pty_far, &raw);
    cfmakeraw(&raw);
    tcsetattr(pty_far, TCSANOW, &raw);
    fcntl(pty_near, F_SETFL, O_NONBLOCK);
    printf("{\"t_us\":0,\"path\":\"%s\"}\n", ttyname(pty_far));
    fflush(stdout);
}

/* Reads commands; returns false at the end of stdin. */
static bool read_commands(void)
{
    static char text[LINE_SIZE];
    static size_t size;
    ssize_t count = read(STDIN_FILENO, text + size, sizeof(text) - 1 - size);
    char *end;

    if (count <= 0) {
        return false;
    }
    size += (size_t)count;
    text[size] = '\0';
    while ((end = strchr(text, '\n')) != NULL) {
        *end++ = '\0';
        obey(text);
        size = strlen(end);
        memmove(text, end, size + 1);
    }
    return size < sizeof(text) - 1;
}

static void run_real_time(void)
{
    struct pollfd from[2] = {{STDIN_FILENO, POLLIN, 0}, {pty_near, POLLIN, 0}};
    uint64_t start_us = real_us(); /* real time at which the simulated clock was 0 */

    for (;;) {
        uint64_t due_us = start_us + now_us();
        uint64_t real = real_us();
        int wait_ms = due_us > real + 1000 ? (int)((due_us - real) / 1000) : 0;

        if (real > due_us + LOST_US) {
            start_us = real - now_us(); /* we were stopped, or are too slow: time was lost */
        }
        if (poll(from, 2, wait_ms) > 0) {
            uint8_t bytes[256];
            ssize_t count = from[1].revents & POLLIN ? read(pty_near, bytes, sizeof(bytes)) : 0;

            for (ssize_t index = 0; index < count; index++) {
                queue_byte(bytes[index]);
            }
            if ((from[0].revents & (POLLIN | POLLHUP)) && !read_commands()) {
                return;
            }
        }
        if (real_us() >= due_us) {
            run_us(SLICE_US);
            fflush(stdout);
        }
    }
}

int main(int argc, char **argv)
{
    const char *eeprom_path = NULL;
    bool lockstep = false;

    for (int index = 2; index < argc; index++) {
        if (strcmp(argv[index], "--lockstep") == 0) {
            lockstep = true;
        } else if (strcmp(argv[index], "--eeprom") == 0 && index + 1 < argc) {
            eeprom_path = argv[++index];
        }
    }
    if (argc < 2) {
        fprintf(stderr, "usage: runner FIRMWARE.elf [--lockstep] [--eeprom FILE]\n");
        return 2;
    }
    load(argv[1]);
    eeprom(eeprom_path, false);
    if (lockstep) {
        run_lockstep();
    } else {
        open_pty();
        run_real_time();
    }
    eeprom(eeprom_path, true);
    return 0;
}
