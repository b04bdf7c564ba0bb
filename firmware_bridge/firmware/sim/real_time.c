#define _GNU_SOURCE /* openpty's headers, clock_nanosleep */
#include "real_time.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "mcu.h"

#define SLICE_US 500   /* simulated time between two polls of stdin and the pty */
#define LOST_US 200000 /* when we lag by more than this, skip the time instead of catching up */

static int pty_near = -1;

void real_time_take_uart(const uint8_t *data, size_t size)
{
    fflush(stdout); /* reports of pictures that were drawn before this answer must come first */
    (void)!write(pty_near, data, size); /* unread bytes are lost, as on a wire */
}

static uint64_t real_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int open_pty(void)
{
    static int pty_far; /* stays open: without a reader the near end reports a hang-up */
    struct termios raw;

    if (openpty(&pty_near, &pty_far, NULL, NULL, NULL) != 0) {
        perror("openpty");
        exit(1);
    }
    tcgetattr(pty_far, &raw);
    cfmakeraw(&raw);
    tcsetattr(pty_far, TCSANOW, &raw);
    fcntl(pty_near, F_SETFL, O_NONBLOCK);
    printf("{\"t_us\":0,\"path\":\"%s\"}\n", ttyname(pty_far));
    fflush(stdout);
    return pty_near;
}

/* Reads commands; returns false at the end of stdin. */
static bool read_commands(void (*obey)(const char *line))
{
    static char text[MCU_LINE_SIZE];
    static size_t size;
    ssize_t count = read(STDIN_FILENO, text + size, sizeof(text) - 1 - size);
    char *end;

    if (count <= 0) {
        return false;
    }
    size += (size_t)count;
    text[size] = '\0';
    while ((end = strchr(text, '\n')) != NULL) {
        *end++ = '\0';
        obey(text);
        size = strlen(end);
        memmove(text, end, size + 1);
    }
    return size < sizeof(text) - 1;
}

void real_time_run(void (*obey)(const char *line))
{
    struct pollfd from[2] = {{STDIN_FILENO, POLLIN, 0}, {open_pty(), POLLIN, 0}};
    uint64_t start_us = real_us(); /* real time at which the simulated clock was 0 */

    for (;;) {
        uint64_t due_us = start_us + mcu_now_us();
        uint64_t real = real_us();
        int wait_ms = due_us > real + 1000 ? (int)((due_us - real) / 1000) : 0;

        if (real > due_us + LOST_US) {
            start_us = real - mcu_now_us(); /* we were stopped or too slow: skip that time */
        }
        if (poll(from, 2, wait_ms) > 0) {
            uint8_t bytes[256];
            ssize_t count = from[1].revents & POLLIN ? read(pty_near, bytes, sizeof(bytes)) : 0;

            for (ssize_t index = 0; index < count; index++) {
                mcu_send(bytes[index]);
            }
            if ((from[0].revents & (POLLIN | POLLHUP)) && !read_commands(obey)) {
                return;
            }
        }
        if (real_us() >= due_us) {
            mcu_run_us(SLICE_US);
            fflush(stdout);
        }
    }
}
