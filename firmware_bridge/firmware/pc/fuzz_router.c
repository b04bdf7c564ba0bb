/* Fuzzing the core behind a router: an input is a script of what the line, the clock, the pins and
 * a reset do. fuzz.h explains how to run it. */
#include <assert.h>
#include <string.h>

#include "../core/router.h"
#include "fuzz.h"

#define CALL_HEAD_SIZE 9

const uint8_t FUZZ_GREETING[] = {2, 6, PD_TYPE_HELLO, 1, 0x93, 7, 1, 1};
const size_t FUZZ_GREETING_SIZE = sizeof(FUZZ_GREETING);

static pd_app_t app;
static pd_router_t router;
static bool pins[PD_BUTTONS_MAX];
static bool is_receiving;

/* Checks that each write is one whole message, or the text that completes a broken one. */
static void write_line(void *context, const uint8_t *data, uint8_t size)
{
    (void)context;
    assert(pd_rpc_span(data, size) == size);
    assert(data[0] != 0x94 || data[1] != 1 || is_receiving); /* no answer without a call */
}

static void draw(void *context, const pd_app_t *shown)
{
    (void)context;
    for (uint8_t row = 0; row < PD_ROWS; row++) {
        for (uint8_t column = 0; column < PD_COLUMNS; column++) {
            assert(pd_app_level(shown, row, column) < PD_LEVELS);
        }
    }
    assert(pd_app_brightness(shown) <= PD_BRIGHTNESS_MAX);
}

static void begin(uint32_t boot_id, uint32_t now_ms)
{
    pd_port_t port = {pd_router_send, draw, &router};
    pd_identity_t identity = {boot_id, 0, PD_BOARD_PC, {0, 1, 0}};

    pd_app_begin(&app, &port, &identity, now_ms);
    pd_router_begin(&router, &app, write_line, NULL, now_ms);
}

static void receive(const uint8_t *data, size_t size, uint32_t now_ms)
{
    is_receiving = true;
    while (size-- > 0) {
        pd_router_take(&router, *data++, now_ms);
        assert(router.size < PD_RPC_MAX && !router.is_answering);
    }
    is_receiving = false;
}

/* Sends `size` bytes as a whole call, so that fuzzing reaches the code for packets and bodies. */
static void receive_call(const uint8_t *data, uint8_t size, bool sealed, uint32_t now_ms)
{
    static const uint8_t HEAD[] = {0x94, 0, 0xcc, 0xa5, 0xa2, 'p', 'd', 0x91, 0xc4};
    uint8_t message[CALL_HEAD_SIZE + 1 + PD_PACKET_MAX];

    memcpy(message, HEAD, CALL_HEAD_SIZE);
    memcpy(message + CALL_HEAD_SIZE + 1, data, size);
    if (sealed) {
        size = pd_seal(message + CALL_HEAD_SIZE + 1, size);
    }
    message[CALL_HEAD_SIZE] = size;
    receive(message, (size_t)(CALL_HEAD_SIZE + 1 + size), now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t now_ms = 0xffffff00u; /* the clock wraps on the way */
    uint32_t boot_id = 1;

    memset(pins, 0, sizeof(pins));
    begin(boot_id, now_ms);
    while (size >= 2) {
        uint8_t what = data[0] % 8;
        uint8_t amount = data[1];

        data += 2;
        size -= 2;
        if (what <= 4) { /* bytes: raw, as a call, or as a call with a whole packet */
            uint8_t length = amount % (PD_PACKET_MAX - PD_CRC_SIZE + 1);

            length = length > size ? (uint8_t)size : length;
            if (what <= 1) {
                receive(data, length, now_ms);
            } else {
                receive_call(data, length, what != 4, now_ms);
            }
            data += length;
            size -= length;
        } else if (what == 5) {
            pins[amount % PD_BUTTONS_MAX] = amount & 0x80;
        } else if (what == 6) {
            now_ms += (uint32_t)amount * amount / 8;
        } else if (amount < 16) {
            begin(++boot_id, now_ms);
        }
        for (uint8_t button = 0; button < PD_BUTTONS_MAX; button++) {
            pd_app_pin(&app, button, pins[button], now_ms);
        }
        pd_router_tick(&router, now_ms);
        assert(app.edges.size <= PD_EVENT_QUEUE_SIZE);
    }
    return 0;
}
