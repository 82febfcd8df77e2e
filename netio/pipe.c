/* SPDX-License-Identifier: MIT */

#include "netio/pipe.h"

#include "mem/heap.h"
#include "netio/net.h"

struct wi_pipe *
wi_pipe_take(struct wi_loop *loop)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_pipe *pipe = net->pipes;

    if (pipe != NULL) {
        net->pipes = pipe->next;
        net->pipe_count--;
        return pipe;
    }
    pipe = wi_heap_alloc(sizeof(*pipe));
    if (pipe != NULL && wi_os_pipe_create(pipe->ends, WI_PIPE_SIZE) < 0) {
        wi_heap_free(pipe);
        pipe = NULL;
    }
    return pipe;
}

void
wi_pipe_give_back(struct wi_loop *loop, struct wi_pipe *pipe)
{
    struct wi_net *net = wi_net_of(loop);

    if (net->pipe_count == WI_PIPES_KEPT) {
        wi_pipe_drop(pipe);
        return;
    }
    pipe->next = net->pipes;
    net->pipes = pipe;
    net->pipe_count++;
}

void
wi_pipe_drop(struct wi_pipe *pipe)
{
    if (pipe != NULL) {
        wi_os_close(pipe->ends[0]);
        wi_os_close(pipe->ends[1]);
        wi_heap_free(pipe);
    }
}

void
wi_pipes_fini(struct wi_loop *loop)
{
    struct wi_net *net = wi_net_of(loop);

    while (net->pipes != NULL) {
        struct wi_pipe *pipe = net->pipes;

        net->pipes = pipe->next;
        wi_pipe_drop(pipe);
    }
}
