#include "edges.h"

#include <stddef.h>

bool pd_debounce(pd_debouncer_t *debouncer, bool is_down, uint32_t now_ms)
{
    if (is_down != debouncer->pin) {
        debouncer->pin = is_down;
        debouncer->changed_ms = now_ms; /* every change restarts the wait */
    }
    /* The difference of unsigned times stays right when the clock wraps. */
    if (debouncer->pin == debouncer->stable || now_ms - debouncer->changed_ms < PD_SETTLE_MS) {
        return false;
    }
    debouncer->stable = debouncer->pin;
    return true;
}

void pd_edges_begin(pd_edge_queue_t *queue)
{
    queue->first_event_id = 1;
    queue->lost = 0;
    queue->first = 0;
    queue->size = 0;
}

bool pd_edges_push(pd_edge_queue_t *queue, uint8_t button, uint8_t edge, uint32_t now_ms)
{
    pd_edge_t *queued;

    if (queue->size == PD_EVENT_QUEUE_SIZE) {
        if (queue->lost < UINT16_MAX) { /* a total that wrapped would look like fewer losses */
            queue->lost++;
        }
        return false;
    }
    queued = &queue->edges[(queue->first + queue->size) % PD_EVENT_QUEUE_SIZE];
    queued->button = button;
    queued->edge = edge;
    queued->t_ms = now_ms;
    queue->size++;
    return true;
}

const pd_edge_t *pd_edges_oldest(const pd_edge_queue_t *queue)
{
    return queue->size == 0 ? NULL : &queue->edges[queue->first];
}

bool pd_edges_acknowledge(pd_edge_queue_t *queue, uint32_t event_id)
{
    if (queue->size == 0 || event_id != queue->first_event_id) {
        return false;
    }
    queue->first = (uint8_t)((queue->first + 1) % PD_EVENT_QUEUE_SIZE);
    queue->size--;
    queue->first_event_id++;
    return true;
}
