/* SPDX-License-Identifier: BSD-3-Clause */
/* The log. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
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

/* syslog(3) priorities, which sd-daemon(3) reads at the start of a line. */
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

/* --- the writer ----------------------------------------------------------------------------------
 */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_running;
	bool is_writing; /* the thread is in write(2), with the text that it took */
	size_t used;
	uint64_t lost;
	char text[65536];
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Formats a line: the time, or journald's prefix, before the text, and a newline after it. */
static size_t finish_line(enum log_level level, const char *text, char *line, size_t size)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];
	int used;

	if (getenv("JOURNAL_STREAM")) {
		used = snprintf(line, size, "<%d>%s\n", priorities[level], text);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		strftime(stamp, sizeof(stamp), "%FT%T", &tm);
		used = snprintf(line, size, "%s.%03ldZ %s: %s\n", stamp, now.tv_nsec / 1000000,
				names[level], text);
	}
	return (size_t)used;
}

static void write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, text, size);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
}

static void *write_on(void *arg)
{
	static char taken[sizeof(writer.text)];
	char said[128], line[256];
	uint64_t lost;
	size_t n;

	(void)arg;
	pthread_mutex_lock(&writer.lock);
	while (writer.is_running || writer.used > 0) {
		if (writer.used == 0) {
			pthread_cond_wait(&writer.changed, &writer.lock);
			continue;
		}
		n = writer.used;
		lost = writer.lost;
		memcpy(taken, writer.text, n);
		writer.used = 0;
		writer.lost = 0;
		writer.is_writing = true;
		pthread_mutex_unlock(&writer.lock);
		write_all(taken, n);
		if (lost > 0) {
			snprintf(said, sizeof(said), "%llu log lines were lost: nobody read them",
				 (unsigned long long)lost);
			write_all(line, finish_line(LOG_WARN, said, line, sizeof(line)));
		}
		pthread_mutex_lock(&writer.lock);
		writer.is_writing = false;
		pthread_cond_broadcast(&writer.changed);
	}
	pthread_mutex_unlock(&writer.lock);
	return NULL;
}

int log_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* The lock makes the thread wait until is_running is set. */
	pthread_mutex_lock(&writer.lock);
	ret = pthread_create(&thread, &attr, write_on, NULL);
	writer.is_running = ret == 0;
	pthread_mutex_unlock(&writer.lock);
	pthread_attr_destroy(&attr);
	return -ret;
}

void log_stop(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&writer.lock);
	writer.is_running = false;
	pthread_cond_broadcast(&writer.changed);
	while (writer.used > 0 || writer.is_writing)
		if (pthread_cond_timedwait(&writer.changed, &writer.lock, &until) != 0)
			break;
	pthread_mutex_unlock(&writer.lock);
}

/* Queues a line for the writer thread. True when it was queued or, for lack of room, lost; false
 * when there is no thread. */
static bool hand_over(const char *line, size_t size)
{
	bool is_running;

	pthread_mutex_lock(&writer.lock);
	is_running = writer.is_running;
	if (is_running && size <= sizeof(writer.text) - writer.used) {
		memcpy(writer.text + writer.used, line, size);
		writer.used += size;
	} else if (is_running) {
		writer.lost++;
	}
	pthread_cond_signal(&writer.changed);
	pthread_mutex_unlock(&writer.lock);
	return is_running;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char text[1024], line[1200];
	size_t used;
	va_list ap;

	if (level > log_get_level())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	used = finish_line(level, text, line, sizeof(line));
	/* One write per line, so that lines of several threads do not mix. */
	if (!hand_over(line, used))
		write_all(line, used);
}
