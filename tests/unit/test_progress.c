/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

/* What progress writes to (`in`) and what arrives there (`out`). */
struct channel {
    int in, out;
};

static struct aispipe_run_stats stats_of(uint64_t samples, uint64_t total, double rate)
{
    static const unsigned depths[AISPIPE_STAGES] = {8, 4, 4, 16, 8};
    struct aispipe_run_stats stats = {.samples = samples, .samples_total = total, .samples_per_second = rate};
    for (unsigned i = 0; i < AISPIPE_STAGES; i++) {
        stats.stage[i].depth = depths[i];
        stats.stage[i].queue_now = i;
    }
    return stats;
}

static const char *arrived(const struct channel *channel)
{
    static char text[4096];
    ssize_t n = read(channel->out, text, sizeof text - 1);
    if (n < 0) {
        assert_int_equal(errno, EAGAIN);
        n = 0;
    }
    text[n] = '\0';
    return text;
}

static void wait_for_nothing_more(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static struct channel open_pipe(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    wait_for_nothing_more(ends[0]);
    return (struct channel){.in = ends[1], .out = ends[0]};
}

static struct channel open_terminal(unsigned short columns)
{
    struct channel channel;
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    struct termios mode;
    channel.out = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(channel.out >= 0);
    assert_int_equal(grantpt(channel.out), 0);
    assert_int_equal(unlockpt(channel.out), 0);
    channel.in = open(ptsname(channel.out), O_RDWR | O_NOCTTY);
    assert_true(channel.in >= 0);
    assert_int_equal(tcgetattr(channel.in, &mode), 0);
    cfmakeraw(&mode); /* no "\r" before "\n" of its own */
    assert_int_equal(tcsetattr(channel.in, TCSANOW, &mode), 0);
    assert_int_equal(ioctl(channel.in, TIOCSWINSZ, &size), 0);
    wait_for_nothing_more(channel.out);
    return channel;
}

static void close_channel(const struct channel *channel)
{
    assert_int_equal(close(channel->in), 0);
    assert_int_equal(close(channel->out), 0);
}

/* ---------------------------------------------------------------- a file */

static void test_file_gets_a_line_every_ten_seconds(void **state)
{
    (void)state;
    struct channel channel = open_pipe();
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(250, 1000, 25);
    const uint64_t begin = 77 * SECOND;
    progress_init(&progress, PROGRESS_AUTO, channel.in);
    assert_true(progress_interval_ns(&progress) == 10 * SECOND);
    assert_true(progress_due(&progress, begin));
    progress_update(&progress, &stats, begin);
    assert_string_equal(arrived(&channel), "");
    assert_false(progress_due(&progress, begin + 10 * SECOND - 1));
    progress_update(&progress, &stats, begin + 10 * SECOND - 1);
    assert_string_equal(arrived(&channel), "");
    assert_true(progress_due(&progress, begin + 10 * SECOND));
    progress_update(&progress, &stats, begin + 10 * SECOND);
    assert_string_equal(arrived(&channel),
                        "[INFO] progress: 250 of 1000 samples (25%), 25.0 samples/s, 0:30 left, "
                        "rings load 0/8 h2d 1/4 compute 2/4 d2h 3/16 save 4/8\n");
    progress_update(&progress, &stats, begin + 19 * SECOND);
    assert_string_equal(arrived(&channel), "");
    progress_update(&progress, &stats, begin + 20 * SECOND);
    assert_non_null(strstr(arrived(&channel), "250 of 1000"));
    progress_end(&progress, &stats);
    assert_string_equal(arrived(&channel), "");
    assert_true(progress_interval_ns(&progress) == UINT64_MAX);
    close_channel(&channel);
}

static void test_always_adds_a_last_line(void **state)
{
    (void)state;
    struct channel channel = open_pipe();
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(10, 10, 123.4);
    progress_init(&progress, PROGRESS_ALWAYS, channel.in);
    progress_update(&progress, &stats, 5);
    assert_string_equal(arrived(&channel), "");
    progress_end(&progress, &stats);
    assert_non_null(strstr(arrived(&channel), "10 of 10 samples (100%), 123 samples/s, 0:00 left"));
    progress_end(&progress, &stats);
    progress_update(&progress, &stats, 100 * SECOND);
    assert_string_equal(arrived(&channel), "");
    /* A run that failed has no final state to show. */
    progress_init(&progress, PROGRESS_ALWAYS, channel.in);
    progress_end(&progress, NULL);
    assert_string_equal(arrived(&channel), "");
    close_channel(&channel);
}

static void test_never_says_nothing(void **state)
{
    (void)state;
    struct channel channels[] = {open_pipe(), open_terminal(80)};
    for (int i = 0; i < 2; i++) {
        struct progress progress;
        struct aispipe_run_stats stats = stats_of(1, 2, 3);
        progress_init(&progress, PROGRESS_NEVER, channels[i].in);
        assert_true(progress_interval_ns(&progress) == UINT64_MAX);
        assert_false(progress_due(&progress, 0));
        progress_update(&progress, &stats, 0);
        progress_update(&progress, &stats, 100 * SECOND);
        progress_clear(&progress);
        progress_end(&progress, &stats);
        assert_string_equal(arrived(&channels[i]), "");
        close_channel(&channels[i]);
    }
}

/* ---------------------------------------------------------------- figures */

/* The line that `stats` give, without "[INFO] progress: " and the rings. */
static const char *line_of(struct aispipe_run_stats stats)
{
    static char line[512];
    struct channel channel = open_pipe();
    struct progress progress;
    progress_init(&progress, PROGRESS_ALWAYS, channel.in);
    progress_end(&progress, &stats);
    const char *text = arrived(&channel);
    const char *begin = strstr(text, "progress: "), *rings = strstr(text, ", rings");
    assert_true(begin && rings && begin < rings);
    begin += strlen("progress: ");
    (void)snprintf(line, sizeof line, "%.*s", (int)(rings - begin), begin);
    close_channel(&channel);
    return line;
}

static void test_figures(void **state)
{
    (void)state;
    assert_string_equal(line_of(stats_of(0, 100, 0)), "0 of 100 samples (0%), 0.0 samples/s, --:-- left");
    assert_string_equal(line_of(stats_of(29, 100, 10)), "29 of 100 samples (29%), 10.0 samples/s, 0:08 left");
    assert_string_equal(line_of(stats_of(999, 1000, 1)),
                        "999 of 1000 samples (99%), 1.0 samples/s, 0:01 left");
    assert_string_equal(line_of(stats_of(0, 61, 1)), "0 of 61 samples (0%), 1.0 samples/s, 1:01 left");
    assert_string_equal(line_of(stats_of(0, 3723, 1)), "0 of 3723 samples (0%), 1.0 samples/s, 1:02:03 left");
    assert_string_equal(line_of(stats_of(0, 360000, 1)),
                        "0 of 360000 samples (0%), 1.0 samples/s, >99 h left");
    assert_string_equal(line_of(stats_of(1, UINT64_MAX, 1e-9)),
                        "1 of 18446744073709551615 samples (0%), 0.0 samples/s, >99 h left");
    assert_string_equal(line_of(stats_of(5, 10, NAN)), "5 of 10 samples (50%), 0.0 samples/s, --:-- left");
    assert_string_equal(line_of(stats_of(5, 10, -1)), "5 of 10 samples (50%), 0.0 samples/s, --:-- left");
    assert_string_equal(line_of(stats_of(5, 10, INFINITY)),
                        "5 of 10 samples (50%), 0.0 samples/s, 0:00 left");
    assert_string_equal(line_of(stats_of(0, 0, 0)), "0 of 0 samples (0%), 0.0 samples/s, 0:00 left");
    assert_string_equal(line_of(stats_of(12, 10, 1)), "12 of 10 samples (100%), 1.0 samples/s, 0:00 left");
}

static void test_every_percentage(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= 100; i++) {
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "(%u%%)", i);
        assert_non_null(strstr(line_of(stats_of(i, 100, 1)), wanted));
    }
}

