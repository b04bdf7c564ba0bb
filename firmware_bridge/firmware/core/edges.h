/* Buttons: pins that bounce become edges, and edges wait in a bounded queue until the host says
 * that they stand in its journal. */
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

/* Numbers are given to queued edges only and without gaps, so the oldest one's number is enough. */
typedef struct {
    pd_edge_t edges[PD_EVENT_QUEUE_SIZE];
    uint32_t first_event_id;
    uint16_t lost; /* stops at its largest value */
    uint8_t first;
    uint8_t size;
} pd_edge_queue_t;

/* Takes the level of a pin; returns whether an edge has just become certain. */
bool pd_debounce(pd_debouncer_t *debouncer, bool is_down, uint32_t now_ms);

void pd_edges_begin(pd_edge_queue_t *queue);
/* Returns false, and counts, if the queue is full. The newest is dropped, not the oldest: the
 * oldest may be in the host's journal already. */
bool pd_edges_push(pd_edge_queue_t *queue, uint8_t button, uint8_t edge, uint32_t now_ms);
/* The edge to send, or NULL. */
const pd_edge_t *pd_edges_oldest(const pd_edge_queue_t *queue);
/* Forgets the oldest edge if this is its number; a repeated acknowledgement is not. */
bool pd_edges_acknowledge(pd_edge_queue_t *queue, uint32_t event_id);

#endif
