/* SPDX-License-Identifier: BSD-3-Clause */
/* The parser of VM and stream lines. Each key is one row of a table. */
#include "bench/loadgen/spec.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ether.h>

/* IMIX: 7 of 64, 4 of 576, 1 of 1500, interleaved. */
#define IMIX "64+576+64+64+576+64+1500+64+576+64+576+64"

enum kind { K_STR, K_BOOL, K_U16, K_U32, K_U64, K_DOUBLE };

struct key {
	const char *name;
	enum kind kind;
	size_t offset, size;
	double min, max;
};

#define FIELD(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)

static const struct key vm_keys[] = {
	{"socket", K_STR, FIELD(vm_spec, socket), 0, 0},
	{"attack", K_STR, FIELD(vm_spec, attack), 0, 0},
	{"queues", K_U16, FIELD(vm_spec, queues), 1, 8},
	{"ring", K_U16, FIELD(vm_spec, ring), 32, 32768},
	{"packed", K_BOOL, FIELD(vm_spec, packed), 0, 1},
	{"server", K_BOOL, FIELD(vm_spec, server), 0, 1},
	{"mergeable", K_BOOL, FIELD(vm_spec, mergeable), 0, 1},
	{"in_order", K_BOOL, FIELD(vm_spec, in_order), 0, 1},
	{"tso", K_BOOL, FIELD(vm_spec, tso), 0, 1},
	{"kick_always", K_BOOL, FIELD(vm_spec, kick_always), 0, 1},
	{"rate", K_DOUBLE, FIELD(vm_spec, rate), 0, 1e9},
	{"peer", K_U16, FIELD(vm_spec, peer), 0, MAX_VMS - 1},
	{"macs", K_U16, FIELD(vm_spec, macs), 1, 32768},
	{"flows", K_U32, FIELD(vm_spec, flows), 0, 1u << 30},
	{"rx_rate", K_DOUBLE, FIELD(vm_spec, rx_rate), 0, 1e9},
	{"look_us", K_DOUBLE, FIELD(vm_spec, look_us), 0, 1e6},
	{"address", K_STR, FIELD(vm_spec, address), 0, 0},
	{"mac", K_STR, FIELD(vm_spec, mac), 0, 0},
	{"vni", K_U32, FIELD(vm_spec, vni), 1, 0xffffff},
	{"wire", K_U16, FIELD(vm_spec, wire), 0, MAX_VMS - 1},
	{NULL, 0, 0, 0, 0, 0},
};

static const struct key stream_keys[] = {
	{"name", K_STR, FIELD(stream_spec, name), 0, 0},
	{"all", K_BOOL, FIELD(stream_spec, all), 0, 1},
	{"window", K_U32, FIELD(stream_spec, window), 1, 65536},
	{"rate", K_DOUBLE, FIELD(stream_spec, rate), 0, 1e9},
	{"poisson", K_BOOL, FIELD(stream_spec, poisson), 0, 1},
	{"period_us", K_DOUBLE, FIELD(stream_spec, period_us), 0, 1e8},
	{"on_us", K_DOUBLE, FIELD(stream_spec, on_us), 0, 1e8},
	{"phase_us", K_DOUBLE, FIELD(stream_spec, phase_us), 0, 1e8},
	{"phase_step_us", K_DOUBLE, FIELD(stream_spec, phase_step_us), 0, 1e8},
	{"timeout_us", K_DOUBLE, FIELD(stream_spec, timeout_us), 10, 1e8},
	{"flows", K_U32, FIELD(stream_spec, flows), 1, 10000},
	{"fresh", K_BOOL, FIELD(stream_spec, fresh), 0, 1},
	{"check", K_BOOL, FIELD(stream_spec, check), 0, 1},
	{"tso", K_BOOL, FIELD(stream_spec, tso), 0, 1},
	{"faults", K_U32, FIELD(stream_spec, faults), 0, 1e9},
	{"limit", K_U64, FIELD(stream_spec, limit), 0, 1e15},
	{NULL, 0, 0, 0, 0, 0},
};

static const struct key phase_keys[] = {
	{"streams", K_STR, FIELD(phase_spec, streams), 0, 0},
	{"attacks", K_BOOL, FIELD(phase_spec, attacks), 0, 1},
	{NULL, 0, 0, 0, 0, 0},
};

