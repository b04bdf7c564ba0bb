/* The board in real time, its UART on a pty. */
#ifndef REAL_TIME_H
#define REAL_TIME_H

#include <stddef.h>
#include <stdint.h>

/* Where the MCU's bytes go. */
void real_time_take_uart(const uint8_t *data, size_t size);

/* Tells the pty's path and runs, obeying the lines of stdin, up to its end. */
void real_time_run(void (*obey)(const char *line));

#endif
