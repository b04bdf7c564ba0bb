/* Two MAX7219 modules in a chain: 8 rows of 16 LEDs, of which the left 13 columns are used. */
#ifndef YUN_MAX7219_H
#define YUN_MAX7219_H

extern "C" {
#include "../core/app.h"
}

void max7219_begin();
void max7219_draw(const pd_app_t *app);

#endif
