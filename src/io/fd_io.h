/* SPDX-License-Identifier: MIT */
/** @file fd_io.h read() and write() until done: interrupted calls and short counts are continued; files whole
 * or not at all. */
#ifndef AISPIPE_IO_FD_IO_H
#define AISPIPE_IO_FD_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/**
 * Reads into `parts` (which it uses up) from the file's position on, until `enough` bytes are there or the
 * file ends; more than `enough` may be read, as far as the parts go. Returns 0 or an errno; `*got` is what
 * was read in all.
 */
int fd_read_parts(int fd, struct iovec *parts, int n_parts, size_t enough, size_t *got);
/** The same for one buffer and a place in the file. */
int fd_read_at(int fd, void *buffer, size_t bytes, uint64_t offset, size_t *got);
/** Writes all of `parts` (which it uses up). Returns 0 or an errno. */
int fd_write_parts(int fd, struct iovec *parts, int n_parts);
int fd_write(int fd, const void *data, size_t bytes);
/**
 * Ends the writing of a file: closes `fd` and gives `temporary` its final name, or removes it where `reason`
 * (an errno; 0: all is written), the closing or the renaming says that it is not whole. Returns 0 or an
 * errno.
 */
int fd_publish(int fd, const char *temporary, const char *path, int reason);

#endif