static int complain(const char *key, const char *value)
{
	fprintf(stderr, "loadgen: bad value for %s: %s\n", key, value);
	return -1;
}

static int set_key(const struct key *k, void *object, const char *value)
{
	void *at = (char *)object + k->offset;
	char *end;
	double v;

	if (k->kind == K_STR) {
		if (strlen(value) >= k->size)
			return complain(k->name, value);
		strcpy(at, value);
		return 0;
	}
	v = strtod(value, &end);
	if (end == value || *end || !(v >= k->min && v <= k->max))
		return complain(k->name, value);
	switch (k->kind) {
	case K_BOOL:
		*(bool *)at = v != 0;
		break;
	case K_U16:
		*(uint16_t *)at = (uint16_t)v;
		break;
	case K_U32:
		*(uint32_t *)at = (uint32_t)v;
		break;
	case K_U64:
		*(uint64_t *)at = (uint64_t)v;
		break;
	default:
		*(double *)at = v;
	}
	return 0;
}

/* "3" or "3-7". */
static int parse_range(const char *text, uint16_t *first, uint16_t *last)
{
	char *end;
	unsigned long a = strtoul(text, &end, 10), b = a;

	if (end == text)
		return -1;
	if (*end == '-') {
		text = end + 1;
		b = strtoul(text, &end, 10);
		if (end == text)
			return -1;
	}
	if (*end || a > b || b >= MAX_VMS)
		return -1;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return 0;
}

/* One step "len[/segments][*repeat]" of a size pattern. */
static int add_step(struct stream_spec *st, const char *step)
{
	struct size_step s = {.segments = 1};
	unsigned long repeat = 1;
	char *end;

	s.len = (uint32_t)strtoul(step, &end, 10);
	if (*end == '/')
		s.segments = (uint16_t)strtoul(end + 1, &end, 10);
	if (*end == '*')
		repeat = strtoul(end + 1, &end, 10);
	if (*end || s.len < 64 || s.len > 65535 || s.segments < 1 || s.segments > 1024 ||
	    repeat < 1 || repeat > MAX_SIZES - st->n_sizes || s.len / s.segments > 32768 ||
	    s.len < s.segments + 63u)
		return complain("size", step);
	for (unsigned long i = 0; i < repeat; i++)
		st->sizes[st->n_sizes++] = s;
	if (s.len > st->max_len)
		st->max_len = s.len;
	if (s.segments > st->max_segments)
		st->max_segments = s.segments;
	return 0;
}

static int parse_sizes(struct stream_spec *st, const char *text)
{
	char copy[256], *save = NULL, *step;

	if (strcmp(text, "imix") == 0)
		text = IMIX;
	else if (strcmp(text, "mix") == 0)
		text = "64+256+1500";
	if (strlen(text) >= sizeof(copy))
		return complain("size", text);
	strcpy(copy, text);
	st->n_sizes = 0;
	for (step = strtok_r(copy, "+", &save); step; step = strtok_r(NULL, "+", &save))
		if (add_step(st, step) < 0)
			return -1;
	return st->n_sizes ? 0 : complain("size", text);
}

static int parse_mode(struct stream_spec *st, const char *text)
{
	static const char *const names[] = {"closed", "open", "saturate", "request"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			st->mode = (enum stream_mode)i;
			return 0;
		}
	}
	return complain("mode", text);
}

static int parse_to(struct stream_spec *st, const char *text)
{
	if (strcmp(text, "broadcast") == 0)
		st->target = TARGET_BROADCAST;
	else if (strcmp(text, "unknown") == 0)
		st->target = TARGET_UNKNOWN;
	else if (parse_range(text, &st->to_first, &st->to_last) < 0)
		return complain("to", text);
	return 0;
}

static int set_by_table(const struct key *keys, void *object, const char *name, const char *value)
{
	for (const struct key *k = keys; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return set_key(k, object, value);
	fprintf(stderr, "loadgen: no such key: %s\n", name);
	return -1;
}

static int vm_key(void *object, const char *name, const char *value)
{
	struct vm_spec *v = object;

	if (strcmp(name, "type") == 0) {
		static const struct {
			const char *name;
			enum vm_type type;
		} types[] = {{"virtio", VM_VIRTIO},
			     {"fe", VM_FE},
			     {"wire", VM_WIRE},
			     {"remote", VM_REMOTE}};

		for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			if (strcmp(value, types[i].name) == 0) {
				v->type = types[i].type;
				return 0;
			}
		}
		return complain(name, value);
	}
	return set_by_table(vm_keys, v, name, value);
}

