#include "app.h"

#include <stddef.h>
#include <string.h>

#include "pictures.h"
#include "program_memory.h"
#include "wire.h"

static const uint8_t STALE_PICTURE[PD_PACKED_SIZE] PD_IN_FLASH = PD_PICTURE_STALE;
static const uint8_t INCOMPATIBLE_PICTURE[PD_PACKED_SIZE] PD_IN_FLASH = PD_PICTURE_INCOMPATIBLE;

/* --- display -------------------------------------------------------------------------------- */

static void draw(pd_app_t *app, pd_shown_t shown)
{
    app->shown = shown;
    app->port.draw(app->port.context, app);
}

uint8_t pd_app_level(const pd_app_t *app, uint8_t row, uint8_t column)
{
    uint8_t pixel = (uint8_t)(row * PD_COLUMNS + column);
    uint8_t pair;

    switch (app->shown) {
    case PD_SHOWS_FRAME:
        pair = app->levels[pixel / 2];
        break;
    case PD_SHOWS_INCOMPATIBLE:
        pair = pd_flash_byte(&INCOMPATIBLE_PICTURE[pixel / 2]);
        break;
    default:
        pair = pd_flash_byte(&STALE_PICTURE[pixel / 2]);
        break;
    }
    return pixel % 2 ? pair & 0x0f : pair >> 4;
}

uint8_t pd_app_brightness(const pd_app_t *app)
{
    /* The board's own pictures are warnings: at full brightness even on a dimmed display. */
    return app->shown == PD_SHOWS_FRAME ? app->brightness : PD_BRIGHTNESS_MAX;
}

/* --- time ----------------------------------------------------------------------------------- */

/* Changes the state when no packet came for too long. PD_SILENT compares no times: after the clock
 * wraps at 49.7 days, an old time would look recent again. */
static void check_timeouts(pd_app_t *app)
{
    uint32_t quiet_ms = app->now_ms - app->last_packet_ms;

    if (app->state == PD_FRESH && quiet_ms >= PD_STALE_MS) {
        app->state = PD_STALE;
        draw(app, PD_SHOWS_STALE);
    }
    if (app->state == PD_STALE && quiet_ms >= PD_SILENT_MS) {
        app->state = PD_SILENT;
    }
}

static void packet_received(pd_app_t *app)
{
    app->last_packet_ms = app->now_ms;
    if (app->state != PD_FRESH) {
        app->state = PD_FRESH;
        if (app->has_frame) {
            draw(app, PD_SHOWS_FRAME); /* the host is back: draw its last picture again */
        } else if (app->shown != PD_SHOWS_STALE) {
            draw(app, PD_SHOWS_STALE); /* a compatible host now, but no picture of it yet */
        }
    }
}

/* --- sending -------------------------------------------------------------------------------- */

/* Each sender builds its packet in one buffer on the stack: two bytes of head, the body, the CRC.
 * Only one sender runs at a time, so no static RAM is spent on it. */
static void send(pd_app_t *app, uint8_t *packet, uint8_t type, uint8_t packet_id, uint8_t body_size)
{
    packet[0] = type;
    packet[1] = packet_id;
    app->port.send(app->port.context, packet, pd_seal(packet, (uint8_t)(PD_HEAD_SIZE + body_size)),
                   type != PD_TYPE_BUTTON_EDGE);
}

static void refuse(pd_app_t *app, uint8_t packet_id, uint8_t code, uint32_t session_id)
{
    uint8_t packet[PD_ANSWER_PACKET_MAX];
    pd_error_reply_t reply = {code, session_id};

    send(app, packet, PD_TYPE_ERROR_REPLY, packet_id,
         pd_write_error_reply(packet + PD_HEAD_SIZE, &reply));
}

/* Makes the oldest edge due now, under a new packet id. */
static void next_edge(pd_app_t *app)
{
    app->edge_due_ms = app->now_ms;
    app->edge_packet_id++;
}

static void send_edge(pd_app_t *app, const pd_edge_t *edge)
{
    uint8_t packet[PD_ANSWER_PACKET_MAX];
    pd_button_edge_t message;

    message.boot_id = app->identity.boot_id;
    message.event_id = app->edges.first_event_id;
    message.button = edge->button;
    message.edge = edge->edge;
    message.t_ms = edge->t_ms;
    message.now_ms = app->now_ms;
    app->edge_due_ms = app->now_ms + PD_EDGE_RESEND_MS;
    send(app, packet, PD_TYPE_BUTTON_EDGE, app->edge_packet_id,
         pd_write_button_edge(packet + PD_HEAD_SIZE, &message));
}

/* --- sessions ------------------------------------------------------------------------------- */

