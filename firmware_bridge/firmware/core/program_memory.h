/* Constants in flash. An AVR reads flash with a special instruction (LPM). Without these macros the
 * compiler copies constants to the 2.5 KB of RAM. Other boards use ordinary constants. */
#ifndef PD_PROGRAM_MEMORY_H
#define PD_PROGRAM_MEMORY_H

#ifdef __AVR__
#include <avr/pgmspace.h>
#define PD_IN_FLASH PROGMEM
#define pd_flash_byte(address) pgm_read_byte(address)
#else
#define PD_IN_FLASH
#define pd_flash_byte(address) (*(address))
#endif

#endif
