/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups. The rules decide about what opens a connection; what belongs to one passes. When
 * the rules have changed, a connection is judged again by its next packet, as when it was opened.
 *
 * A batch is gone through three times: flows are read and hashed, and their buckets begin to be
 * loaded; connections begin to be loaded; packets are judged in order, each by what those before it
 * left behind. Dry judging takes the same ways and leaves the changes out. */
#include "policy/security.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include "pkt/drops.h"
#include "policy/conntrack_impl.h"
#include "policy/filter.h"

#define BATCH 32

struct judge {
	const struct security *s;
	const struct filter *filter; /* of this direction; NULL: it is open */
	struct conntrack *ct;
	enum flow_side side;
	uint32_t now_ms;
	bool is_dry;
};

/* A packet, and where its connection is. */
struct suspect {
	const struct rte_mbuf *m;
	const struct flow *f;
	const struct conn_place *place;
	struct conn *guess;
};

const char *security_how_text(enum security_how how)
{
	static const char *const texts[SECURITY_HOWS] = {
#define X(name, text, help) [SECURITY_##name] = text,
#include "policy/security_how.def"
#undef X
	};

	return texts[how];
}

const char *security_how_help(enum security_how how)
{
	static const char *const helps[SECURITY_HOWS] = {
#define X(name, text, help) [SECURITY_##name] = help,
#include "policy/security_how.def"
#undef X
	};

	return helps[how];
}

static const struct filter *filter_of(const struct security *s, enum flow_side side)
{
	return side == FLOW_SENT ? s->egress : s->ingress;
}

static struct judgement pass(enum security_how how, int rule, enum flow_side rule_side)
{
	return (struct judgement){DROP_COUNT, (uint8_t)how, (int16_t)rule, (uint8_t)rule_side};
}

static struct judgement drop(const struct judge *j, enum drop_reason reason, enum security_how how,
			     int rule)
{
	return (struct judgement){(uint8_t)reason, (uint8_t)how, (int16_t)rule, (uint8_t)j->side};
}

static int match(const struct judge *j, const struct filter *filter, const struct flow *f)
{
	const struct filter_groups *groups = NULL;

	if (j->s->groups)
		groups = atomic_load_explicit(j->s->groups, memory_order_acquire);
	return filter_match(filter, groups, f);
}

/* --- connections -------------------------------------------------------------------------------
 */

/* The first packet of a connection, as far as rules look at it. */
static struct flow first_packet(const struct conn *conn)
{
	return (struct flow){
		.key = conn->key,
		.kind = FLOW_PACKET,
		.side = conn->opener,
		.is_v6 = flow_key_is_v6(&conn->key),
		.icmp_type = conn->icmp_type,
		.icmp_code = conn->icmp_code,
	};
}

/* Has a connection that was ruled out go on: how far it had got is not known any more. */
static void revive(const struct judge *j, struct conn *conn)
{
	conn->fins = 0;
	conn->alive = 0;
	conn->seen_ms = j->now_ms;
	switch (conn->key.proto) {
	case IPPROTO_TCP:
		conn->state = CONN_TCP_ESTABLISHED;
		break;
	case IPPROTO_UDP:
		conn->state = CONN_UDP_TWO_WAY;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		conn->state = CONN_ICMP_TWO_WAY;
		break;
	default:
		conn->state = CONN_OTHER_TWO_WAY;
	}
}

/* Notes what the rules say about a connection now. One that is ruled out stays in the table, with
 * who opened it: else the next packet of the end that may open connections would open it again. */
static void note_ruling(const struct judge *j, struct conn *conn, bool is_allowed, int16_t rule)
{
	conn->generation = j->s->generation;
	conn->rule = rule;
	if (is_allowed && conn->state == CONN_ENDED) {
		revive(j, conn);
	} else if (!is_allowed && conn->state != CONN_ENDED) {
		conn->state = CONN_ENDED;
		conn->seen_ms = j->now_ms;
	}
}

/* Whether the rules allow a connection, of which *rule does. Rules that have changed since it was
 * judged are asked again, about its first packet. */
static bool is_allowed(const struct judge *j, struct conn *conn, int16_t *rule)
{
	const struct filter *filter;
	bool allowed = true;
	struct flow f;

	*rule = conn->rule;
	if (__builtin_expect(conn->generation == j->s->generation, 1))
		return conn->state != CONN_ENDED;
	filter = filter_of(j->s, (enum flow_side)conn->opener);
	*rule = FILTER_NO_RULE;
	if (filter) {
		f = first_packet(conn);
		*rule = (int16_t)match(j, filter, &f);
		allowed = filter_allows(filter, *rule);
	}
	if (!j->is_dry)
		note_ruling(j, conn, allowed, *rule);
	return allowed;
}

