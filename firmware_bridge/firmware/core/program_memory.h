/* An AVR reads constants from flash with an instruction of its own; left to itself the compiler
 * copies them to the RAM of which there are 2.5 KB. Elsewhere they are ordinary constants. */
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
