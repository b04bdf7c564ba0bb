#include "msgpack.h"

#include <string.h>

#define FIXARRAY 0x90
#define BIN8 0xc4
#define UINT8 0xcc /* uint16 and uint32 follow */
#define FIXINT_MAX 0x7f
#define LEVELS_FORBIDDEN 0x88 /* a nibble holds a level of 0 to 7 */

static uint8_t next(pd_reader_t *reader)
{
    if (reader->left == 0) {
        reader->ok = false;
        return 0;
    }
    reader->left--;
    return *reader->at++;
}

void pd_reader_begin(pd_reader_t *reader, const uint8_t *body, uint8_t size, uint8_t arity)
{
    reader->at = body;
    reader->left = size;
    reader->ok = true;
    if (next(reader) != (FIXARRAY | arity)) {
        reader->ok = false;
    }
}

uint32_t pd_reader_uint(pd_reader_t *reader, uint32_t smallest, uint32_t largest)
{
    uint8_t head = next(reader);
    uint32_t value = head;

    if (head > FIXINT_MAX) {
        uint8_t form = (uint8_t)(head - UINT8); /* 0, 1, 2: one, two, four bytes */
        uint32_t shorter = FIXINT_MAX;          /* the largest value of the next shorter form */

        if (form > 2) {
            reader->ok = false;
            return smallest;
        }
        value = 0;
        for (uint8_t count = (uint8_t)(1u << form); count > 0; count--) {
            value = value << 8 | next(reader);
        }
        if (form != 0) {
            shorter = form == 1 ? UINT8_MAX : UINT16_MAX;
        }
        if (value <= shorter) {
            reader->ok = false; /* not the shortest form: each message has one encoding */
        }
    }
    if (value < smallest || value > largest) {
        reader->ok = false;
    }
    return value;
}

const uint8_t *pd_reader_levels(pd_reader_t *reader, uint8_t size)
{
    const uint8_t *levels;

    if (next(reader) != BIN8 || next(reader) != size || reader->left < size) {
        reader->ok = false;
        return reader->at;
    }
    levels = reader->at;
    for (uint8_t index = 0; index < size; index++) {
        if (next(reader) & LEVELS_FORBIDDEN) {
            reader->ok = false;
        }
    }
    return levels;
}

bool pd_reader_is_done(const pd_reader_t *reader)
{
    return reader->ok && reader->left == 0;
}

static void put(pd_writer_t *writer, uint8_t byte)
{
    writer->body[writer->size++] = byte;
}

void pd_writer_begin(pd_writer_t *writer, uint8_t *body, uint8_t arity)
{
    writer->body = body;
    writer->size = 0;
    put(writer, FIXARRAY | arity);
}

void pd_writer_uint(pd_writer_t *writer, uint32_t value)
{
    uint8_t form = value > UINT16_MAX ? 2 : value > UINT8_MAX ? 1 : 0;

    if (value <= FIXINT_MAX) {
        put(writer, (uint8_t)value);
        return;
    }
    put(writer, (uint8_t)(UINT8 + form));
    for (uint8_t count = (uint8_t)(1u << form); count > 0; count--) {
        put(writer, (uint8_t)(value >> (8 * (count - 1))));
    }
}

void pd_writer_levels(pd_writer_t *writer, const uint8_t *levels, uint8_t size)
{
    put(writer, BIN8);
    put(writer, size);
    memcpy(writer->body + writer->size, levels, size);
    writer->size = (uint8_t)(writer->size + size);
}