static struct conn *find(const struct judge *j, const struct suspect *p)
{
	if (p->guess && flow_key_equal(&p->guess->key, &p->f->key))
		return p->guess;
	return conntrack_find(j->ct, &p->f->key, p->place);
}

/* Whether a packet begins another connection with the key of one that is over. */
static bool is_reopened(const struct conn *conn, const struct flow *f)
{
	return (f->tcp_flags & (TH_SYN | TH_ACK)) == TH_SYN &&
	       conn_rank[conn->state] == CONN_RANK_CLOSING;
}

/* Whether answers are to be expected: not to a reset, nor to ICMP other than an echo's question. */
static bool opens_connection(const struct flow *f)
{
	switch (f->key.proto) {
	case IPPROTO_TCP:
		return !(f->tcp_flags & TH_RST);
	case IPPROTO_ICMP:
		return f->is_v6 || f->icmp_type == ICMP_ECHO;
	case IPPROTO_ICMPV6:
		return !f->is_v6 || f->icmp_type == ICMP6_ECHO_REQUEST;
	default:
		return true;
	}
}

/* Removes a connection that is over. */
static void put_away(const struct judge *j, struct conn *conn)
{
	if (conn_is_expired(conn, j->now_ms))
		counter_add(&j->ct->expired, 1);
	conntrack_remove(j->ct, conn);
}

/* Whether the table takes a new connection, for which `gone`, if it is not NULL, is removed: not
 * before it is known that there is room. */
static bool admit(const struct judge *j, const struct suspect *p, int rule, struct conn *gone)
{
	bool has_room = !gone && !j->is_dry;
	struct conn *conn;

	if (!has_room)
		has_room = conntrack_has_room(j->ct, p->place, j->side, gone, j->now_ms);
	if (j->is_dry)
		return has_room;
	if (!has_room) {
		counter_add(&j->ct->refused, 1);
		return false;
	}
	if (gone)
		put_away(j, gone);
	conn = conntrack_add(j->ct, p->place, p->f, j->now_ms);
	if (!conn)
		return false;
	conn->generation = j->s->generation;
	conn->rule = (int16_t)rule;
	return true;
}

/* Judges what may begin a connection. `gone`, if it is not NULL, has its key, and stays as it is
 * unless the packet does begin one. */
static struct judgement judge_new(const struct judge *j, const struct suspect *p, struct conn *gone)
{
	int rule = FILTER_NO_RULE;

	if (j->filter) {
		rule = match(j, j->filter, p->f);
		if (!filter_allows(j->filter, rule))
			return drop(j, DROP_SECURITY_GROUP, SECURITY_NEW, rule);
	}
	if (opens_connection(p->f) && !admit(j, p, rule, gone) && j->filter)
		return drop(j, DROP_CONNECTIONS_FULL, SECURITY_NEW, rule);
	return pass(j->filter ? SECURITY_NEW : SECURITY_OPEN, rule, j->side);
}

/* Drops a packet of a connection that is ruled out. TCP stays so while its ends go on; of other
 * protocols, where nothing tells a new conversation from an old one, it lasts a minute. */
static struct judgement drop_ended(const struct judge *j, struct conn *conn, int16_t rule)
{
	if (!j->is_dry && conn->key.proto == IPPROTO_TCP)
		conn->seen_ms = j->now_ms;
	return (struct judgement){DROP_SECURITY_GROUP, SECURITY_ENDED, rule, conn->opener};
}

static struct judgement judge_packet(const struct judge *j, const struct suspect *p)
{
	struct conn *conn = find(j, p);
	int16_t rule;

	if (!conn)
		return judge_new(j, p, NULL);
	if (conn_is_expired(conn, j->now_ms) || is_reopened(conn, p->f))
		return judge_new(j, p, conn);
	if (!is_allowed(j, conn, &rule))
		return drop_ended(j, conn, rule);
	if (!j->is_dry)
		conntrack_track(conn, p->f, j->now_ms);
	return pass(SECURITY_ESTABLISHED, rule, (enum flow_side)conn->opener);
}

/* --- errors and fragments ----------------------------------------------------------------------
 */

/* An error does not keep a connection from expiring, nor open one. */
static struct judgement judge_error(const struct judge *j, const struct suspect *p)
{
	struct conn *conn = find(j, p);
	struct flow itself;
	int16_t rule;

