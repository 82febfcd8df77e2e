/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_DISK_H
#define HTTPD_DISK_H

// A few threads that wait for disks, so that no loop does.

#include "weir/runtime.h"

#include <stdbool.h>

struct disk;

// Embedded in what is to be done.
struct disk_job {
    void (*work)(struct disk_job *job); // on one of the threads
    void (*done)(struct disk_job *job); // then on the loop, unless the runtime has ended
    void (*drop)(struct disk_job *job); // in place of done, when the runtime has
    struct weir_loop *loop;
    struct disk_job *next;
};

// 0 or -errno.
int disk_create(unsigned threads, struct disk **ret_disk);

// Behind weir_runtime_stop(). NULL is legal.
void disk_free(struct disk *disk);

// On a loop: have it done. False: too much waits already; nothing was taken.
bool disk_give(struct disk *disk, struct disk_job *job);

#endif /* HTTPD_DISK_H */
