/* SPDX-License-Identifier: MIT */
/* Starting programs: what they get, what arrives from them and when, how they end. */
#include "unit.h"

#include "clock.h"
#include "files.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything that arrived, a '|' behind each line. */
struct lines {
    char text[3 * PROCESS_MAX_LINE];
    size_t n;
    uint64_t first_ns; /* when the first one arrived */
    int answer;        /* to the line below */
    const char *stop;
};

static int keep(void *context, const char *line)
{
    struct lines *lines = context;
    if (!lines->n++)
        lines->first_ns = clock_ns();
    size_t used = strlen(lines->text);
    (void)snprintf(lines->text + used, sizeof lines->text - used, "%s|", line);
    return lines->stop && strcmp(line, lines->stop) == 0 ? lines->answer : 0;
}

static int run(struct process_options options, struct lines *lines, struct process_end *end)
{
    struct aispipe_error error = {0};
    options.line = keep;
    options.context = lines;
    return process_run(&options, end, &error);
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script) ARGV("sh", "-c", script)

static int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (dir && readdir(dir))
        n++;
    if (dir)
        (void)closedir(dir);
    return n;
}

/* ---------------------------------------------------------------- tests */

static void test_lines_and_status(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    int before = count_descriptors();
    assert_int_equal(
        run((struct process_options){.argv = SH("echo one; echo; printf 'two\\r\\nthree'; exit 7")}, &lines,
            &end),
        0);
    assert_string_equal(lines.text, "one||two|three|");
    assert_int_equal(end.status, 7);
    assert_int_equal(end.signal, 0);
    assert_false(end.timed_out);
    assert_int_equal(count_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_arguments_are_no_shell_text(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    const struct process_options options = {.argv = ARGV("printf", "%s\\n", "a b", "$HOME;`id`", "", "'\"*")};
    assert_int_equal(run(options, &lines, &end), 0);
    assert_string_equal(lines.text, "a b|$HOME;`id`||'\"*|");
}

/* The first line is there long before the program ends. */
static void test_lines_arrive_while_it_runs(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    assert_int_equal(
        run((struct process_options){.argv = SH("echo early; sleep 0.4; echo late")}, &lines, &end), 0);
    assert_true(clock_ns() - lines.first_ns > 300000000u);
    assert_string_equal(lines.text, "early|late|");
}

static void test_long_line_comes_in_pieces(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    assert_int_equal(
        run((struct process_options){.argv = SH("head -c 20000 /dev/zero | tr '\\0' x; echo; echo end")},
            &lines, &end),
        0);
    assert_int_equal(lines.n, 3);
    assert_int_equal(strcspn(lines.text, "|"), PROCESS_MAX_LINE);
    assert_int_equal(strlen(lines.text), 20000 + 3 + 3);
    assert_non_null(strstr(lines.text, "x|end|"));
}

static void test_nul_in_a_line(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    assert_int_equal(run((struct process_options){.argv = SH("printf 'a\\000b\\n'")}, &lines, &end), 0);
    assert_string_equal(lines.text, "a?b|");
}

static void test_standard_error(void **state)
{
    (void)state;
    struct lines with = {0}, without = {0};
    struct process_end end;
    const char *const *argv = SH("echo out; echo err >&2");
    assert_int_equal(run((struct process_options){.argv = argv, .with_errors = true}, &with, &end), 0);
    assert_string_equal(with.text, "out|err|");
    assert_int_equal(run((struct process_options){.argv = argv, .drop_errors = true}, &without, &end), 0);
    assert_string_equal(without.text, "out|");
}

/* Descriptors that are open here without O_CLOEXEC would be the caller's fault; ours must not get through. */
static void test_what_the_child_gets(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    void (*pipe_action)(int) = signal(SIGPIPE, SIG_IGN);
    const struct process_options options = {
        .argv = SH("grep SigBlk /proc/self/status; grep SigIgn /proc/self/status | grep -c '1...$'; cat; ls "
                   "/proc/self/fd | wc -l; echo $FROM_TEST"),
        .environment = ARGV("FROM_TEST=yes", "PATH=/usr/bin:/bin"),
    };
    assert_int_equal(run(options, &lines, &end), 0);
    (void)signal(SIGPIPE, pipe_action);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    /* Four: the three streams and the directory that ls reads. */
    assert_string_equal(lines.text, "SigBlk:\t0000000000000000|0|4|yes|");
}

static void test_missing_program(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    struct aispipe_error error = {0};
    int before = count_descriptors();
    const struct process_options options = {
        .argv = ARGV("no-such-program-here"), .line = keep, .context = &lines};
    assert_int_equal(process_run(&options, &end, &error), AISPIPE_SYSTEM);
    assert_non_null(strstr(error.message, "'no-such-program-here'"));
    assert_non_null(strstr(error.message, strerror(ENOENT)));
    assert_int_equal(count_descriptors(), before);
}

static void test_ended_by_a_signal(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    char words[64];
    assert_int_equal(run((struct process_options){.argv = SH("echo x; kill -9 $$")}, &lines, &end), 0);
    assert_int_equal(end.signal, 9);
    assert_int_equal(end.status, -1);
    assert_string_equal(process_end_words(&end, words, sizeof words), "was ended by signal 9");
}

static void test_time_limit(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    char words[64];
    uint64_t start = clock_ns();
    /* The sleep that the shell leaves behind holds the pipe: it must not hold us. */
    const struct process_options options = {
        .argv = SH("echo x; sleep 20; echo y"), .drop_errors = true, .timeout_ns = 100000000u};
    assert_int_equal(run(options, &lines, &end), 0);
    assert_true(clock_ns() - start < 5000000000u);
    assert_true(end.timed_out);
    assert_string_equal(lines.text, "x|");
    assert_non_null(strstr(process_end_words(&end, words, sizeof words), "too long"));
}

static void test_a_refused_line_ends_it(void **state)
{
    (void)state;
    struct lines lines = {.answer = AISPIPE_FORMAT, .stop = "bad"};
    struct process_end end;
    uint64_t start = clock_ns();
    const struct process_options options = {.argv = SH("echo good; echo bad; exec sleep 20")};
    assert_int_equal(run(options, &lines, &end), AISPIPE_FORMAT);
    assert_true(clock_ns() - start < 5000000000u);
    assert_string_equal(lines.text, "good|bad|");
    assert_int_equal(end.signal, SIGKILL);
}

static void *send_term(void *process)
{
    (void)usleep(300000);
    (void)kill(*(const pid_t *)process, SIGTERM);
    return NULL;
}

static void test_signals_are_passed_on(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    pthread_t sender;
    pid_t self = getpid();
    assert_int_equal(pthread_create(&sender, NULL, send_term, &self), 0);
    const struct process_options options = {
        .argv = SH("trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.05; done"),
        .forward = &set,
    };
    assert_int_equal(run(options, &lines, &end), 0);
    assert_int_equal(pthread_join(sender, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    assert_string_equal(lines.text, "ready|told|");
    assert_int_equal(end.forwarded, SIGTERM);
    assert_int_equal(end.status, 3);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
}

/* Interrupted calls are taken up again: nothing is lost and nothing ends early. */
static void test_interrupted_calls(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct process_end end;
    struct sigaction action = {.sa_handler = count_alarm}; /* no SA_RESTART */
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    (void)ualarm(1000, 1000);
    int rc = run((struct process_options){.argv = SH("for i in 1 2 3 4 5; do echo $i; sleep 0.05; done")},
                 &lines, &end);
    (void)ualarm(0, 0);
    assert_int_equal(rc, 0);
    assert_true(alarms > 10);
    assert_string_equal(lines.text, "1|2|3|4|5|");
    assert_int_equal(end.status, 0);
}

static void test_find(void **state)
{
    (void)state;
    struct temp_dir dir;
    const char *before = getenv("PATH");
    char path[PATH_MAX], *old = strdup(before ? before : "");
    temp_make(&dir);
    temp_subdir(&dir, "a");
    temp_subdir(&dir, "b");
    temp_write(&dir, "a/tool", "", 0); /* not executable: passed over */
    temp_write(&dir, "b/tool", "", 0);
    assert_int_equal(chmod(temp_path(&dir, "b/tool"), 0755), 0);
    char places[2 * PATH_MAX + 16];
    (void)snprintf(places, sizeof places, "%s/a:%s/b", dir.path, dir.path);
    assert_int_equal(setenv("PATH", places, 1), 0);
    assert_true(process_find("tool", path, sizeof path));
    assert_string_equal(path, temp_path(&dir, "b/tool"));
    assert_false(process_find("other", NULL, 0));
    assert_int_equal(setenv("PATH", old, 1), 0);
    free(old);
    temp_remove(&dir);
}

int main(void)
{
    /* What the harness left open would be counted as ours. */
    for (int fd = 3; fd < 256; fd++)
        (void)close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_status),
        cmocka_unit_test(test_arguments_are_no_shell_text),
        cmocka_unit_test(test_lines_arrive_while_it_runs),
        cmocka_unit_test(test_long_line_comes_in_pieces),
        cmocka_unit_test(test_nul_in_a_line),
        cmocka_unit_test(test_standard_error),
        cmocka_unit_test(test_what_the_child_gets),
        cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_ended_by_a_signal),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_a_refused_line_ends_it),
        cmocka_unit_test(test_signals_are_passed_on),
        cmocka_unit_test(test_interrupted_calls),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
