/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOKEN_H
#define WEIR_TOKEN_H

/**
 * @file
 * Cancel tokens: one call takes back many operations on many streams.
 *
 * A token is sticky: once fired it stays fired. It carries a reason (a negative errno) and a code.
 * It counts as fired when itself or an ancestor has fired.
 */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The longest chain of parents, the token itself not counted. */
#define WEIR_TOKEN_DEPTH_MAX 8
/** Codes are below 2^62, as QUIC's are (Q35). */
#define WEIR_CODE_MAX ((UINT64_C(1) << 62) - 1)

/**
 * Make a token. @p parent all zero: none.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or
 *   -EINVAL      no runtime or no output, or a parent of another runtime
 *   -WEIR_ESTALE the parent is stale
 *   -ELOOP       the chain would be deeper than WEIR_TOKEN_DEPTH_MAX
 *   -ENOMEM, -WEIR_EENDED (stopped), -ECHILD
 */
WEIR_API WEIR_NODISCARD int weir_token_create(struct weir_runtime *runtime, weir_token parent,
                                              weir_token *ret_token);

/**
 * Fire: every operation that carries the token or a descendant is cancelled as by its handle; bound
 * streams are aborted with @p code. @p reason becomes the status of what it ends; 0 means
 * -ECANCELED.
 *
 * Threads: any. Lock-free; cannot fail but for its arguments.
 * Blocks:  never.
 * Calls:   nothing here; completions come on the loops.
 * @return 0, -EALREADY (fired before; the first reason stays), -WEIR_ESTALE, -EINVAL (a positive
 *   reason or a code above WEIR_CODE_MAX), -ECHILD.
 */
WEIR_API int weir_token_fire(weir_token token, int reason, uint64_t code);

/**
 * Has the token or an ancestor fired?
 *
 * Threads: any. Wait-free.
 * Blocks:  never.
 * @return 0 not fired; the reason (< 0) when fired; -WEIR_ESTALE for a stale handle.
 */
WEIR_API int weir_token_status(weir_token token);

/**
 * Free a token, also while it fires: operations that carry it go on without it, children keep what
 * it had been.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -WEIR_ESTALE.
 */
WEIR_API int weir_token_free(weir_token token);

/**
 * Bind a stream: when the token fires the stream is aborted with the token's code. A stream is
 * bound once: also when its token has been freed, which leaves it without one.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0; a token that has fired aborts the stream at once. -WEIR_ESTALE: either handle;
 *   -EINVAL: two runtimes; -EBUSY: the stream has been bound before, whatever became of the token;
 *   -ENOMEM, -WEIR_ELANEFULL, -WEIR_EENDED (stopping), -ECHILD.
 */
WEIR_API int weir_token_bind(weir_token token, weir_stream stream);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_TOKEN_H */
