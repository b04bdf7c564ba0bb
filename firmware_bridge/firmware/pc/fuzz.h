/* A fuzz target: fuzz_serial.c, or fuzz_router.c.
 *
 * With clang, libFuzzer runs it, guided by coverage. Without clang, fuzz_main.c replays files (the
 * corpus, in CI) or, with "random SEED COUNT", random inputs. Both run under ASan and UBSan. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Runs one input, a script of bytes. Invariants are asserted; the sanitizers find other errors. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The beginning of a script that opens a session; half of the random inputs begin with it. */
extern const uint8_t FUZZ_GREETING[];
extern const size_t FUZZ_GREETING_SIZE;

#endif
