#include "serial.h"

void pd_serial_take(pd_receiver_t *receiver, pd_app_t *app, uint8_t byte, uint32_t now_ms)
{
    switch (pd_receive(receiver, byte)) {
    case PD_PENDING:
        break;
    case PD_PACKET:
        pd_app_take(app, receiver->bytes, receiver->size, now_ms);
        break;
    default:
        pd_app_count_bad(app);
        break;
    }
}