static int stream_key(void *object, const char *name, const char *value)
{
	struct stream_spec *st = object;

	if (strcmp(name, "from") == 0)
		return parse_range(value, &st->from_first, &st->from_last) < 0
			       ? complain(name, value)
			       : 0;
	if (strcmp(name, "to") == 0)
		return parse_to(st, value);
	if (strcmp(name, "size") == 0)
		return parse_sizes(st, value);
	if (strcmp(name, "mode") == 0)
		return parse_mode(st, value);
	return set_by_table(stream_keys, st, name, value);
}

static int phase_key(void *object, const char *name, const char *value)
{
	return set_by_table(phase_keys, object, name, value);
}

/* Puts the VM's number in the place of %d. */
static int number_socket(struct vm_spec *v, unsigned int number)
{
	char text[sizeof(v->socket)], *mark = strstr(v->socket, "%d");
	int n;

	if (!mark)
		return 0;
	*mark = 0;
	n = snprintf(text, sizeof(text), "%s%u%s", v->socket, number, mark + 2);
	if (n < 0 || (size_t)n >= sizeof(text))
		return complain("socket", v->socket);
	strcpy(v->socket, text);
	return 0;
}

static int finish_vm(struct spec *s, const struct vm_spec *v, const char *range)
{
	uint16_t first, last;

	if (parse_range(range, &first, &last) < 0)
		return complain("vm", range);
	if (v->tso && (v->type != VM_VIRTIO || v->attack[0])) {
		fprintf(stderr, "loadgen: vm %s: only type=virtio without an attack has tso\n",
			range);
		return -1;
	}
	for (uint16_t i = first; i <= last; i++) {
		s->vm[i] = *v;
		s->vm[i].present = true;
		if (v->attack[0])
			s->vm[i].type = VM_ATTACK;
		if (number_socket(&s->vm[i], i) < 0)
			return -1;
		if (i >= s->n_vms)
			s->n_vms = (uint16_t)(i + 1);
	}
	return 0;
}

static bool is_address(const char *text)
{
	struct in_addr a;

	return inet_pton(AF_INET, text, &a) == 1;
}

/* Whether wires, and the VMs behind them, have all that their headers need. */
static int check_wires(const struct spec *s)
{
	struct rte_ether_addr mac;

	for (uint16_t i = 0; i < s->n_vms; i++) {
		const struct vm_spec *v = &s->vm[i];
		bool is_right = is_address(v->address);

		if (!v->present || (v->type != VM_WIRE && v->type != VM_REMOTE))
			continue;
		if (v->type == VM_WIRE)
			is_right = is_right && rte_ether_unformat_addr(v->mac, &mac) == 0;
		else
			is_right = is_right && s->vm[v->wire].present &&
				   s->vm[v->wire].type == VM_WIRE;
		if (!is_right) {
			fprintf(stderr,
				"loadgen: VM %u: a wire needs address and mac, a remote address "
				"and the number of a wire\n",
				i);
			return -1;
		}
	}
	return 0;
}

static int finish_stream(struct spec *s, struct stream_spec *st)
{
	uint32_t senders = st->from_last - st->from_first + 1u;

	if (st->n_sizes == 0 && parse_sizes(st, "64") < 0)
		return -1;
	if (st->target == TARGET_VM && !st->all && st->to_last - st->to_first + 1u != senders &&
	    st->to_first != st->to_last) {
		fprintf(stderr, "loadgen: stream %s: from and to differ in number\n", st->name);
		return -1;
	}
	if (st->faults && (!st->check || st->flows > 1 || st->all || st->faults < 4)) {
		fprintf(stderr,
			"loadgen: stream %s: faults needs check=1, one flow, and 4 or more\n",
			st->name);
		return -1;
	}
	/* What is segmented on its way does not arrive as it was sent, and replies are UDP only. */
	if (st->tso && (st->check || st->mode == MODE_REQUEST)) {
		fprintf(stderr, "loadgen: stream %s: tso goes with neither check nor requests\n",
			st->name);
		return -1;
	}
	if (st->mode == MODE_REQUEST || st->check || st->flows > 1 || st->n_sizes > 1 ||
	    st->target != TARGET_VM || st->tso || st->max_segments > 1 || st->all)
		st->fresh = true;
	if (st->name[0] == 0)
		snprintf(st->name, sizeof(st->name), "s%u", s->n_streams);
	s->stream[s->n_streams++] = st;
	return 0;
}

