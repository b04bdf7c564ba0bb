/* The core as a board of a PC: what it sends is kept until it is fetched. The memory is the
 * caller's, so that ctypes, the runner and a fuzzer can have as many boards as they like. */
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
/* Starts anew as after a reset: the next boot id, and only the loss of events is remembered. */
void pc_board_reset(pc_board_t *board, uint32_t now_ms);
void pc_board_receive(pc_board_t *board, const uint8_t *data, size_t size, uint32_t now_ms);
void pc_board_pin(pc_board_t *board, uint8_t button, bool is_down);
void pc_board_tick(pc_board_t *board, uint32_t now_ms);
/* Copies what was sent and forgets it; `data` holds PC_SENT_MAX bytes. */
size_t pc_board_fetch(pc_board_t *board, uint8_t *data);
/* Writes the level of each pixel, and the brightness after the last one. */
void pc_board_picture(const pc_board_t *board, uint8_t *levels);
uint32_t pc_board_draws(const pc_board_t *board);

#endif
