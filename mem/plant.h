/* SPDX-License-Identifier: MIT */
#ifndef WI_PLANT_H
#define WI_PLANT_H

/**
 * @file
 * Planted faults: what the simulation must find, or it would not find a real one either. Only the
 * build for that (WI_PLANTS) has them; in every other one WI_PLANT() is a constant and leaves no
 * instruction. tests/sim/plants.c says what each is.
 */

#ifdef WI_PLANTS
extern unsigned wi_plant; // which one is planted now; 0: none
#define WI_PLANT(number) (wi_plant == (number))
#else
#define WI_PLANT(number) 0
#endif

#endif /* WI_PLANT_H */
