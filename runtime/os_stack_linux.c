/* SPDX-License-Identifier: MIT */

#include "runtime/os_stack.h"

#include "mem/atomic.h"
#include "runtime/os.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADDRESSES_MAX 64
#define OWN_FRAMES    2 // the handler, and the frame by which the kernel enters it

enum { NOBODY, ASKED, TAKING, TAKEN };

// One stack is taken at a time: written by who asks while NOBODY, by the handler while TAKING.
static struct {
    wi_atomic_u32 state;
    wi_atomic_u32 thread;
    int count;
    void *addresses[ADDRESSES_MAX];
} taken;

static unsigned listeners[_NSIG];

uint32_t
wi_os_thread_number(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

// On the thread that is asked. Async-signal-safe: the unwinder was loaded by
// wi_os_stack_listen(), and finds its tables without a lock.
static void
handle(int signal)
{
    int error = errno;
    uint32_t state = ASKED;

    (void)signal;
    // ORDER(stack) observe: pairs with wi_os_stack_take(); a stray signal finds nobody asking.
    if (wi_load_acquire(&taken.state) == ASKED &&
        wi_load_relaxed(&taken.thread) == wi_os_thread_number() &&
        wi_cas_acq_rel(&taken.state, &state, TAKING)) {
        taken.count = backtrace(taken.addresses, ADDRESSES_MAX);
        wi_store_release(&taken.state, TAKEN); // ORDER(stack) publish
        wi_os_wake_sleepers(&taken.state);
    }
    errno = error;
}

int
wi_os_stack_signal_default(void)
{
    return SIGRTMAX - 1;
}

int
wi_os_stack_listen(int signal)
{
    struct sigaction action;
    struct sigaction before;
    void *warm[1];

    if (signal <= 0 || signal >= _NSIG || sigaction(signal, NULL, &before) < 0) {
        return -EINVAL;
    }
    if (listeners[signal] == 0) {
        if (before.sa_handler != SIG_DFL) {
            return -EBUSY;
        }
        backtrace(warm, 1); // the first call loads the unwinder
        memset(&action, 0, sizeof(action));
        action.sa_handler = handle;
        action.sa_flags = SA_RESTART | SA_ONSTACK;
        sigfillset(&action.sa_mask);
        if (sigaction(signal, &action, NULL) < 0) {
            return -EINVAL; // SIGKILL, SIGSTOP
        }
    }
    listeners[signal]++;
    return 0;
}

void
wi_os_stack_unlisten(int signal)
{
    struct sigaction action;

    if (--listeners[signal] == 0) {
        memset(&action, 0, sizeof(action));
        action.sa_handler = SIG_IGN; // one that is still pending must not end the process
        sigaction(signal, &action, NULL);
        action.sa_handler = SIG_DFL;
        sigaction(signal, &action, NULL);
    }
}

uint32_t
wi_os_stack_join(int signal)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return wi_os_thread_number();
}

int
wi_os_stack_take(uint32_t thread, int signal, void **ret_addresses, unsigned count,
                 uint64_t deadline_ns)
{
    int found;
    uint32_t state;

    wi_store_relaxed(&taken.thread, thread);
    wi_store_release(&taken.state, ASKED); // ORDER(stack) publish
    if (syscall(SYS_tgkill, getpid(), (pid_t)thread, signal) < 0) {
        wi_store_relaxed(&taken.state, NOBODY);
        return -ESRCH;
    }
    // ORDER(stack) observe: pairs with handle().
    while ((state = wi_load_acquire(&taken.state)) != TAKEN) {
        if (wi_os_now_ns() >= deadline_ns && state == ASKED &&
            wi_cas_acq_rel(&taken.state, &state, NOBODY)) {
            return -ETIMEDOUT;
        }
        wi_os_sleep(&taken.state, state, state == TAKING ? UINT64_MAX : deadline_ns);
    }
    found = taken.count > OWN_FRAMES ? taken.count - OWN_FRAMES : 0;
    found = found < (int)count ? found : (int)count;
    memcpy(ret_addresses, taken.addresses + OWN_FRAMES, (size_t)found * sizeof(void *));
    wi_store_relaxed(&taken.state, NOBODY);
    return found;
}

char **
wi_os_stack_names(void *const *addresses, int count)
{
    return backtrace_symbols(addresses, count);
}
