/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define WAITING_MAX 1024u // fewer than a lane has room for

struct disk {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct disk_job *first;
    struct disk_job *last;
    struct disk_job *dropped; // what came when the runtime had ended
    unsigned waiting;
    bool is_ending;
    unsigned thread_count;
    pthread_t threads[];
};

static void
on_loop(struct weir_loop *loop, void *arg)
{
    struct disk_job *job = arg;

    (void)loop;
    job->done(job);
}

// What cannot be told to the loop for want of memory or of room is told again a little later: the
// loop waits for it.
static bool
tell(struct disk_job *job)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    int result;

    while ((result = weir_post(job->loop, on_loop, job)) == -WEIR_ELANEFULL || result == -ENOMEM) {
        nanosleep(&pause, NULL);
    }
    return result == 0;
}

// The next job; NULL: the end.
static struct disk_job *
take(struct disk *disk)
{
    struct disk_job *job;

    pthread_mutex_lock(&disk->lock);
    while (disk->first == NULL && !disk->is_ending) {
        pthread_cond_wait(&disk->work, &disk->lock);
    }
    job = disk->first;
    if (job != NULL) {
        disk->first = job->next;
        disk->waiting--;
    }
    pthread_mutex_unlock(&disk->lock);
    return job;
}

static void *
run(void *arg)
{
    struct disk *disk = arg;
    struct disk_job *job;

    while ((job = take(disk)) != NULL) {
        job->work(job);
        if (!tell(job)) {
            pthread_mutex_lock(&disk->lock);
            job->next = disk->dropped;
            disk->dropped = job;
            pthread_mutex_unlock(&disk->lock);
        }
    }
    return NULL;
}

bool
disk_give(struct disk *disk, struct disk_job *job)
{
    bool is_taken;

    pthread_mutex_lock(&disk->lock);
    is_taken = disk->waiting < WAITING_MAX && !disk->is_ending;
    if (is_taken) {
        job->next = NULL;
        *(disk->first == NULL ? &disk->first : &disk->last->next) = job;
        disk->last = job;
        disk->waiting++;
        pthread_cond_signal(&disk->work);
    }
    pthread_mutex_unlock(&disk->lock);
    return is_taken;
}

void
disk_free(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    pthread_mutex_lock(&disk->lock);
    disk->is_ending = true;
    pthread_cond_broadcast(&disk->work);
    pthread_mutex_unlock(&disk->lock);
    for (unsigned i = 0; i < disk->thread_count; i++) {
        pthread_join(disk->threads[i], NULL);
    }
    while (disk->dropped != NULL) {
        struct disk_job *job = disk->dropped;

        disk->dropped = job->next;
        job->drop(job);
    }
    pthread_cond_destroy(&disk->work);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

int
disk_create(unsigned threads, struct disk **ret_disk)
{
    struct disk *disk = calloc(1, sizeof(*disk) + threads * sizeof(disk->threads[0]));
    sigset_t all;
    sigset_t before;
    int result = 0;

    if (disk == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->work, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); // the program's signals are for its loops
    while (disk->thread_count < threads && result == 0) {
        result = -pthread_create(&disk->threads[disk->thread_count], NULL, run, disk);
        disk->thread_count += result == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result < 0) {
        disk_free(disk);
        return result;
    }
    *ret_disk = disk;
    return 0;
}
