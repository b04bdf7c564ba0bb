/* Runs a fuzz target without libFuzzer: see fuzz.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX 512

static int replay(const char *path)
{
    static uint8_t data[65536];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL) {
        perror(path);
        return 1;
    }
    size = fread(data, 1, sizeof(data), file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    return 0;
}

static uint32_t draw_number(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Half of the inputs begin with a HELLO: without a session, little of the code would run. */
static void random_inputs(uint32_t seed, unsigned long count)
{
    static uint8_t data[INPUT_MAX];
    uint32_t state = seed | 1;

    while (count-- > 0) {
        size_t size = draw_number(&state) % INPUT_MAX;

        for (size_t index = 0; index < size; index++) {
            data[index] = (uint8_t)(draw_number(&state) >> 8);
        }
        if (size >= FUZZ_GREETING_SIZE && count % 2) {
            memcpy(data, FUZZ_GREETING, FUZZ_GREETING_SIZE);
        }
        LLVMFuzzerTestOneInput(data, size);
    }
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc == 4 && strcmp(argv[1], "random") == 0) {
        random_inputs((uint32_t)strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
        printf("%s inputs\n", argv[3]);
        return 0;
    }
    for (int index = 1; index < argc; index++) {
        failed |= replay(argv[index]);
    }
    printf("%d inputs\n", argc - 1);
    return failed;
}
