/* SPDX-License-Identifier: BSD-3-Clause */
/* A journal beside the configuration file. */
#include "control/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define LONG_BYTES (4 << 20)

struct journal {
	char path[PATH_MAX];
	int fd;
	off_t size;  /* on the disk */
	char *added; /* not yet written */
	size_t n_added;
};

static int refuse(const struct journal *j, const char *what, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "file", "file '%s': %s: %s", j->path, what,
		       strerror(errno));
}

static int make_path(char path[PATH_MAX], const char *config_file)
{
	if (snprintf(path, PATH_MAX, "%s.journal", config_file) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

bool journal_is_there(const char *config_file)
{
	char path[PATH_MAX];

	return make_path(path, config_file) == 0 && access(path, F_OK) == 0;
}

struct journal *journal_open(const char *config_file, struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct stat st;

	if (!j) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	j->fd = -1;
	if (make_path(j->path, config_file) == 0)
		j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (j->fd < 0 || fstat(j->fd, &st) < 0) {
		refuse(j, "cannot open", e);
		journal_close(j);
		return NULL;
	}
	j->size = st.st_size;
	return j;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->added);
	free(j);
}

void journal_remove(struct journal *j)
{
	if (j && unlink(j->path) < 0)
		log_warn("%s: cannot be removed: %s", j->path, strerror(errno));
	journal_close(j);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The journal's text, to be freed; NULL with *e filled. */
static char *read_all(const struct journal *j, struct err *e)
{
	char *text = malloc((size_t)j->size + 1);
	off_t at = 0;

	while (text && at < j->size) {
		ssize_t n = pread(j->fd, text + at, (size_t)(j->size - at), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += n;
	}
	if (!text || at < j->size) {
		refuse(j, "cannot read", e);
		free(text);
		return NULL;
	}
	text[at] = '\0';
	return text;
}

static bool is_of(const json_t *header, json_int_t generation)
{
	const json_t *g = json_object_get(header, "generation");

	return json_is_integer(g) && json_integer_value(g) == generation;
}

static int read_lines(const struct journal *j, char *text, json_int_t generation,
		      void (*fn)(void *ctx, const json_t *record), void *ctx, struct err *e)
{
	unsigned n = 0;
	char *end;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		json_error_t where;
		json_t *line = json_loadb(text, (size_t)(end - text), 0, &where);
		bool is_other = line && n == 0 && !is_of(line, generation);

		n++;
		if (!line)
			return err_set(e, ERR_INVALID, "file", "file '%s': line %u: %s", j->path, n,
				       where.text);
		if (n > 1)
			fn(ctx, line);
		json_decref(line);
		if (is_other) {
			log_info("%s: of another configuration file, and left aside", j->path);
			return 0;
		}
	}
	if (*text)
		log_warn("%s: the last line is not whole, and left out", j->path);
	return 0;
}

int journal_read(struct journal *j, json_int_t generation,
		 void (*fn)(void *ctx, const json_t *record), void *ctx, struct err *e)
{
	char *text = read_all(j, e);
	int ret;

	if (!text)
		return -EIO;
	ret = read_lines(j, text, generation, fn, ctx, e);
	free(text);
	return ret;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int write_all(const struct journal *j, const char *text, size_t n)
{
	off_t at = j->size;

	while (n > 0) {
		ssize_t done = pwrite(j->fd, text, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		text += done;
		at += done;
		n -= (size_t)done;
	}
	return fdatasync(j->fd);
}

/* Appends text, all of it or nothing. */
static int append(struct journal *j, const char *text, size_t n, struct err *e)
{
	if (write_all(j, text, n) == 0) {
		j->size += (off_t)n;
		return 0;
	}
	refuse(j, "cannot write", e);
	if (ftruncate(j->fd, j->size) < 0)
		log_error("%s: cannot be cut: %s", j->path, strerror(errno));
	return -EIO;
}

int journal_begin(struct journal *j, json_int_t generation, struct err *e)
{
	char header[64];
	int n = snprintf(header, sizeof(header), "{\"generation\": %lld}\n", (long long)generation);

	if (ftruncate(j->fd, 0) < 0)
		return refuse(j, "cannot empty", e);
	j->size = 0;
	j->n_added = 0;
	return append(j, header, (size_t)n, e);
}

int journal_add(struct journal *j, json_t *record)
{
	char *line = record ? json_dumps(record, JSON_COMPACT) : NULL;
	size_t n = line ? strlen(line) : 0;
	char *added = line ? realloc(j->added, j->n_added + n + 1) : NULL;

	if (added) {
		line[n] = '\n'; /* in the place of its NUL */
		memcpy(added + j->n_added, line, n + 1);
		j->added = added;
		j->n_added += n + 1;
	}
	free(line);
	json_decref(record);
	return added ? 0 : -ENOMEM;
}

int journal_commit(struct journal *j, struct err *e)
{
	int ret = j->n_added > 0 ? append(j, j->added, j->n_added, e) : 0;

	j->n_added = 0;
	return ret;
}

bool journal_is_long(const struct journal *j)
{
	return j->size > LONG_BYTES;
}
