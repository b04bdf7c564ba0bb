/* Packets and their coding on a raw serial line.
 *
 *   type | packet id | msgpack body, <= 120 B | CRC16, BE   --> COBS, then one 00
 *
 * COBS replaces each zero by the distance to the next one, so a zero is always the end of a packet,
 * and a receiver that lost its place finds it at the next zero:
 *
 *   data  11 22 00 33       COBS  03 11 22 02 33
 *
 * A packet with its CRC but without COBS is "sealed". The router carries sealed packets. */
#ifndef PD_WIRE_H
#define PD_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

#define PD_HEAD_SIZE 2
#define PD_CRC_SIZE 2
#define PD_PACKET_MAX (PD_HEAD_SIZE + PD_BODY_MAX + PD_CRC_SIZE)
#define PD_ANSWER_PACKET_MAX (PD_HEAD_SIZE + PD_ANSWER_MAX + PD_CRC_SIZE)
#define PD_ENCODED_MAX (PD_PACKET_MAX + 1) /* COBS adds one byte to anything below 255 */

/* Result of receiving a byte, or of checking a packet. */
typedef enum {
    PD_PENDING, /* the packet is not complete; also for two zeros in a row */
    PD_PACKET,
    PD_BAD_CRC,
    PD_BAD_CODING,
    PD_TOO_SHORT,
    PD_TOO_LONG
} pd_verdict_t;

typedef struct {
    uint8_t bytes[PD_ENCODED_MAX]; /* after PD_PACKET: the packet without its CRC */
    uint8_t size;
    bool skipping; /* too long already: drop until the next delimiter */
    bool complete; /* the packet in `bytes` was returned; the next byte starts a new one */
} pd_receiver_t;

/* CRC-16/GENIBUS: 0x1021 from 0xFFFF, complemented. "123456789" gives 0xD64E. */
uint16_t pd_crc16(const uint8_t *data, uint8_t size);

/* Adds the CRC to a packet; returns its new size. */
uint8_t pd_seal(uint8_t *packet, uint8_t size);

/* Checks length and CRC of a sealed packet. */
pd_verdict_t pd_unseal(const uint8_t *packet, uint8_t size);

void pd_receiver_reset(pd_receiver_t *receiver);

/* Processes one byte from the line. PD_TOO_LONG comes at the first byte that does not fit. */
pd_verdict_t pd_receive(pd_receiver_t *receiver, uint8_t byte);

/* Writes COBS and the delimiter to `line`, which holds size + 2 bytes; returns their number. */
uint8_t pd_encode(const uint8_t *packet, uint8_t size, uint8_t *line);

#endif
