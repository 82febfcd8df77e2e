/* SPDX-License-Identifier: MIT */
#include "descriptors.h"

#include "verdict.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

void
descriptors_want(unsigned count)
{
    struct rlimit limit;

    storm_require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "limit of descriptors");
    if (limit.rlim_cur >= count) {
        return;
    }
    limit.rlim_cur = count;
    if (limit.rlim_max < count) {
        unsigned long long hard = limit.rlim_max;

        limit.rlim_max = count;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) { // needs a privilege
            fprintf(stderr,
                    "weir-storm: needs %u descriptors, and the hard limit is %llu (ulimit -Hn)\n",
                    count, hard);
            exit(2);
        }
        return;
    }
    storm_require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "so many descriptors");
}

unsigned
descriptors_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    storm_require(folder != NULL, "/proc/self/fd");
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 3; // itself, and two that are no descriptors
}
