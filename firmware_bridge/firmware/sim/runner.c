/* The Yun's firmware, executed: an ATmega32u4 in libsimavr with the outside world on stdin and
 * stdout.
 *
 *   runner FIRMWARE.elf|FIRMWARE.hex [--lockstep] [--eeprom FILE]
 *
 * In real time UART1 is a pty, whose path is the first line. With --lockstep there is no pty, and
 * time passes only by "run", so tests are deterministic.
 *
 *   in                      out, one JSON object per line, with the simulated time
 *                           {"t_us":0,"path":"/dev/pts/3"}             real time only
 *   pin BUTTON 0|1          {"t_us":1000,"led":"host","level":1}
 *   reset                   {"t_us":1000,"spi":"0100010f"}             one latched transfer
 *   send HEX                {"t_us":1000,"uart":"0a01..."}             lockstep only
 *   run MICROSECONDS        {"t_us":2000,"done":"run"}                 at once, also in real time
 *
 * The eeprom file, if given, holds the board's memory between two runs. The process ends at the end
 * of stdin. simavr's own UART flags are cleared: STDIO would print the line's bytes between ours,
 * and POLL_SLEEP would sleep in the middle of a measurement. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcu.h"
#include "real_time.h"

static void say_uart(const uint8_t *data, size_t size)
{
    mcu_say_hex("uart", data, size);
}

static void obey(const char *line)
{
    unsigned int button, level, byte;

    if (sscanf(line, "pin %u %u", &button, &level) == 2 && button < MCU_BUTTONS) {
        mcu_press(button, level != 0);
    } else if (strncmp(line, "reset", 5) == 0) {
        mcu_reset();
        printf("{\"t_us\":%" PRIu64 ",\"done\":\"reset\"}\n", mcu_now_us());
    } else if (strncmp(line, "send ", 5) == 0) {
        for (line += 5; sscanf(line, "%2x", &byte) == 1; line += 2) {
            mcu_send((uint8_t)byte);
        }
    } else if (strncmp(line, "run ", 4) == 0) {
        mcu_run_us(strtoull(line + 4, NULL, 10));
        printf("{\"t_us\":%" PRIu64 ",\"done\":\"run\"}\n", mcu_now_us());
    } else {
        printf("{\"error\":\"not understood\"}\n");
    }
    fflush(stdout);
}

static void run_lockstep(void)
{
    static char line[MCU_LINE_SIZE];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        obey(line);
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
        fprintf(stderr, "usage: runner FIRMWARE.elf|FIRMWARE.hex [--lockstep] [--eeprom FILE]\n");
        return 2;
    }
    mcu_load(argv[1], lockstep ? say_uart : real_time_take_uart);
    if (eeprom_path != NULL) {
        mcu_load_eeprom(eeprom_path);
    }
    if (lockstep) {
        run_lockstep();
    } else {
        real_time_run(obey);
    }
    if (eeprom_path != NULL) {
        mcu_save_eeprom(eeprom_path);
    }
    return 0;
}
