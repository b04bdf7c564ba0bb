#include "wire.h"

#define CRC_START 0xffff
#define CRC_POLYNOMIAL 0x1021

uint16_t pd_crc16(const uint8_t *data, uint8_t size)
{
    uint16_t crc = CRC_START;

    /* Bit by bit: at ten packets a second, a table is not worth its 512 bytes of flash. */
    while (size-- > 0) {
        crc ^= (uint16_t)((uint16_t)*data++ << 8);
        for (uint8_t bit = 0; bit < 8; bit++) {
            uint16_t carry = crc & 0x8000;

            crc = (uint16_t)(crc << 1);
            if (carry) {
                crc ^= CRC_POLYNOMIAL;
            }
        }
    }
    /* Complemented: else a zero appended after the CRC keeps the packet valid, and COBS decodes a
     * stray 01 before the delimiter to exactly such a zero. */
    return (uint16_t)~crc;
}

uint8_t pd_seal(uint8_t *packet, uint8_t size)
{
    uint16_t crc = pd_crc16(packet, size);

    packet[size] = (uint8_t)(crc >> 8);
    packet[size + 1] = (uint8_t)crc;
    return (uint8_t)(size + PD_CRC_SIZE);
}

pd_verdict_t pd_unseal(const uint8_t *packet, uint8_t size)
{
    uint8_t end = (uint8_t)(size - PD_CRC_SIZE);

    if (size < PD_HEAD_SIZE + PD_CRC_SIZE + 1) {
        return PD_TOO_SHORT;
    }
    if (size > PD_PACKET_MAX) {
        return PD_TOO_LONG;
    }
    if (pd_crc16(packet, end) != (uint16_t)((uint16_t)packet[end] << 8 | packet[end + 1])) {
        return PD_BAD_CRC;
    }
    return PD_PACKET;
}

void pd_receiver_reset(pd_receiver_t *receiver)
{
    receiver->size = 0;
    receiver->skipping = false;
    receiver->complete = false;
}

/* Decodes COBS in place: `written` never overtakes `read`, since each run loses its length byte. */
static bool decode(pd_receiver_t *receiver)
{
    uint8_t *bytes = receiver->bytes;
    uint8_t read = 0;
    uint8_t written = 0;

    while (read < receiver->size) {
        uint8_t run = bytes[read++];

        if (run - 1 > receiver->size - read) {
            return false; /* the run reaches beyond the delimiter */
        }
        for (; run > 1; run--) {
            bytes[written++] = bytes[read++];
        }
        if (read < receiver->size) {
            bytes[written++] = 0;
        }
    }
    receiver->size = written;
    return true;
}

static pd_verdict_t finish(pd_receiver_t *receiver)
{
    pd_verdict_t verdict;

    if (receiver->skipping || receiver->size == 0) {
        pd_receiver_reset(receiver); /* two zeros in a row are valid: senders flush with one */
        return PD_PENDING;
    }
    verdict = decode(receiver) ? pd_unseal(receiver->bytes, receiver->size) : PD_BAD_CODING;
    if (verdict == PD_PACKET) {
        receiver->size = (uint8_t)(receiver->size - PD_CRC_SIZE);
        receiver->complete = true;
    } else {
        receiver->size = 0;
    }
    return verdict;
}

pd_verdict_t pd_receive(pd_receiver_t *receiver, uint8_t byte)
{
    if (receiver->complete) {
        pd_receiver_reset(receiver);
    }
    if (byte == 0) {
        return finish(receiver);
    }
    if (receiver->skipping) {
        return PD_PENDING;
    }
    if (receiver->size == PD_ENCODED_MAX) {
        receiver->skipping = true;
        return PD_TOO_LONG;
    }
    receiver->bytes[receiver->size++] = byte;
    return PD_PENDING;
}

uint8_t pd_encode(const uint8_t *packet, uint8_t size, uint8_t *line)
{
    uint8_t head = 0; /* index of the length byte of the current run */
    uint8_t written = 1;

    for (uint8_t index = 0; index < size; index++) {
        if (packet[index] == 0) {
            line[head] = (uint8_t)(written - head);
            head = written++;
        } else {
            line[written++] = packet[index];
        }
    }
    line[head] = (uint8_t)(written - head);
    line[written++] = 0;
    return written;
}
