/* SPDX-License-Identifier: MIT */

#include "weir/base.h"

#include "runtime/os.h"

#include <errno.h>
#include <string.h>

#define ERRNO_END 4096 // no errno is as great

// The numbers in the public header are spelled out there, so that it needs no <errno.h>.
_Static_assert(WEIR_ESTALE == EBADF, "as documented");
_Static_assert(WEIR_EENDED == ESHUTDOWN, "as documented");
_Static_assert(WEIR_ETORN == ENOTRECOVERABLE, "as documented");
_Static_assert(WEIR_ESTREAMFULL == EDQUOT, "as documented");
_Static_assert(WEIR_ELANEFULL == EXFULL, "as documented");
_Static_assert(WEIR_ELOOPFULL == ENOBUFS, "as documented");
_Static_assert(WEIR_EPROCFULL == ENOSPC, "as documented");
_Static_assert(WEIR_ENAMESFULL == EUSERS, "as documented");
_Static_assert(WEIR_ENONAME == ENXIO, "as documented");
_Static_assert(WEIR_ENAMEFAIL == EREMOTEIO, "as documented");

static const struct {
    int status;
    const char *text;
} texts[] = {
    {0, "success"},
    {-WEIR_ESTALE, "the handle is stale or never named anything"},
    {-WEIR_EENDED, "the write side has ended, or the object is closing or stopped"},
    {-WEIR_ETORN, "a cancelled write tore the stream"},
    {-WEIR_ESTREAMFULL, "the stream's queue is over its high mark"},
    {-WEIR_ELANEFULL, "this thread's lane to the loop is full"},
    {-WEIR_ELOOPFULL, "the loop's share of queued bytes is used up"},
    {-WEIR_EPROCFULL, "the runtime's share of queued bytes is used up"},
    {-WEIR_ENAMESFULL, "too many names wait to be resolved, or no thread can be started for one"},
    {-WEIR_ENONAME, "the name has no address"},
    {-WEIR_ENAMEFAIL, "no name server could tell"},
    {-EACCES, "permission denied"},
    {-EADDRINUSE, "the address is in use"},
    {-EADDRNOTAVAIL, "the address is not available here"},
    {-EAFNOSUPPORT, "this address family is not supported"},
    {-EAGAIN, "nothing could be taken now"},
    {-EALREADY, "it has been done, or answered, before"},
    {-EBUSY, "it is in use in another way"},
    {-ECANCELED, "cancelled"},
    {-ECHILD, "the runtime does not live on in a forked child"},
    {-ECONNABORTED, "the connection was aborted on this side"},
    {-ECONNREFUSED, "the peer refused the connection"},
    {-ECONNRESET, "the peer reset the connection"},
    {-EDEADLK, "this call would wait, and a loop must not"},
    {-EHOSTUNREACH, "the host cannot be reached"},
    {-EILSEQ, "a byte is not ASCII"},
    {-EINVAL, "an argument is invalid"},
    {-ELOOP, "the chain of tokens is too deep"},
    {-EMFILE, "the process has no more descriptors, or too many runtimes"},
    {-ENAMETOOLONG, "the path is too long"},
    {-ENETUNREACH, "the network cannot be reached"},
    {-ENFILE, "the system has no more descriptors"},
    {-ENODATA, "the data ends here"},
    {-ENOENT, "there is no such file"},
    {-ENOMEM, "memory ran out"},
    {-ENOTCONN, "the stream is not connected"},
    {-ENOTSOCK, "the descriptor is not a socket"},
    {-ENOTSUP, "this transport has no such thing"},
    {-EPERM, "not permitted"},
    {-EPIPE, "the peer does not read any more"},
    {-ETIMEDOUT, "the deadline passed"},
    {-EXDEV, "only the stream's own loop may call this"},
};

static const char *const origins[] = {
    [WEIR_ORIGIN_NONE] = "none",
    [WEIR_ORIGIN_LOCAL_CANCEL] = "local-cancel",
    [WEIR_ORIGIN_DEADLINE] = "deadline",
    [WEIR_ORIGIN_LOCAL_CLOSE] = "local-close",
    [WEIR_ORIGIN_PEER_RESET] = "peer-reset",
    [WEIR_ORIGIN_PEER_STOP] = "peer-stop",
    [WEIR_ORIGIN_TRANSPORT] = "transport",
    [WEIR_ORIGIN_MEMORY] = "memory",
};

const char *
weir_strerror(int status)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }

    // What the kernel or the network says of a connection can be any errno.
    const char *text = status < 0 && status > -ERRNO_END ? strerrordesc_np(-status) : NULL;

    return text != NULL ? text : "unknown status";
}

const char *
weir_origin_name(enum weir_origin origin)
{
    return (unsigned)origin < sizeof(origins) / sizeof(origins[0]) ? origins[origin] : "unknown";
}

const char *
weir_version(void)
{
    return "0.1.0";
}

uint64_t
weir_now_ns(void)
{
    return wi_os_now_ns();
}

uint64_t
weir_deadline_after(uint64_t delay_ns)
{
    uint64_t now = wi_os_now_ns();

    return delay_ns < WEIR_NEVER - 1 - now ? now + delay_ns : WEIR_NEVER - 1;
}