static void test_stage_without_ring_is_passed_over(void **state)
{
    (void)state;
    struct channel channel = open_pipe();
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(1, 2, 1);
    stats.stage[AISPIPE_STAGE_H2D].depth = 0;
    stats.stage[AISPIPE_STAGE_D2H].depth = 0;
    progress_init(&progress, PROGRESS_ALWAYS, channel.in);
    progress_end(&progress, &stats);
    assert_non_null(strstr(arrived(&channel), "rings load 0/8 compute 2/4 save 4/8\n"));
    close_channel(&channel);
}

/* ---------------------------------------------------------------- a terminal */

static void test_terminal_line_is_redrawn(void **state)
{
    (void)state;
    struct channel channel = open_terminal(100);
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(500, 1000, 1234.5);
    progress_init(&progress, PROGRESS_AUTO, channel.in);
    assert_true(progress_interval_ns(&progress) == SECOND / 10);
    progress_update(&progress, &stats, 0);
    const char *text = arrived(&channel);
    assert_true(text[0] == '\r' && text[strlen(text) - 1] == '\r');
    assert_non_null(
        strstr(text, "500/1000 50%  1234/s  0:01 left  load 0/8 h2d 1/4 compute 2/4 d2h 3/16 save 4/8"));
    assert_non_null(strstr(text, "[#"));
    assert_null(strchr(text, '\n'));
    progress_update(&progress, &stats, SECOND / 10 - 1);
    assert_string_equal(arrived(&channel), "");
    progress_update(&progress, &stats, SECOND / 10);
    assert_non_null(strstr(arrived(&channel), "500/1000"));
    stats = stats_of(1000, 1000, 1000);
    progress_end(&progress, &stats);
    text = arrived(&channel);
    assert_non_null(strstr(text, "1000/1000 100%"));
    assert_true(text[strlen(text) - 1] == '\n');
    progress_clear(&progress);
    assert_string_equal(arrived(&channel), "");
    close_channel(&channel);
}

