/* SPDX-License-Identifier: BSD-3-Clause */
/* The log. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int current = LOG_INFO;

static const char *const names[LOG_LEVEL_COUNT] = {
#define X(name, text) [LOG_##name] = text,
#include "base/log_levels.def"
#undef X
};

/* syslog(3) priorities, as sd-daemon(3) wants them in front of a line. */
static const int priorities[LOG_LEVEL_COUNT] = {3, 4, 6, 7};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&current, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *level)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_text(enum log_level level)
{
	return names[level];
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char text[1024], line[1200];
	int used;
	va_list ap;

	if (level > log_get_level())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';

	if (getenv("JOURNAL_STREAM")) {
		used = snprintf(line, sizeof(line), "<%d>%s\n", priorities[level], text);
	} else {
		struct timespec now;
		struct tm tm;
		char stamp[32];

		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		strftime(stamp, sizeof(stamp), "%FT%T", &tm);
		used = snprintf(line, sizeof(line), "%s.%03ldZ %s: %s\n", stamp,
				now.tv_nsec / 1000000, names[level], text);
	}
	/* One write per line, so that lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return;
}

bool log_pace_allows(struct log_pace *pace, uint64_t now_ns, uint64_t *left_out)
{
	if (pace->was_written && now_ns - pace->written_ns < 1000000000u) {
		pace->left_out++;
		return false;
	}
	*left_out = pace->left_out;
	*pace = (struct log_pace){.was_written = true, .written_ns = now_ns};
	return true;
}
