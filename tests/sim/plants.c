// SPDX-License-Identifier: MIT

#include "tests/sim/plants.h"

#include "mem/plant.h"

#ifdef WI_PLANTS
unsigned wi_plant;

static const char *const texts[] = {
    [1] = "a barrier of level ACKED that waits is cancelled as if it were queued",
    [2] = "a reset that was told is told as an end too",
    [3] = "an end that did not leave is called graceful",
    [4] = "a loop that sleeps is not woken",
    [5] = "submits of several threads are not sorted",
    [6] = "deadlines are 5 ms early",
    [7] = "of a part that was sent, one byte is forgotten",
    [8] = "PRIORITY passes a write that has begun",
    [9] = "FINISH is cut as STOP is",
    [10] = "a cancel that was answered WON is forgotten",
    [11] = "a cancel does not wake its loop",
    [12] = "a cancel is answered WON when the loop has the write",
    [13] = "a failed write stays in the count of queued bytes",
    [14] = "a close does not wait for what was submitted before it",
    [15] = "a full socket's room is not watched",
    [16] = "`writable` is not told",
    [17] = "the high mark is 20 bytes too high",
    [18] = "bytes lost are not counted",
    [19] = "write-behind takes twice its budget",
    [20] = "half of what was consumed is shown again",
    [21] = "`closed` does not wait for submits under way",
    [22] = "a full read is taken for the last one",
    [23] = "what an unsent write was given is not released",
    [24] = "a connect has no time limit",
    [25] = "an inline write passes those in lanes",
    [26] = "what an inline write may leave is not counted while it is sent",
    [27] = "memory is given back while the kernel sends from it",
    [28] = "a file that is read and sent begins again and again",
    [29] = "of what filled a provided buffer one byte comes again",
    [30] = "a watch is told of events behind its stop",
    [31] = "accepting rests for ever",
    [32] = "a resume behind an answer that pauses is taken before it",
    [33] = "a connection that died is told as an end",
    [34] = "a file that ends too soon ends nothing",
    [35] = "the descriptor of a stream that ends stays open",
};

unsigned
sim_plant_count(void)
{
    return sizeof(texts) / sizeof(texts[0]) - 1;
}

const char *
sim_plant_text(unsigned plant)
{
    return texts[plant];
}

void
sim_plant(unsigned plant)
{
    wi_plant = plant;
}

#else

unsigned
sim_plant_count(void)
{
    return 0;
}

const char *
sim_plant_text(unsigned plant)
{
    (void)plant;
    return "";
}

void
sim_plant(unsigned plant)
{
    (void)plant;
}
#endif
