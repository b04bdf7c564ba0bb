/* The board in real time, its UART on a pty. */
#ifndef REAL_TIME_H
#define REAL_TIME_H

#include <stddef.h>
#include <stdint.h>

/* Writes the MCU's bytes to the pty. */
void real_time_take_uart(const uint8_t *data, size_t size);

/* Prints the pty's path and runs, executing the lines of stdin, until its end. */
void real_time_run(void (*obey)(const char *line));

#endif
