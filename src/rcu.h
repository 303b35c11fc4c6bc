/* SPDX-License-Identifier: MIT */
/**
 * @file rcu.h
 * liburcu's QSBR flavour, with what ThreadSanitizer has to be told about it: the library is not built with
 * the sanitizer, so the order between a reader's quiescent state and the end of a grace period is invisible
 * to it.
 * RCU_RELEASE(run) goes before a quiescent state, RCU_ACQUIRE(run) after a grace period; RCU_PUBLISH and
 * RCU_ACQUIRE(pointer) are the ends of the way a new value takes. The two need addresses of their own: a
 * store with release order makes the sanitizer forget what others have released at its address.
 */
#ifndef AISPIPE_RCU_H
#define AISPIPE_RCU_H

#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-qsbr.h>

#if defined(__SANITIZE_THREAD__)
#define RCU_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_UNDER_TSAN 1
#endif
#endif

#ifdef RCU_UNDER_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define RCU_RELEASE(address) __tsan_release(address)
#define RCU_ACQUIRE(address) __tsan_acquire((void *)(uintptr_t)(address))
/* rcu_assign_pointer of liburcu before 0.14 is a barrier and a volatile store, which the sanitizer takes for
 * a race. */
#define RCU_PUBLISH(pointer, value) __atomic_store_n(&(pointer), (value), __ATOMIC_RELEASE)
#else
#define RCU_RELEASE(address) ((void)(address))
#define RCU_ACQUIRE(address) ((void)(address))
#define RCU_PUBLISH(pointer, value) rcu_assign_pointer(pointer, value)
#endif

#endif
