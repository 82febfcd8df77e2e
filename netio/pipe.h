/* SPDX-License-Identifier: MIT */
#ifndef WI_PIPE_H
#define WI_PIPE_H

/**
 * @file
 * Pipes through which a loop's pumps move bytes uncopied. A pump has one only while it has bytes in
 * it: between pumps an empty pipe rests with its loop.
 */

#include <stdint.h>

struct wi_loop;

struct wi_pipe {
    struct wi_pipe *next; // of those that rest
    int ends[2];          // to read from, to write to
};

/** Empty pipes a loop keeps. Taking one costs nothing then; making one costs two system calls. */
#define WI_PIPES_KEPT 16u

/** What one pipe is asked to take: as much as a stream sends in one turn. The kernel's default is a
 *  quarter of it, and takes four times as many calls: a third more CPU time per byte. */
#define WI_PIPE_SIZE (256u * 1024)

/** Loop thread. An empty pipe, or NULL: memory or descriptors ran out. */
struct wi_pipe *wi_pipe_take(struct wi_loop *loop);

/** Loop thread. It is empty again. */
void wi_pipe_give_back(struct wi_loop *loop, struct wi_pipe *pipe);

/** Loop thread. It is not, and never will be: what is in it is dropped. NULL is legal. */
void wi_pipe_drop(struct wi_pipe *pipe);

/** Stop only. */
void wi_pipes_fini(struct wi_loop *loop);

#endif /* WI_PIPE_H */
