#include "router.h"

#include <string.h>

#define FIXARRAY 0x90
#define FIXSTR 0xa0
#define NIL 0xc0
#define BIN8 0xc4
#define UINT8 0xcc /* uint16 and uint32 follow */
#define UINT32 0xce
#define STR8 0xd9
#define REQUEST 0
#define ANSWER 1
#define NOTICE 2
#define FLUSH_SIZE 140 /* longer than the longest message of ours (139): ends any half of one */

static const uint8_t METHOD[] = {FIXSTR | 2, 'p', 'd'};
static const uint8_t EVENT_HEAD[] = {FIXARRAY | 3, NOTICE, FIXSTR | 3, 'p', 'd', 'e', FIXARRAY | 1};
static const uint8_t REGISTER[] = {FIXSTR | 10, '$', '/', 'r', 'e', 'g', 'i', 's', 't', 'e', 'r',
                                   FIXARRAY | 1, FIXSTR | 2, 'p', 'd'};
/* The errors that arduino-router itself answers: unknown method, bad parameters. */
static const uint8_t NO_METHOD[] = {FIXARRAY | 2, 2, FIXSTR | 9, 'n', 'o', ' ', 'm', 'e', 't',
                                    'h', 'o', 'd', NIL};
static const uint8_t BAD_PARAMETERS[] = {FIXARRAY | 2, 1, FIXSTR | 10, 'b', 'a', 'd', ' ', 'p', 'a',
                                         'r', 'a', 'm', 's', NIL};

/* --- reading -------------------------------------------------------------------------------- */

static uint8_t big_endian_size(uint8_t head)
{
    return (uint8_t)(1u << (head - UINT8));
}

/* Returns the bytes of a value's head and content, or 0 for a type that RPC does not use. `inside`
 * gets the number of values that an array contains. */
static uint16_t one_value(const uint8_t *bytes, uint8_t size, uint8_t *inside)
{
    uint8_t head = bytes[0];

    *inside = 0;
    if (head <= 0x7f || head >= 0xe0 || (head >= NIL && head <= 0xc3 && head != 0xc1)) {
        return 1; /* small numbers, nil, booleans */
    }
    if (head >= FIXSTR && head < NIL) {
        return (uint16_t)(1 + (head & 0x1f));
    }
    if (head >= FIXARRAY && head < FIXSTR) {
        *inside = head & 0x0f;
        return 1;
    }
    if (head >= UINT8 && head <= UINT32) {
        return (uint16_t)(1 + big_endian_size(head));
    }
    if (head == BIN8 || head == STR8) {
        return (uint16_t)(2 + (size > 1 ? bytes[1] : 0));
    }
    return 0;
}

uint8_t pd_rpc_span(const uint8_t *bytes, uint8_t size)
{
    uint16_t at = 0;
    uint16_t missing = 1; /* values that are still to come */

    while (missing > 0) {
        uint8_t inside;
        uint16_t length;

        if (at >= size) {
            return 0;
        }
        length = one_value(bytes + at, (uint8_t)(size - at), &inside);
        at = (uint16_t)(at + length);
        missing = (uint16_t)(missing - 1 + inside);
        /* Each missing value takes at least a byte, so a message that is too long is known now. */
        if (length == 0 || at + missing > PD_RPC_MAX) {
            return PD_RPC_BAD;
        }
    }
    return at > size ? 0 : (uint8_t)at;
}

/* Returns whether these bytes can be the beginning of a message for us. */
static bool is_message_head(const uint8_t *bytes, uint8_t size)
{
    if (bytes[0] != (FIXARRAY | 3) && bytes[0] != (FIXARRAY | 4)) {
        return false;
    }
    return size < 2 || (bytes[0] == (FIXARRAY | 3) ? bytes[1] == NOTICE : bytes[1] <= ANSWER);
}

/* Reads the id of a request or an answer, which begins at the third byte. Returns the next byte, or
 * NULL if it is not an id. Needs no bounds check: pd_rpc_span has seen the whole message. */
