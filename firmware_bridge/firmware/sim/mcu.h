/* The executed ATmega32u4: libsimavr, and what is wired to its pins. */
#ifndef MCU_H
#define MCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCU_LINE_SIZE 65536 /* of bytes on their way to the MCU, and of commands */
#define MCU_BUTTONS 2

/* Loads a firmware; ends the process if it is none. `take_uart` gets what the MCU sends: a packet
 * when its last byte is sent, and whatever is there when a run ends. */
void mcu_load(const char *path, void (*take_uart)(const uint8_t *data, size_t size));

/* Reads or writes the EEPROM; a file that is not there is a new board. */
void mcu_load_eeprom(const char *path);
void mcu_save_eeprom(const char *path);

/* Queues a byte for UART1, which takes it at the speed of its line. */
void mcu_send(uint8_t byte);
void mcu_press(unsigned int button, bool is_down);
void mcu_reset(void);

/* Lets so much of the simulated time pass. */
void mcu_run_us(uint64_t duration_us);
uint64_t mcu_now_us(void);

/* Writes {"t_us":...,"KEY":"HEX"} to stdout. */
void mcu_say_hex(const char *key, const uint8_t *data, size_t size);

#endif