/* At every width the line leaves the last column free and says as much as fits. */
static void test_line_fits_the_terminal(void **state)
{
    (void)state;
    size_t before = 0;
    for (unsigned short columns = 2; columns <= 260; columns++) {
        struct channel channel = open_terminal(columns);
        struct progress progress;
        struct aispipe_run_stats stats = stats_of(123, 1000, 45.6);
        progress_init(&progress, PROGRESS_AUTO, channel.in);
        progress_update(&progress, &stats, 0);
        const char *text = arrived(&channel);
        size_t drawn = strlen(text) - 2; /* without "\r" at both ends */
        assert_true(drawn <= (size_t)columns - 1 && drawn < 200);
        if (columns > 12)
            assert_non_null(strstr(text, "123/1000 12%"));
        if (columns > 35)
            assert_non_null(strstr(text, "45.6/s  0:20 left"));
        if (columns > 58)
            assert_non_null(strstr(text, "l0/8 h1/4 c2/4 d3/16 s4/8") ?: strstr(text, "load 0/8"));
        if (columns > 80)
            assert_non_null(strstr(text, "load 0/8 h2d 1/4 compute 2/4 d2h 3/16 save 4/8"));
        if (columns > 100)
            assert_true(drawn >= before);
        before = drawn;
        close_channel(&channel);
    }
}

static void test_shorter_line_rubs_out_the_longer_one(void **state)
{
    (void)state;
    struct channel channel = open_terminal(20);
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(1000000, 2000000, 1);
    progress_init(&progress, PROGRESS_AUTO, channel.in);
    progress_update(&progress, &stats, 0);
    assert_string_equal(arrived(&channel), "\r1000000/2000000 50%\r");
    stats = stats_of(1, 2, 1);
    progress_update(&progress, &stats, SECOND);
    assert_string_equal(arrived(&channel), "\r1/2 50%            \r");
    close_channel(&channel);
}