static const uint8_t *read_id(const uint8_t *message, uint32_t *id)
{
    const uint8_t *at = message + 2;
    uint8_t head = *at++;

    *id = head;
    if (head <= 0x7f) {
        return at;
    }
    if (head < UINT8 || head > UINT32) {
        return NULL;
    }
    *id = 0;
    for (uint8_t count = big_endian_size(head); count > 0; count--) {
        *id = *id << 8 | *at++;
    }
    return at;
}

/* --- writing -------------------------------------------------------------------------------- */

static uint8_t write_head(uint8_t *line, uint8_t kind, uint32_t id)
{
    line[0] = FIXARRAY | 4;
    line[1] = kind;
    line[2] = UINT32; /* never the shortest form: the router reads every form, and this is short */
    line[3] = (uint8_t)(id >> 24);
    line[4] = (uint8_t)(id >> 16);
    line[5] = (uint8_t)(id >> 8);
    line[6] = (uint8_t)id;
    return 7;
}

/* Answers the request that is being taken with `error, result`, or `nil, nil`. */
static void answer(pd_router_t *router, const uint8_t *outcome, uint8_t size)
{
    uint8_t line[PD_RPC_HEAD_MAX + sizeof(BAD_PARAMETERS)];
    uint8_t written = write_head(line, ANSWER, router->request_id);

    router->is_answering = false;
    memcpy(line + written, outcome, size);
    router->write(router->context, line, (uint8_t)(written + size));
}

void pd_router_send(void *context, const uint8_t *packet, uint8_t size, bool is_answer)
{
    pd_router_t *router = context;
    uint8_t line[PD_RPC_HEAD_MAX + PD_ANSWER_PACKET_MAX];
    uint8_t written;

    if (is_answer && router->is_answering) {
        router->is_answering = false;
        written = write_head(line, ANSWER, router->request_id);
        line[written++] = NIL;
    } else {
        memcpy(line, EVENT_HEAD, sizeof(EVENT_HEAD));
        written = sizeof(EVENT_HEAD);
    }
    line[written++] = BIN8;
    line[written++] = size;
    memcpy(line + written, packet, size);
    router->write(router->context, line, (uint8_t)(written + size));
}

/* Completes a message of ours that a reset or noise has cut short. Else the router would take our
 * next message for the rest of that one. Otherwise this is a text that the router only logs. */
static void flush(pd_router_t *router)
{
    uint8_t line[FLUSH_SIZE] = {STR8, FLUSH_SIZE - 2};

    router->write(router->context, line, sizeof(line));
}

/* Requests the route. If it is ours already, the router answers with an error, which is as good. */
static void request_route(pd_router_t *router, uint32_t now_ms)
{
    uint8_t line[PD_RPC_HEAD_MAX + sizeof(REGISTER)];
    uint8_t written;

    if (!router->is_answered) {
        flush(router);
    }
    router->is_answered = false;
    written = write_head(line, REQUEST, ++router->register_id);
    memcpy(line + written, REGISTER, sizeof(REGISTER));
    router->write(router->context, line, (uint8_t)(written + sizeof(REGISTER)));
    router->register_due_ms = now_ms + PD_REGISTER_RETRY_MS;
}

/* --- messages ------------------------------------------------------------------------------- */

static void take_packet(pd_router_t *router, uint8_t *packet, uint8_t size, uint32_t now_ms)
{
    static const uint8_t NOTHING[] = {NIL, NIL};

    if (pd_unseal(packet, size) == PD_PACKET) {
        /* Not a HELLO: the host repeats it while our answers are lost, so it proves no way back. */
        if (packet[0] != PD_TYPE_HELLO) {
            router->register_due_ms = now_ms + PD_REGISTER_QUIET_MS;
        }
        pd_app_take(router->app, packet, (uint8_t)(size - PD_CRC_SIZE), now_ms);
    } else {
        pd_app_count_bad(router->app);
    }
    if (router->is_answering) {
        answer(router, NOTHING, sizeof(NOTHING)); /* the router stores a request until its answer */
    }
}

