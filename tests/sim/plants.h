/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_PLANTS_H
#define TESTS_SIM_PLANTS_H

// The faults that a build with WI_PLANTS has in it (mem/plant.h), one at a time.

unsigned sim_plant_count(void); // 0: not such a build
const char *sim_plant_text(unsigned plant);
void sim_plant(unsigned plant); // 0: none

#endif /* TESTS_SIM_PLANTS_H */
