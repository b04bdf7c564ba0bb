/* The part of msgpack that the protocol uses: one array of unsigned integers and byte strings, each
 * in its shortest form.
 *
 *   90 + n           array of n values             00 .. 7f        0 to 127
 *   cc xx            up to 255                     cd xx xx        up to 65,535
 *   ce xx xx xx xx   up to 4,294,967,295           c4 nn ...       nn bytes
 *
 * A reader stores an error in `ok` and goes on, so a message is read straight through and checked
 * once at its end. */
#ifndef PD_MSGPACK_H
#define PD_MSGPACK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at;
    uint8_t left; /* bytes not read yet */
    bool ok;
} pd_reader_t;

typedef struct {
    uint8_t *body;
    uint8_t size;
} pd_writer_t;

void pd_reader_begin(pd_reader_t *reader, const uint8_t *body, uint8_t size, uint8_t arity);
uint32_t pd_reader_uint(pd_reader_t *reader, uint32_t smallest, uint32_t largest);
/* Returns a pointer into the body: nothing is copied. */
const uint8_t *pd_reader_levels(pd_reader_t *reader, uint8_t size);
/* Returns whether all values were valid and no bytes follow. */
bool pd_reader_is_done(const pd_reader_t *reader);

void pd_writer_begin(pd_writer_t *writer, uint8_t *body, uint8_t arity);
void pd_writer_uint(pd_writer_t *writer, uint32_t value);
void pd_writer_levels(pd_writer_t *writer, const uint8_t *levels, uint8_t size);

#endif