static void test_clearing(void **state)
{
    (void)state;
    struct channel channel = open_terminal(20);
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(1, 2, 1);
    progress_init(&progress, PROGRESS_AUTO, channel.in);
    progress_clear(&progress);
    assert_string_equal(arrived(&channel), "");
    progress_update(&progress, &stats, 0);
    assert_string_equal(arrived(&channel), "\r1/2 50%\r");
    progress_clear(&progress);
    assert_string_equal(arrived(&channel), "\r       \r");
    progress_clear(&progress);
    assert_string_equal(arrived(&channel), "");
    progress_update(&progress, &stats, SECOND);
    assert_string_equal(arrived(&channel), "\r1/2 50%\r");
    progress_end(&progress, NULL);
    assert_string_equal(arrived(&channel), "\r       \r");
    close_channel(&channel);
}

static void test_resized_terminal(void **state)
{
    (void)state;
    struct channel channel = open_terminal(120);
    struct progress progress;
    struct winsize size = {.ws_row = 24, .ws_col = 15};
    struct aispipe_run_stats stats = stats_of(1, 2, 1);
    progress_init(&progress, PROGRESS_AUTO, channel.in);
    progress_update(&progress, &stats, 0);
    assert_true(strlen(arrived(&channel)) > 60);
    assert_int_equal(ioctl(channel.in, TIOCSWINSZ, &size), 0);
    progress_update(&progress, &stats, SECOND);
    assert_string_equal(arrived(&channel), "\r1/2 50%       \r");
    close_channel(&channel);
}

/* ---------------------------------------------------------------- trouble */

static void test_reader_that_went_away_ends_progress(void **state)
{
    (void)state;
    struct channel channel = open_pipe();
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(1, 2, 1);
    (void)signal(SIGPIPE, SIG_IGN);
    progress_init(&progress, PROGRESS_ALWAYS, channel.in);
    assert_int_equal(close(channel.out), 0);
    progress_update(&progress, &stats, 0);
    progress_update(&progress, &stats, 10 * SECOND);
    assert_false(progress_due(&progress, 100 * SECOND));
    assert_true(progress_interval_ns(&progress) == UINT64_MAX);
    progress_end(&progress, &stats);
    (void)signal(SIGPIPE, SIG_DFL);
    assert_int_equal(close(channel.in), 0);
}

static void *clear_often(void *progress)
{
    for (int i = 0; i < 300; i++)
        progress_clear(progress);
    return NULL;
}

static void *swallow(void *out)
{
    char text[4096];
    while (read(*(int *)out, text, sizeof text) > 0)
        ;
    return NULL;
}

static void test_clearing_while_another_thread_draws(void **state)
{
    (void)state;
    struct channel channel = open_terminal(40);
    struct progress progress;
    struct aispipe_run_stats stats = stats_of(1, 2, 1);
    pthread_t reader, clearer;
    assert_int_equal(fcntl(channel.out, F_SETFL, 0), 0);
    progress_init(&progress, PROGRESS_AUTO, channel.in);
    assert_int_equal(pthread_create(&reader, NULL, swallow, &channel.out), 0);
    assert_int_equal(pthread_create(&clearer, NULL, clear_often, &progress), 0);
    for (uint64_t i = 0; i < 300; i++)
        progress_update(&progress, &stats, i * SECOND);
    assert_int_equal(pthread_join(clearer, NULL), 0);
    progress_end(&progress, NULL);
    assert_int_equal(atomic_load(&progress.columns), 0);
    assert_int_equal(close(channel.in), 0); /* the reader sees the end */
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(close(channel.out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_gets_a_line_every_ten_seconds),
        cmocka_unit_test(test_always_adds_a_last_line),
        cmocka_unit_test(test_never_says_nothing),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_every_percentage),
        cmocka_unit_test(test_stage_without_ring_is_passed_over),
        cmocka_unit_test(test_terminal_line_is_redrawn),
        cmocka_unit_test(test_line_fits_the_terminal),
        cmocka_unit_test(test_shorter_line_rubs_out_the_longer_one),
        cmocka_unit_test(test_clearing),
        cmocka_unit_test(test_resized_terminal),
        cmocka_unit_test(test_reader_that_went_away_ends_progress),
        cmocka_unit_test(test_clearing_while_another_thread_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
