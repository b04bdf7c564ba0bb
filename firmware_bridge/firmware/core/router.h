/* The router carrier: MessagePack-RPC on the serial line of a board whose Linux side runs
 * arduino-router.
 *
 *   router -> board   [0, id, "pd", [packet]]      answered by [1, id, nil, packet or nil]
 *   board -> router   [2, "pde", [packet]]         a button event
 *   board -> router   [0, id, "$/register", ["pd"]]
 *
 * This line has no delimiter, no length and no CRC. So the adaptor waits for PD_RPC_MAX bytes and
 * PD_RPC_GAP_MS at most before it drops what is not a message, and each packet inside has its own CRC.
 * The router forgets routes when it restarts, without a message to us. So the route is requested
 * again whenever no packet came for PD_REGISTER_QUIET_MS. */
#ifndef PD_ROUTER_H
#define PD_ROUTER_H

#include "app.h"
#include "wire.h"

#define PD_RPC_MAX 160 /* the longest message for us, with the longest packet, has 139 bytes */
#define PD_RPC_GAP_MS 30 /* much longer than a gap within a message, shorter than a retransmit */
#define PD_REGISTER_RETRY_MS 1000
#define PD_REGISTER_QUIET_MS 3000 /* three heartbeats are missing: the route may be lost */
#define PD_RPC_HEAD_MAX 12        /* bytes before a packet in our messages */

typedef struct {
    pd_app_t *app;
    void (*write)(void *context, const uint8_t *data, uint8_t size);
    void *context;
    uint32_t byte_ms;
    uint32_t register_due_ms;
    uint32_t register_id;
    uint32_t request_id;
    bool is_answering; /* a request is being processed and has no answer yet */
    bool is_answered;  /* the router answered our last request for the route */
    bool is_skipping;  /* inside bytes that are not a message; they count as one bad packet */
    uint8_t size;
    uint8_t bytes[PD_RPC_MAX];
} pd_router_t;

/* Begin `app` afterwards, with pd_router_send and this router in its port. */
void pd_router_begin(pd_router_t *router, pd_app_t *app,
                     void (*write)(void *context, const uint8_t *data, uint8_t size),
                     void *context, uint32_t now_ms);

/* The `send` of the application's port. */
void pd_router_send(void *router, const uint8_t *packet, uint8_t size, bool is_answer);

/* Processes one byte from the line; bad bytes are counted. */
void pd_router_take(pd_router_t *router, uint8_t byte, uint32_t now_ms);

/* Runs the timers that are due, also those of the application. */
void pd_router_tick(pd_router_t *router, uint32_t now_ms);

/* Returns the length of the msgpack value at `bytes`, 0 if more bytes must come first, or PD_RPC_BAD
 * if it is not a value, has a type that RPC does not use, or is longer than PD_RPC_MAX. */
#define PD_RPC_BAD 255
uint8_t pd_rpc_span(const uint8_t *bytes, uint8_t size);

#endif