static void take_request(pd_router_t *router, uint8_t *message, uint8_t size, uint32_t now_ms)
{
    const uint8_t *method = read_id(message, &router->request_id);
    uint8_t at;

    if (method == NULL) {
        pd_app_count_bad(router->app);
        return;
    }
    router->is_answering = true;
    at = (uint8_t)(method - message);
    if (size < at + sizeof(METHOD) || memcmp(method, METHOD, sizeof(METHOD)) != 0) {
        answer(router, NO_METHOD, sizeof(NO_METHOD));
        return;
    }
    at = (uint8_t)(at + sizeof(METHOD));
    /* Exactly [bin]: pd_rpc_span has checked its length. */
    if (size < at + 3 || message[at] != (FIXARRAY | 1) || message[at + 1] != BIN8) {
        answer(router, BAD_PARAMETERS, sizeof(BAD_PARAMETERS));
        return;
    }
    take_packet(router, message + at + 3, message[at + 2], now_ms);
}

static void take_answer(pd_router_t *router, const uint8_t *message, uint32_t now_ms)
{
    uint32_t id;

    /* Result or error: if another client holds the route, requesting it faster does not help. */
    if (read_id(message, &id) != NULL && id == router->register_id) {
        router->is_answered = true;
        router->register_due_ms = now_ms + PD_REGISTER_QUIET_MS;
    }
}

static void take_message(pd_router_t *router, uint8_t size, uint32_t now_ms)
{
    router->is_skipping = false;
    switch (router->bytes[1]) {
    case REQUEST:
        take_request(router, router->bytes, size, now_ms);
        break;
    case ANSWER:
        take_answer(router, router->bytes, now_ms);
        break;
    default:
        break; /* a notice: we expect none, and for $/cancelRequest there is nothing to cancel */
    }
}

static void count_skipped(pd_router_t *router)
{
    if (!router->is_skipping) {
        router->is_skipping = true;
        pd_app_count_bad(router->app);
    }
}

static void drop(pd_router_t *router, uint8_t count)
{
    router->size = (uint8_t)(router->size - count);
    memmove(router->bytes, router->bytes + count, router->size);
}

/* Processes every whole message in the buffer; drops bytes that cannot begin one. */
static void process_buffer(pd_router_t *router, uint32_t now_ms)
{
    while (router->size > 0) {
        uint8_t span = PD_RPC_BAD;

        if (is_message_head(router->bytes, router->size)) {
            span = pd_rpc_span(router->bytes, router->size);
        }
        if (span == 0) {
            return;
        }
        if (span == PD_RPC_BAD) {
            count_skipped(router);
            drop(router, 1);
        } else {
            take_message(router, span, now_ms);
            drop(router, span);
        }
    }
}

/* Drops half a message when its next byte does not come for PD_RPC_GAP_MS. */
static void drop_stale_half(pd_router_t *router, uint32_t now_ms)
{
    if (router->size > 0 && now_ms - router->byte_ms >= PD_RPC_GAP_MS) {
        count_skipped(router);
        router->size = 0;
    }
}

void pd_router_begin(pd_router_t *router, pd_app_t *app,
                     void (*write)(void *context, const uint8_t *data, uint8_t size),
                     void *context, uint32_t now_ms)
{
    memset(router, 0, sizeof(*router));
    router->app = app;
    router->write = write;
    router->context = context;
    router->register_due_ms = now_ms;
}

void pd_router_take(pd_router_t *router, uint8_t byte, uint32_t now_ms)
{
    drop_stale_half(router, now_ms);
    router->byte_ms = now_ms;
    router->bytes[router->size++] = byte; /* there is room: pd_rpc_span rejects more */
    process_buffer(router, now_ms);
}

void pd_router_tick(pd_router_t *router, uint32_t now_ms)
{
    drop_stale_half(router, now_ms);
    if ((int32_t)(now_ms - router->register_due_ms) >= 0) {
        request_route(router, now_ms);
    }
    pd_app_tick(router->app, now_ms);
}