static bool is_replaced(const pd_app_t *app, uint32_t session_id)
{
    for (uint8_t index = 0; index < PD_REPLACED_MAX; index++) {
        if (app->replaced[index] == session_id) {
            return true;
        }
    }
    return false;
}

/* Returns whether a packet belongs to the open session; refuses it otherwise. */
static bool is_owned(pd_app_t *app, uint8_t packet_id, uint32_t session_id)
{
    if (is_replaced(app, session_id)) {
        refuse(app, packet_id, PD_ERROR_CODE_SESSION, session_id);
        return false;
    }
    if (session_id != app->owner || app->state == PD_SILENT) {
        /* Either unknown (we restarted since its HELLO) or timed out: it must send HELLO again. */
        refuse(app, packet_id, PD_ERROR_CODE_NO_SESSION, session_id);
        return false;
    }
    packet_received(app);
    return true;
}

/* Makes a session the owner; a new one starts with an empty display. */
static void adopt(pd_app_t *app, uint32_t session_id)
{
    if (session_id != app->owner) {
        if (app->owner != 0) {
            app->replaced[app->next_replaced] = app->owner;
            app->next_replaced = (uint8_t)((app->next_replaced + 1) % PD_REPLACED_MAX);
        }
        app->owner = session_id;
        app->version = 0;
        if (app->has_frame) {
            app->has_frame = false;
            draw(app, PD_SHOWS_STALE);
        }
    }
    app->was_greeted = true;
    packet_received(app);
    next_edge(app); /* the last copy may have been lost with the old session: send it again now */
}

static void answer_hello(pd_app_t *app, uint8_t packet_id, uint32_t session_id)
{
    uint8_t packet[PD_ANSWER_PACKET_MAX];
    pd_hello_reply_t reply;

    reply.session_id = session_id;
    reply.protocol_min = PD_PROTOCOL_MIN;
    reply.protocol_max = PD_PROTOCOL_MAX;
    reply.board = app->identity.board;
    reply.rows = PD_ROWS;
    reply.columns = PD_COLUMNS;
    reply.levels = PD_LEVELS;
    reply.firmware_major = app->identity.firmware[0];
    reply.firmware_minor = app->identity.firmware[1];
    reply.firmware_patch = app->identity.firmware[2];
    reply.boot_id = app->identity.boot_id;
    reply.max_payload = PD_BODY_MAX;
    reply.shown_version = session_id == app->owner ? app->version : 0;
    reply.lost_overflow = app->edges.lost;
    reply.lost_reset = app->identity.lost_reset;
    send(app, packet, PD_TYPE_HELLO_REPLY, packet_id,
         pd_write_hello_reply(packet + PD_HEAD_SIZE, &reply));
}

/* --- receiving ------------------------------------------------------------------------------ */

static bool on_hello(pd_app_t *app, uint8_t packet_id, const uint8_t *body, uint8_t size)
{
    pd_hello_t hello;

    if (!pd_read_hello(body, size, &hello)) {
        return false;
    }
    if (is_replaced(app, hello.session_id)) {
        refuse(app, packet_id, PD_ERROR_CODE_SESSION, hello.session_id);
        return true;
    }
    if (hello.protocol_min <= PD_PROTOCOL_MAX && hello.protocol_max >= PD_PROTOCOL_MIN) {
        adopt(app, hello.session_id);
    } else if (app->state != PD_FRESH) { /* an active host keeps its picture */
        draw(app, PD_SHOWS_INCOMPATIBLE);
    }
    answer_hello(app, packet_id, hello.session_id);
    return true;
}

static bool on_show_frame(pd_app_t *app, uint8_t packet_id, const uint8_t *body, uint8_t size)
{
    uint8_t packet[PD_ANSWER_PACKET_MAX];
    pd_show_frame_t show;
    pd_frame_ack_t ack;

    if (!pd_read_show_frame(body, size, &show)) {
        return false;
    }
    if (!is_owned(app, packet_id, show.session_id)) {
        return true;
    }
    /* An older version is a late copy: ignore it, but acknowledge the version that is shown. */
    if (show.version > app->version) {
        app->version = show.version;
        app->brightness = show.brightness;
        app->has_frame = true;
        memcpy(app->levels, show.levels, PD_PACKED_SIZE);
        draw(app, PD_SHOWS_FRAME);
    }
    ack.session_id = show.session_id;
    ack.version = app->version;
    send(app, packet, PD_TYPE_FRAME_ACK, packet_id,
         pd_write_frame_ack(packet + PD_HEAD_SIZE, &ack));
    return true;
}

