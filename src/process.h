/* SPDX-License-Identifier: MIT */
/**
 * @file process.h
 * Starts another program with an argument vector, never through a shell, and hands over what it prints line
 * by line while it runs. The child gets /dev/null as its input, no descriptor of ours, no blocked signal and
 * the default action for those that we ignore. One thread per call; calls are independent of each other.
 */
#ifndef AISPIPE_PROCESS_H
#define AISPIPE_PROCESS_H

#include "aispipe/aispipe.h"

#include <signal.h>

/** A line longer than this arrives in pieces. */
#define PROCESS_MAX_LINE 16384

/** Receives one line without its newline. Not 0: the child is ended, and process_run returns that value. */
typedef int (*process_line_fn)(void *context, const char *line);

struct process_options {
    const char *const *argv;        /**< NULL-ended; argv[0] is looked for on PATH when it holds no '/' */
    const char *const *environment; /**< NULL-ended "NAME=VALUE"; NULL: ours */
    bool with_errors;               /**< its standard error comes as lines too; otherwise it goes to ours */
    bool drop_errors;               /**< its standard error goes to /dev/null */
    process_line_fn line;           /**< NULL: its standard output goes to ours */
    void *context;
    /** Signals to pass on to the child, which the caller has blocked in all its threads; NULL: none. */
    const sigset_t *forward;
    uint64_t timeout_ns; /**< after which it is killed; 0: never */
};

/** How a program ended. */
struct process_end {
    int status;     /**< exit status; −1 when a signal ended it */
    int signal;     /**< that signal, or 0 */
    int forwarded;  /**< the first signal that was passed on, or 0 */
    bool timed_out; /**< killed because its time was over */
};

/**
 * Runs the program to its end. Its output has ended, too, when this returns: also that of programs which it
 * left behind with our pipe. A program that fails is no failure of this call: look at `end`.
 * Returns AISPIPE_SYSTEM when it cannot be started (the reason is in `error`), or what `line` returned.
 */
int process_run(const struct process_options *options, struct process_end *end, struct aispipe_error *error);

/** Whether PATH leads to an executable file of this name. Writes its path when `path` is not NULL. */
bool process_find(const char *name, char *path, size_t capacity);

/** "ended with status 3", "was ended by signal 9", "was ended because it took too long". Returns `text`. */
const char *process_end_words(const struct process_end *end, char *text, size_t capacity);

#endif
