/* The core as a process with a virtual clock, driven by lines on stdin. The sanitizers cannot be
 * loaded into a Python that was built without them, so the core runs in this process for them. The
 * commands are those of sim/runner.c with --lockstep:
 *
 *   in                      out
 *   send HEX                {"t_us":1000,"uart":"0a01..."}
 *   pin BUTTON 0|1          {"t_us":1000,"picture":"0077...","brightness":15}
 *   run MICROSECONDS        {"t_us":2000,"done":"run"}
 *   reset                   {"t_us":2000,"done":"reset"}
 *
 * It ends at the end of its stdin. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pc_board.h"

#define LINE_MAX_SIZE 16384
#define STEP_US 1000

static pc_board_t board;
static uint64_t now_us;
static uint32_t draws_reported;

static uint32_t now_ms(void)
{
    return (uint32_t)(now_us / 1000);
}

static void tell(void)
{
    static uint8_t sent[PC_SENT_MAX];
    size_t size = pc_board_fetch(&board, sent);

    if (size > 0) {
        printf("{\"t_us\":%" PRIu64 ",\"uart\":\"", now_us);
        for (size_t index = 0; index < size; index++) {
            printf("%02x", sent[index]);
        }
        printf("\"}\n");
    }
    if (board.draws != draws_reported) {
        uint8_t levels[PC_PIXELS + 1];

        draws_reported = board.draws;
        pc_board_picture(&board, levels);
        printf("{\"t_us\":%" PRIu64 ",\"picture\":\"", now_us);
        for (size_t index = 0; index < PC_PIXELS; index++) {
            printf("%d", levels[index]);
        }
        printf("\",\"brightness\":%d}\n", levels[PC_PIXELS]);
    }
}

static void run(uint64_t duration_us)
{
    uint64_t end_us = now_us + duration_us;

    for (;;) {
        pc_board_tick(&board, now_ms());
        tell();
        if (now_us >= end_us) {
            return;
        }
        now_us = end_us - now_us < STEP_US ? end_us : now_us + STEP_US;
    }
}

static void receive(const char *hex)
{
    unsigned int byte;

    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        uint8_t data = (uint8_t)byte;

        pc_board_receive(&board, &data, 1, now_ms());
    }
}

static void obey(char *line)
{
    unsigned int button;
    unsigned int level;

    if (strncmp(line, "send ", 5) == 0) {
        receive(line + 5);
    } else if (sscanf(line, "pin %u %u", &button, &level) == 2 && button < PD_BUTTONS_MAX) {
        pc_board_pin(&board, (uint8_t)button, level != 0);
    } else if (strncmp(line, "run ", 4) == 0) {
        run(strtoull(line + 4, NULL, 10));
        printf("{\"t_us\":%" PRIu64 ",\"done\":\"run\"}\n", now_us);
    } else if (strncmp(line, "reset", 5) == 0) {
        pc_board_reset(&board, now_ms());
        draws_reported = 0;
        printf("{\"t_us\":%" PRIu64 ",\"done\":\"reset\"}\n", now_us);
    } else {
        printf("{\"error\":\"not understood\"}\n");
    }
    fflush(stdout);
}

int main(void)
{
    static char line[LINE_MAX_SIZE];

    pc_board_begin(&board, 1, 0, 0);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        obey(line);
    }
    return 0;
}
