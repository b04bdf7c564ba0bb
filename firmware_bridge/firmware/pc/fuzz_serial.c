/* Fuzzing the core on a raw line: an input is a script of what the line, the clock, the pins and a
 * reset do. fuzz.h says how it is run. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "pc_board.h"

const uint8_t FUZZ_GREETING[] = {2, 6, PD_TYPE_HELLO, 1, 0x93, 7, 1, 1};
const size_t FUZZ_GREETING_SIZE = sizeof(FUZZ_GREETING);

/* Checks the invariants: sizes stay within their bounds, and every answer is a whole packet. */
static void check(pc_board_t *board)
{
    static uint8_t sent[PC_SENT_MAX];
    static pd_receiver_t host;
    size_t size = pc_board_fetch(board, sent);
    uint8_t picture[PC_PIXELS + 1];

    assert(board->app.edges.size <= PD_EVENT_QUEUE_SIZE);
    assert(board->receiver.size <= PD_ENCODED_MAX);
    pd_receiver_reset(&host);
    for (size_t index = 0; index < size; index++) {
        pd_verdict_t verdict = pd_receive(&host, sent[index]);

        assert(verdict == PD_PENDING || verdict == PD_PACKET);
        assert(verdict != PD_PACKET || (host.bytes[0] & 0x80));
    }
    if (board->draws == 0) {
        return; /* no new picture: drawing one would take most of the run */
    }
    board->draws = 0;
    pc_board_picture(board, picture);
    for (size_t index = 0; index < PC_PIXELS; index++) {
        assert(picture[index] < PD_LEVELS);
    }
    assert(picture[PC_PIXELS] <= PD_BRIGHTNESS_MAX);
}

/* Sends `size` bytes as a packet with a good CRC, so that fuzzing reaches the code for bodies. */
static void receive_sealed(pc_board_t *board, const uint8_t *data, uint8_t size, uint32_t now_ms)
{
    uint8_t packet[PD_PACKET_MAX];
    uint8_t line[PD_PACKET_MAX + 2];

    memcpy(packet, data, size);
    pc_board_receive(board, line, pd_encode(packet, pd_seal(packet, size), line), now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pc_board_t board;
    uint32_t now_ms = 0xffffff00u; /* the clock wraps on the way */

    pc_board_begin(&board, 1, 0, now_ms);
    while (size >= 2) {
        uint8_t what = data[0] % 8;
        uint8_t amount = data[1];

        data += 2;
        size -= 2;
        if (what <= 4) { /* bytes, raw or sealed; as many as there are */
            uint8_t length = amount % (PD_PACKET_MAX - PD_CRC_SIZE + 1);

            length = length > size ? (uint8_t)size : length;
            if (what <= 1) {
                pc_board_receive(&board, data, length, now_ms);
            } else {
                receive_sealed(&board, data, length, now_ms);
            }
            data += length;
            size -= length;
        } else if (what == 5) {
            pc_board_pin(&board, amount % PD_BUTTONS_MAX, amount & 0x80);
        } else if (what == 6) {
            now_ms += (uint32_t)amount * amount / 8;
        } else if (amount < 16) {
            pc_board_reset(&board, now_ms);
        }
        pc_board_tick(&board, now_ms);
        check(&board);
    }
    return 0;
}
