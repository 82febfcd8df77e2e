/* SPDX-License-Identifier: MIT */
#ifndef STORM_DESCRIPTORS_H
#define STORM_DESCRIPTORS_H

// How many descriptors this process may have, and has.

// Raise the limit to so many, also the hard one where that is allowed; else end the program with
// status 2 and say what would be needed.
void descriptors_want(unsigned count);

// How many are open now.
unsigned descriptors_open(void);

#endif /* STORM_DESCRIPTORS_H */
