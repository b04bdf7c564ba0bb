/* Buttons. A pin that bounces becomes a clean edge, and edges wait in a ring buffer of 16 until the
 * host acknowledges that they are in its journal.
 *
 *   pin     ___|'|_|''''''''''''      an edge counts after 8 ms without a change
 *   stable  _____________|''''''      (contacts usually bounce for 1 to 5 ms)
 *
 * 16 edges are 8 presses: more than a person makes in the seconds that a host takes to restart. */
#ifndef PD_EDGES_H
#define PD_EDGES_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

typedef struct {
    uint32_t changed_ms;
    bool pin;
    bool stable;
} pd_debouncer_t;

typedef struct {
    uint32_t t_ms;
    uint8_t button;
    uint8_t edge;
} pd_edge_t;

/* Only queued edges get numbers, without gaps: the number of the oldest is enough to know all. */
typedef struct {
    pd_edge_t edges[PD_EVENT_QUEUE_SIZE];
    uint32_t first_event_id;
    uint16_t lost; /* stops at its largest value */
    uint8_t first;
    uint8_t size;
} pd_edge_queue_t;

/* Samples a pin; returns whether its stable level has just changed. */
bool pd_debounce(pd_debouncer_t *debouncer, bool is_down, uint32_t now_ms);

void pd_edges_begin(pd_edge_queue_t *queue);
/* Returns false, and counts, if the queue is full. The newest is dropped, not the oldest: the
 * oldest may be in the host's journal already. */
bool pd_edges_push(pd_edge_queue_t *queue, uint8_t button, uint8_t edge, uint32_t now_ms);
/* The edge to send, or NULL. */
const pd_edge_t *pd_edges_oldest(const pd_edge_queue_t *queue);
/* Removes the oldest edge if this is its number. A repeated acknowledgement names an older one. */
bool pd_edges_acknowledge(pd_edge_queue_t *queue, uint32_t event_id);

#endif