static bool on_heartbeat(pd_app_t *app, uint8_t packet_id, const uint8_t *body, uint8_t size)
{
    uint8_t packet[PD_ANSWER_PACKET_MAX];
    pd_heartbeat_t beat;
    pd_heartbeat_reply_t reply;

    if (!pd_read_heartbeat(body, size, &beat)) {
        return false;
    }
    if (!is_owned(app, packet_id, beat.session_id)) {
        return true;
    }
    reply.session_id = beat.session_id;
    reply.boot_id = app->identity.boot_id;
    reply.now_ms = app->now_ms;
    reply.queued = app->edges.size;
    reply.lost_overflow = app->edges.lost;
    reply.bad_packets = app->bad_packets;
    send(app, packet, PD_TYPE_HEARTBEAT_REPLY, packet_id,
         pd_write_heartbeat_reply(packet + PD_HEAD_SIZE, &reply));
    return true;
}

static bool on_edge_ack(pd_app_t *app, uint8_t packet_id, const uint8_t *body, uint8_t size)
{
    pd_edge_ack_t ack;

    if (!pd_read_edge_ack(body, size, &ack)) {
        return false;
    }
    /* Event numbers start again in each boot, so an EDGE_ACK from before a reset must not count.
     * EDGE_ACK itself has no answer: if it is lost, we send the edge again. */
    if (is_owned(app, packet_id, ack.session_id) && ack.boot_id == app->identity.boot_id &&
        pd_edges_acknowledge(&app->edges, ack.event_id)) {
        next_edge(app);
    }
    return true;
}

void pd_app_take(pd_app_t *app, const uint8_t *packet, uint8_t size, uint32_t now_ms)
{
    uint8_t packet_id = packet[1];
    const uint8_t *body = packet + PD_HEAD_SIZE;
    uint8_t body_size = (uint8_t)(size - PD_HEAD_SIZE);
    uint8_t code = PD_ERROR_CODE_BODY;
    bool is_good = false;

    app->now_ms = now_ms;
    check_timeouts(app);
    switch (packet[0]) {
    case PD_TYPE_HELLO:
        is_good = on_hello(app, packet_id, body, body_size);
        break;
    case PD_TYPE_SHOW_FRAME:
        is_good = on_show_frame(app, packet_id, body, body_size);
        break;
    case PD_TYPE_HEARTBEAT:
        is_good = on_heartbeat(app, packet_id, body, body_size);
        break;
    case PD_TYPE_EDGE_ACK:
        is_good = on_edge_ack(app, packet_id, body, body_size);
        break;
    default:
        code = PD_ERROR_CODE_UNKNOWN_TYPE;
        break;
    }
    if (!is_good) {
        pd_app_count_bad(app);
        if (app->state != PD_SILENT) { /* without a host, what looks like a packet may be noise */
            refuse(app, packet_id, code, 0);
        }
    }
}

void pd_app_count_bad(pd_app_t *app)
{
    if (app->bad_packets < UINT16_MAX) {
        app->bad_packets++;
    }
}

/* --- buttons -------------------------------------------------------------------------------- */

void pd_app_pin(pd_app_t *app, uint8_t button, bool is_down, uint32_t now_ms)
{
    if (pd_debounce(&app->debouncers[button], is_down, now_ms)) {
        pd_app_change_button(app, button, is_down ? PD_EDGE_DOWN : PD_EDGE_UP, now_ms);
    }
}

bool pd_app_change_button(pd_app_t *app, uint8_t button, uint8_t edge, uint32_t now_ms)
{
    bool was_empty = app->edges.size == 0;

    app->now_ms = now_ms;
    if (!pd_edges_push(&app->edges, button, edge, now_ms)) {
        return false;
    }
    if (was_empty) {
        next_edge(app);
    }
    return true;
}

uint16_t pd_app_reset_loss(const pd_app_t *app)
{
    uint16_t unreported = app->was_greeted ? 0 : app->identity.lost_reset;

    return unreported > UINT16_MAX - app->edges.size ? UINT16_MAX
                                                     : (uint16_t)(unreported + app->edges.size);
}

/* --- running -------------------------------------------------------------------------------- */

void pd_app_begin(pd_app_t *app, const pd_port_t *port, const pd_identity_t *identity,
                  uint32_t now_ms)
{
    memset(app, 0, sizeof(*app)); /* 0 is not a session id: no owner, no replaced sessions */
    app->port = *port;
    app->identity = *identity;
    app->now_ms = now_ms;
    pd_edges_begin(&app->edges);
    draw(app, PD_SHOWS_STALE);
}

void pd_app_tick(pd_app_t *app, uint32_t now_ms)
{
    const pd_edge_t *edge = pd_edges_oldest(&app->edges);

    app->now_ms = now_ms;
    check_timeouts(app);
    /* A signed difference stays right when the clock wraps: due times are at most 50 ms away. */
    if (edge != NULL && app->state != PD_SILENT && (int32_t)(now_ms - app->edge_due_ms) >= 0) {
        send_edge(app, edge);
    }
}
