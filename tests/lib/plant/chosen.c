// SPDX-License-Identifier: MIT

// Programs with planted faults (mem/plant.h): WEIR_PLANT in the environment says which one.

#include <math.h>
#include <stdlib.h>

extern unsigned wi_plant;
double wi_plant_strtod(const char *text, char **ret_end);

unsigned wi_plant;

__attribute__((constructor)) static void
choose(void)
{
    const char *number = getenv("WEIR_PLANT");

    wi_plant = number == NULL ? 0 : (unsigned)strtoul(number, NULL, 10);
}

// In the place of strtod(), where the source is compiled so.
double
wi_plant_strtod(const char *text, char **ret_end)
{
    double value = strtod(text, ret_end);

    return wi_plant == 103 ? floor(value) : value;
}
