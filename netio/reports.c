/* SPDX-License-Identifier: MIT */

#include "netio/reports.h"

#include "netio/acks.h"
#include "netio/zerocopy.h"

bool
wi_reports_take(struct wi_stream *stream)
{
    const struct wi_stream_extra *extra = stream->extra;
    struct wi_os_report report;
    bool some = false;

    if (extra == NULL || (extra->acks == NULL && extra->zerocopy == NULL) || stream->fd < 0) {
        return false;
    }
    while (wi_os_receive_report(stream->fd, &report) == 0) {
        some = true;
        if (report.kind == WI_REPORT_ACKED && extra->acks != NULL) {
            wi_acks_note(stream, report.low);
        } else if (report.kind == WI_REPORT_ZEROCOPY && extra->zerocopy != NULL) {
            wi_zerocopy_note(stream, &report);
        }
    }
    return some;
}

bool
wi_reports_collect(struct wi_loop *loop, struct wi_stream *stream)
{
    bool some = wi_reports_take(stream);

    if (stream->extra != NULL && stream->extra->acks != NULL) {
        wi_acks_complete(loop, stream);
    }
    return some;
}
