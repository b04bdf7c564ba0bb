#include "pc_board.h"

#include <assert.h>
#include <string.h>

static void send(void *context, const uint8_t *packet, uint8_t size, bool is_answer)
{
    pc_board_t *board = context;

    (void)is_answer;
    assert(board->sent_size + size + 2 <= PC_SENT_MAX);
    board->sent_size += pd_encode(packet, size, board->sent + board->sent_size);
}

static void draw(void *context, const pd_app_t *app)
{
    pc_board_t *board = context;

    (void)app;
    board->draws++;
}

size_t pc_board_size(void)
{
    return sizeof(pc_board_t);
}

void pc_board_begin(pc_board_t *board, uint32_t boot_id, uint16_t lost_reset, uint32_t now_ms)
{
    pd_port_t port = {send, draw, board};
    pd_identity_t identity = {boot_id, lost_reset, PD_BOARD_PC, {0, 1, 0}};

    memset(board, 0, offsetof(pc_board_t, sent)); /* clearing 64 KB would take most of a fuzz run */
    pd_receiver_reset(&board->receiver);
    pd_app_begin(&board->app, &port, &identity, now_ms);
}

void pc_board_reset(pc_board_t *board, uint32_t now_ms)
{
    bool pins[PD_BUTTONS_MAX];

    memcpy(pins, board->pins, sizeof(pins)); /* a reset does not release a pressed button */
    pc_board_begin(board, board->app.identity.boot_id + 1, pd_app_reset_loss(&board->app), now_ms);
    memcpy(board->pins, pins, sizeof(pins));
}

void pc_board_receive(pc_board_t *board, const uint8_t *data, size_t size, uint32_t now_ms)
{
    while (size-- > 0) {
        pd_serial_take(&board->receiver, &board->app, *data++, now_ms);
    }
}

void pc_board_pin(pc_board_t *board, uint8_t button, bool is_down)
{
    assert(button < PD_BUTTONS_MAX);
    board->pins[button] = is_down;
}

void pc_board_tick(pc_board_t *board, uint32_t now_ms)
{
    for (uint8_t button = 0; button < PD_BUTTONS_MAX; button++) {
        pd_app_pin(&board->app, button, board->pins[button], now_ms);
    }
    pd_app_tick(&board->app, now_ms);
}

size_t pc_board_fetch(pc_board_t *board, uint8_t *data)
{
    size_t size = board->sent_size;

    memcpy(data, board->sent, size);
    board->sent_size = 0;
    return size;
}

void pc_board_picture(const pc_board_t *board, uint8_t *levels)
{
    for (uint8_t row = 0; row < PD_ROWS; row++) {
        for (uint8_t column = 0; column < PD_COLUMNS; column++) {
            *levels++ = pd_app_level(&board->app, row, column);
        }
    }
    *levels = pd_app_brightness(&board->app);
}

uint32_t pc_board_draws(const pc_board_t *board)
{
    return board->draws;
}
