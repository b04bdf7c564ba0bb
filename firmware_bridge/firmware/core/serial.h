/* The raw carrier: bytes of a serial line to the application. */
#ifndef PD_SERIAL_H
#define PD_SERIAL_H

#include "app.h"
#include "wire.h"

/* Processes one byte from the line; a bad packet is counted. */
void pd_serial_take(pd_receiver_t *receiver, pd_app_t *app, uint8_t byte, uint32_t now_ms);

#endif
