/* The router carrier: MessagePack-RPC on the serial line of a board whose Linux side runs
 * arduino-router.
 *
 *   router -> board   [0, id, "pd", [packet]]      answered by [1, id, nil, packet or nil]
 *   board -> router   [2, "pde", [packet]]         a button event
 *   board -> router   [0, id, "$/register", ["pd"]]
 *
 * That line has no delimiter, no length and no CRC. So a message that is not one of ours is never
 * waited for beyond PD_RPC_MAX bytes, nor longer than PD_RPC_GAP_MS; and what is inside of one that
 * is ours has a CRC of its own. Nothing here trusts an answer of the router: routes vanish when it
 * restarts, and it tells nobody. */
#ifndef PD_ROUTER_H
#define PD_ROUTER_H

#include "app.h"
#include "wire.h"

#define PD_RPC_MAX 160 /* the longest message of ours, with the longest packet, takes 139 */
#define PD_RPC_GAP_MS 30
#define PD_REGISTER_RETRY_MS 1000
#define PD_REGISTER_QUIET_MS 3000 /* nothing came for so long: the route may be gone */
#define PD_RPC_HEAD_MAX 12        /* what we put before a packet */

typedef struct {
    pd_app_t *app;
    void (*write)(void *context, const uint8_t *data, uint8_t size);
    void *context;
    uint32_t byte_ms;
    uint32_t register_due_ms;
    uint32_t register_id;
    uint32_t request_id;
    bool is_answering; /* a request is being taken, and was not answered yet */
    bool is_heard;     /* the router answered the last time that we asked for the route */
    bool is_skipping;  /* the last byte was not one of ours, and was counted */
    uint8_t size;
    uint8_t bytes[PD_RPC_MAX];
} pd_router_t;

/* `app` is begun afterwards, with pd_router_send and this router in its port. */
void pd_router_begin(pd_router_t *router, pd_app_t *app,
                     void (*write)(void *context, const uint8_t *data, uint8_t size),
                     void *context, uint32_t now_ms);

/* The `send` of the application's port. */
void pd_router_send(void *router, const uint8_t *packet, uint8_t size, bool is_answer);

/* Takes one byte from the line; whatever is wrong with it is counted. */
void pd_router_take(pd_router_t *router, uint8_t byte, uint32_t now_ms);

/* Does what is due, for the application too. */
void pd_router_tick(pd_router_t *router, uint32_t now_ms);

/* How long the msgpack value at `bytes` is; 0 if more bytes must come first, PD_RPC_BAD if it is
 * none, one that RPC has no use for, or longer than PD_RPC_MAX. */
#define PD_RPC_BAD 255
uint8_t pd_rpc_span(const uint8_t *bytes, uint8_t size);

#endif