	if (conn && !conn_is_expired(conn, j->now_ms) && is_allowed(j, conn, &rule))
		return pass(SECURITY_RELATED, rule, (enum flow_side)conn->opener);
	if (!j->filter)
		return pass(SECURITY_OPEN, FILTER_NO_RULE, j->side);
	flow_read_error(p->m, j->side, j->s->port, &itself);
	rule = (int16_t)match(j, j->filter, &itself);
	if (!filter_allows(j->filter, rule))
		return drop(j, DROP_SECURITY_GROUP, SECURITY_NEW, rule);
	return pass(SECURITY_NEW, rule, j->side);
}

static struct judgement judge_fragment(const struct judge *j, const struct flow *f)
{
	const struct fragment_verdict *v;

	if (!j->filter)
		return pass(SECURITY_OPEN, FILTER_NO_RULE, j->side);
	v = fragments_find(&j->ct->fragments, f, j->now_ms);
	if (!v || v->generation != j->s->generation)
		return drop(j, DROP_FRAGMENT_UNKNOWN, SECURITY_FRAGMENT, FILTER_NO_RULE);
	return (struct judgement){v->reason, SECURITY_FRAGMENT, v->rule, v->rule_side};
}

static void keep_verdict(const struct judge *j, const struct flow *f, const struct judgement *out)
{
	const struct fragment_verdict v = {
		.generation = j->s->generation,
		.rule = out->rule,
		.reason = out->reason,
		.rule_side = out->rule_side,
	};

	fragments_keep(&j->ct->fragments, f, &v, j->now_ms);
}

/* --- batches -----------------------------------------------------------------------------------
 */

static bool has_connection(const struct flow *f)
{
	return f->kind == FLOW_PACKET || f->kind == FLOW_ERROR;
}

static struct judgement judge(const struct judge *j, const struct suspect *p)
{
	switch ((enum flow_kind)p->f->kind) {
	case FLOW_PACKET:
		return judge_packet(j, p);
	case FLOW_ERROR:
		return judge_error(j, p);
	case FLOW_LATER_FRAGMENT:
		return judge_fragment(j, p->f);
	case FLOW_OTHER:
		return pass(SECURITY_NOT_IP, FILTER_NO_RULE, j->side);
	case FLOW_EXEMPT:
		return pass(SECURITY_EXEMPT, FILTER_NO_RULE, j->side);
	case FLOW_MALFORMED:
	default:
		if (!j->filter)
			return pass(SECURITY_OPEN, FILTER_NO_RULE, j->side);
		return drop(j, DROP_BAD_IP, SECURITY_MALFORMED, FILTER_NO_RULE);
	}
}

static void judge_batch(const struct judge *j, struct rte_mbuf *const *m, uint16_t n,
			struct judgement *out)
{
	struct conn_place place[BATCH];
	struct conn *guess[BATCH];
	struct flow flow[BATCH];

	for (uint16_t i = 0; i < n; i++) {
		flow_read(m[i], j->side, j->s->port, &flow[i]);
		if (has_connection(&flow[i]))
			conntrack_locate(j->ct, &flow[i].key, &place[i]);
	}
	for (uint16_t i = 0; i < n; i++)
		guess[i] = has_connection(&flow[i]) ? conntrack_guess(j->ct, &place[i]) : NULL;
	for (uint16_t i = 0; i < n; i++) {
		out[i] = judge(j, &(struct suspect){m[i], &flow[i], &place[i], guess[i]});
		if (__builtin_expect(flow[i].is_first_fragment && !j->is_dry, 0))
			keep_verdict(j, &flow[i], &out[i]);
	}
}

void security_judge(const struct security *s, struct conntrack *ct, enum flow_side side,
		    struct rte_mbuf *const *m, uint16_t n, uint32_t now_ms, bool is_dry,
		    struct judgement *out)
{
	const struct judge j = {
		.s = s,
		.filter = filter_of(s, side),
		.ct = ct,
		.side = side,
		.now_ms = now_ms,
		.is_dry = is_dry,
	};

	if (!s->egress && !s->ingress) {
		for (uint16_t i = 0; i < n; i++)
			out[i] = pass(SECURITY_OPEN, FILTER_NO_RULE, side);
		return;
	}
	for (uint16_t at = 0; at < n; at += BATCH)
		judge_batch(&j, m + at, n - at < BATCH ? (uint16_t)(n - at) : BATCH, out + at);
}
