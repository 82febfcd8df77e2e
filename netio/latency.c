/* SPDX-License-Identifier: MIT */

#include "netio/write.h"

void
wi_write_stamp(struct wi_write *write)
{
    if (!(write->flags & WEIR_TIMED)) { // else it has been asked for, and done
        write->submit_ns = wi_os_now_ns();
    }
    write->flags |= WI_WRITE_STAMPED;
}

// The turn's own time may be older than the stamp.
void
wi_write_stamp_end(struct wi_loop *loop, const struct wi_write *write)
{
    uint64_t now_ns = wi_os_now_ns();

    wi_latency_note(&loop->latency, now_ns > write->submit_ns ? now_ns - write->submit_ns : 0);
}
