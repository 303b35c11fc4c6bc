/* SPDX-License-Identifier: MIT */
#include "io/read_ahead.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* In front of the payload of most files. */
enum { HEADER_BYTES = 4096 };

/* Whether anything had to be fetched for this thread since it last looked. */
static bool look(struct read_ahead *ahead)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_THREAD, &usage);
    bool fetched = ahead->begun && usage.ru_inblock != ahead->blocks;
    ahead->blocks = usage.ru_inblock;
    ahead->begun = true;
    ahead->files = 0;
    ahead->bytes = 0;
    return fetched;
}

static size_t bytes_of(const struct file_plan *plan, size_t input, uint64_t sample)
{
    return file_plan_bytes(plan, input, sample) + HEADER_BYTES;
}

/* How many samples may be announced and not yet read, for each thread. */
static uint64_t room(const struct file_plan *plan, uint64_t sample)
{
    uint64_t files = READ_AHEAD_FILES / plan->n_inputs;
    size_t bytes = 0;
    for (size_t input = 0; input < plan->n_inputs; input++)
        if (__builtin_add_overflow(bytes, bytes_of(plan, input, sample), &bytes))
            return 1;
    uint64_t fit = READ_AHEAD_BYTES / bytes;
    fit = fit < files ? fit : files;
    return fit ? fit : 1;
}

/* Samples that the other threads are reading at this moment: they come before those that are worth
 * announcing. */
static uint64_t in_progress(const struct file_plan *plan)
{
    /* relaxed: a guess that is off by a thread only announces a file twice or not at all. */
    unsigned threads = plan->threads ? atomic_load_explicit(plan->threads, memory_order_relaxed) : 1;
    return threads > 1 ? (uint64_t)(threads - 1) * plan->files_per_batch : 0;
}

static void announce(const struct file_plan *plan, size_t input, uint64_t sample)
{
    int directory;
    if (sample >= aispipe_dataset_samples(plan->dataset))
        return;
    const char *name = dataset_file(plan->dataset, input, sample, &directory);
    /* Not blocking: whatever may have taken the file's place, this thread has others to read. */
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return;
    size_t bytes = bytes_of(plan, input, sample);
    (void)posix_fadvise(fd, 0, bytes < READ_AHEAD_BYTES ? (off_t)bytes : READ_AHEAD_BYTES,
                        POSIX_FADV_WILLNEED);
    (void)close(fd);
}

/* The files between the one that is being read and the first one that will be announced while reading. */
static void catch_up(const struct file_plan *plan, uint64_t sample)
{
    uint64_t first = sample + in_progress(plan) + 1;
    uint64_t last = first + room(plan, sample) - 1;
    for (uint64_t next = first; next < last; next++)
        for (size_t input = 0; input < plan->n_inputs; input++)
            announce(plan, input, next);
}

void read_ahead(struct read_ahead *ahead, const struct file_plan *plan, size_t input, uint64_t sample,
                size_t bytes)
{
    if (!ahead->begun || ahead->files >= READ_AHEAD_LOOK_FILES || ahead->bytes >= READ_AHEAD_LOOK_BYTES) {
        bool was_on = ahead->on;
        ahead->on = look(ahead);
        if (ahead->on && !was_on)
            catch_up(plan, sample);
    }
    ahead->files++;
    ahead->bytes += bytes < READ_AHEAD_LOOK_BYTES ? bytes : READ_AHEAD_LOOK_BYTES;
    if (ahead->on)
        announce(plan, input, sample + in_progress(plan) + room(plan, sample));
}
