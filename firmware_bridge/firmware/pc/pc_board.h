/* The core as a board on a PC. What it sends waits in a buffer until it is fetched. The caller owns
 * the memory, so that ctypes, the runner and a fuzzer can have any number of boards. */
#ifndef PC_BOARD_H
#define PC_BOARD_H

#include <stddef.h>

#include "../core/serial.h"

#define PC_SENT_MAX 65536
#define PC_PIXELS (PD_ROWS * PD_COLUMNS)

typedef struct {
    pd_app_t app;
    pd_receiver_t receiver;
    uint32_t draws; /* how often the display changed */
    bool pins[PD_BUTTONS_MAX];
    size_t sent_size;
    uint8_t sent[PC_SENT_MAX];
} pc_board_t;

size_t pc_board_size(void);
void pc_board_begin(pc_board_t *board, uint32_t boot_id, uint16_t lost_reset, uint32_t now_ms);
/* Starts again as after a reset: with the next boot id; only the number of lost events survives. */
void pc_board_reset(pc_board_t *board, uint32_t now_ms);
void pc_board_receive(pc_board_t *board, const uint8_t *data, size_t size, uint32_t now_ms);
void pc_board_pin(pc_board_t *board, uint8_t button, bool is_down);
void pc_board_tick(pc_board_t *board, uint32_t now_ms);
/* Moves the bytes that were sent to `data`, which holds PC_SENT_MAX bytes; returns their number. */
size_t pc_board_fetch(pc_board_t *board, uint8_t *data);
/* Writes the level of each pixel, and the brightness after the last one. */
void pc_board_picture(const pc_board_t *board, uint8_t *levels);
uint32_t pc_board_draws(const pc_board_t *board);

#endif
