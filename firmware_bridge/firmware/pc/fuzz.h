/* A fuzz target: fuzz_serial.c, or fuzz_router.c.
 *
 * With clang, libFuzzer drives it and finds its way by coverage. Without it, fuzz_main.c replays the
 * files it is given (the corpus, in CI) or, as "random SEED COUNT", makes inputs of its own; either
 * way under ASan and UBSan. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Takes one input: a script. What must hold is asserted; what else is wrong the sanitizers see. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How a script begins that opens a session: half of the random ones do. */
extern const uint8_t FUZZ_GREETING[];
extern const size_t FUZZ_GREETING_SIZE;

#endif
