/* SPDX-License-Identifier: MIT */
/** @file dir_scan.h Reading the names of usable input files out of a directory. */
#ifndef AISPIPE_IO_DIR_SCAN_H
#define AISPIPE_IO_DIR_SCAN_H

#include "io/file_list.h"

/**
 * Adds every regular file (or link to one) of the directory open at `fd` whose ending is accepted, in the
 * order of the file system. `path` is for messages. A link that leads nowhere is an error: leaving it out
 * would silently shift samples between directories.
 */
int dir_scan(int fd, const char *path, struct file_list *files, struct aispipe_error *error);

#endif