/* Sets a key of the object for each "name=value" that is left in the line. */
static int each_pair(char **save, int (*set)(void *, const char *, const char *), void *object)
{
	char *word, *eq;

	while ((word = strtok_r(NULL, " \t,\n", save))) {
		eq = strchr(word, '=');
		if (!eq)
			return complain("line", word);
		*eq = 0;
		if (set(object, word, eq + 1) < 0)
			return -1;
	}
	return 0;
}

static int vm_line(struct spec *s, char **save)
{
	struct vm_spec v = {.queues = 1,
			    .ring = 256,
			    .mergeable = true,
			    .in_order = true,
			    .rate = 1000,
			    .peer = MAX_VMS,
			    .macs = 1,
			    .vni = 1};
	const char *range = strtok_r(NULL, " \t,\n", save);

	if (!range)
		return complain("vm", "no number");
	return each_pair(save, vm_key, &v) < 0 ? -1 : finish_vm(s, &v, range);
}

static int stream_line(struct spec *s, char **save)
{
	struct stream_spec *st = calloc(1, sizeof(*st));

	if (!st || s->n_streams == MAX_STREAMS) {
		free(st);
		return complain("stream", "too many");
	}
	st->window = 64;
	st->flows = 1;
	st->timeout_us = 20000;
	if (each_pair(save, stream_key, st) < 0 || finish_stream(s, st) < 0) {
		free(st);
		return -1;
	}
	return 0;
}

static int phase_line(struct spec *s, char **save)
{
	struct phase_spec *p = &s->phase[s->n_phases];
	const char *name = strtok_r(NULL, " \t,\n", save);

	if (!name || s->n_phases == MAX_PHASES || strlen(name) >= sizeof(p->name))
		return complain("phase", name ? name : "no name");
	strcpy(p->name, name);
	p->attacks = true;
	s->n_phases++;
	return each_pair(save, phase_key, p);
}

int spec_line(struct spec *s, const char *line)
{
	char *copy = strdup(line), *save = NULL, *word;
	int rc = 0;

	if (!copy)
		return -1;
	word = strtok_r(copy, " \t,\n", &save);
	if (!word || word[0] == '#')
		rc = 0;
	else if (strcmp(word, "vm") == 0)
		rc = vm_line(s, &save);
	else if (strcmp(word, "stream") == 0)
		rc = stream_line(s, &save);
	else if (strcmp(word, "phase") == 0)
		rc = phase_line(s, &save);
	else
		rc = complain("line", word);
	free(copy);
	return rc;
}

int spec_file(struct spec *s, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[1024];
	int rc = 0;

	if (!f) {
		perror(path);
		return -1;
	}
	while (rc == 0 && fgets(line, sizeof(line), f))
		rc = spec_line(s, line);
	fclose(f);
	return rc;
}

/* Whether all VMs of a range have tso; those that are missing are somebody else's to complain
 * about. */
static int have_tso(const struct spec *s, const struct stream_spec *st, uint16_t first,
		    uint16_t last)
{
	for (uint16_t i = first; i <= last; i++) {
		if (s->vm[i].present && !s->vm[i].tso) {
			fprintf(stderr, "loadgen: stream %s: tso, but VM %u has no tso=1\n",
				st->name, i);
			return -1;
		}
	}
	return 0;
}

int spec_check(const struct spec *s)
{
	if (check_wires(s) < 0)
		return -1;
	for (uint16_t i = 0; i < s->n_streams; i++) {
		const struct stream_spec *st = s->stream[i];

		if (!st->tso)
			continue;
		if (have_tso(s, st, st->from_first, st->from_last) < 0)
			return -1;
		/* The other end of a closed stream sends too. */
		if (st->mode == MODE_CLOSED && st->target == TARGET_VM &&
		    have_tso(s, st, st->to_first, st->to_last) < 0)
			return -1;
	}
	return 0;
}

void spec_free(struct spec *s)
{
	for (uint16_t i = 0; i < s->n_streams; i++)
		free(s->stream[i]);
	s->n_streams = 0;
}
