/* The simulated ATmega32u4: libsimavr, and the devices wired to its pins. */
#ifndef MCU_H
#define MCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCU_LINE_SIZE 65536 /* of the queue of bytes to the MCU, and of a command line */
#define MCU_BUTTONS 2

/* Loads a firmware, or ends the process if the file is not one. `take_uart` gets the bytes that the
 * MCU sends: a packet when its last byte is sent, and the rest when a run ends. */
void mcu_load(const char *path, void (*take_uart)(const uint8_t *data, size_t size));

/* Reads or writes the EEPROM; a missing file means a new board. */
void mcu_load_eeprom(const char *path);
void mcu_save_eeprom(const char *path);

/* Queues a byte for UART1, which receives it at the speed of its line. */
void mcu_send(uint8_t byte);
void mcu_press(unsigned int button, bool is_down);
void mcu_reset(void);

/* Runs the MCU for this simulated time. */
void mcu_run_us(uint64_t duration_us);
uint64_t mcu_now_us(void);

/* Writes {"t_us":...,"KEY":"HEX"} to stdout. */
void mcu_say_hex(const char *key, const uint8_t *data, size_t size);

#endif
