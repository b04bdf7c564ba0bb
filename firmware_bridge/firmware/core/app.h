/* The application: the board's end of the link, its display and its buttons. It is board_session.py
 * in C, and both pass the same tests.
 *
 *   host: HELLO, SHOW_FRAME, HEARTBEAT  -->  board: one reply each
 *   board: BUTTON_EDGE, every 50 ms     -->  host: EDGE_ACK, once it is in the journal
 *
 *             HELLO                3 s without a packet          5 s
 *   SILENT ----------> FRESH ----------------------> STALE ---------> SILENT
 *                        ^------ packet or HELLO ------'
 *
 * Nothing here reads a clock, a pin or a port. Time is an argument, in milliseconds that may wrap;
 * output goes through two callbacks. All requests are idempotent, and a duplicate is answered again
 * because its answer may have been lost. */
#ifndef PD_APP_H
#define PD_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "edges.h"
#include "protocol.h"

struct pd_app;

typedef struct {
    /* Sends a sealed packet; `is_answer` tells replies from button events (the router must). */
    void (*send)(void *context, const uint8_t *packet, uint8_t size, bool is_answer);
    /* The display changed: draw it, reading pd_app_level() and pd_app_brightness(). */
    void (*draw)(void *context, const struct pd_app *app);
    void *context;
} pd_port_t;

typedef struct {
    uint32_t boot_id;
    uint16_t lost_reset;
    uint8_t board;
    uint8_t firmware[3];
} pd_identity_t;

typedef enum {
    PD_SILENT, /* no host; the board sends no edges, because one byte can stop a booting Yun */
    PD_FRESH,  /* packets of the host arrive */
    PD_STALE   /* no packet for 3 s; the display says so */
} pd_state_t;

typedef enum { PD_SHOWS_STALE, PD_SHOWS_FRAME, PD_SHOWS_INCOMPATIBLE } pd_shown_t;

typedef struct pd_app {
    pd_port_t port;
    pd_identity_t identity;
    pd_edge_queue_t edges;
    pd_debouncer_t debouncers[PD_BUTTONS_MAX];
    uint32_t owner; /* the newest session, 0 before the first */
    uint32_t replaced[PD_REPLACED_MAX]; /* older sessions, whose late HELLO must be refused */
    uint32_t version;
    uint32_t now_ms;
    uint32_t last_packet_ms;
    uint32_t edge_due_ms;
    uint16_t bad_packets;
    uint8_t next_replaced;
    uint8_t edge_packet_id;
    pd_state_t state;
    pd_shown_t shown;
    bool has_frame;
    bool was_greeted; /* in this boot, so a host knows how many events the last reset lost */
    uint8_t brightness;
    uint8_t levels[PD_PACKED_SIZE];
} pd_app_t;

void pd_app_begin(pd_app_t *app, const pd_port_t *port, const pd_identity_t *identity,
                  uint32_t now_ms);

/* Processes a packet whose CRC was checked and removed. */
void pd_app_take(pd_app_t *app, const uint8_t *packet, uint8_t size, uint32_t now_ms);

/* Counts a packet that was damaged on the line. */
void pd_app_count_bad(pd_app_t *app);

/* Samples a button's pin. Call it at least every 2 ms: debouncing takes 8 ms. */
void pd_app_pin(pd_app_t *app, uint8_t button, bool is_down, uint32_t now_ms);

/* Queues an edge that is debounced already. */
bool pd_app_change_button(pd_app_t *app, uint8_t button, uint8_t edge, uint32_t now_ms);

/* Runs the timers that are due. */
void pd_app_tick(pd_app_t *app, uint32_t now_ms);

/* The picture to draw: level 0 to 7 of a pixel, and brightness 0 (dark) to 15 (full) of all. */
uint8_t pd_app_level(const pd_app_t *app, uint8_t row, uint8_t column);
uint8_t pd_app_brightness(const pd_app_t *app);

/* How many events a reset would lose now, plus earlier losses that no host knows of yet. */
uint16_t pd_app_reset_loss(const pd_app_t *app);

#endif
