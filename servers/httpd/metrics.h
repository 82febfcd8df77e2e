/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_METRICS_H
#define HTTPD_METRICS_H

#include "visit.h"

// Answer with everything that is counted, in Prometheus's text format.
void metrics_serve(struct visit *visit);

// A counter's sum over the loops; its place in struct counts.
uint64_t metrics_sum(const struct httpd *httpd, size_t offset);

#endif /* HTTPD_METRICS_H */
