/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON-RPC method that explains what would become of a packet: the packet is made here, and
 * what becomes of it is told by packet_tell(). */
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "rpc_schema.h"
#include "base/ip_proto.h"
#include "control/ctx_rpc.h"
#include "control/packet_tell_rpc.h"
#include "pkt/compose.h"
#include "vhost/net_lent.h"

static int parse_hex(const char *text, uint8_t *to, uint32_t *length, struct err *e)
{
	uint32_t n = 0;

	while (*text) {
		char digits[3] = {text[0], text[1], '\0'};

		if (isspace((unsigned char)*text) || *text == ':') {
			text++;
			continue;
		}
		if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
			return err_set(e, ERR_INVALID, "hex",
				       "hex: '%s' behind %u bytes is no byte in two hex digits",
				       digits, n);
		if (n == PKT_MAX_COMPOSED)
			return err_set(e, ERR_INVALID, "hex", "hex: more than %d bytes",
				       PKT_MAX_COMPOSED);
		to[n++] = (uint8_t)strtoul(digits, NULL, 16);
		text += 2;
	}
	if (n < RTE_ETHER_HDR_LEN)
		return err_set(e, ERR_INVALID, "hex", "hex: %u bytes, an Ethernet header has %d", n,
			       RTE_ETHER_HDR_LEN);
	*length = n;
	return 0;
}

static void put_mac(uint64_t mac, uint8_t to[6])
{
	memcpy(to, &mac, 6);
}

/* A MAC address of any kind, whose form the schema has checked. */
static void read_mac(const char *text, uint8_t to[6])
{
	for (int i = 0; i < 6; i++)
		to[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
}

static int parse_addresses(const struct rpc_packet_trace *p, struct pkt_fields *f, struct err *e)
{
	if (!p->src_ip && !p->dst_ip)
		return p->protocol ? err_set(e, ERR_INVALID, "protocol",
					     "protocol: there is no IP without src_ip and dst_ip")
				   : 0;
	if (!p->src_ip || !ip_addr_parse(p->src_ip, &f->src))
		return err_set(e, ERR_INVALID, "src_ip", "src_ip '%s': not an IP address",
			       p->src_ip ? p->src_ip : "");
	if (!p->dst_ip || !ip_addr_parse(p->dst_ip, &f->dst))
		return err_set(e, ERR_INVALID, "dst_ip", "dst_ip '%s': not an IP address",
			       p->dst_ip ? p->dst_ip : "");
	if (f->src.is_v6 != f->dst.is_v6)
		return err_set(e, ERR_INVALID, "dst_ip", "dst_ip '%s': not of src_ip's IP version",
			       p->dst_ip);
	f->is_ip = true;
	return 0;
}

static int parse_l4(const struct rpc_packet_trace *p, struct pkt_fields *f, struct err *e)
{
	if (p->protocol && ip_proto_parse("protocol", p->protocol, &f->protocol, e) < 0)
		return -1;
	if (f->src.is_v6 && f->protocol == IPPROTO_ICMP)
		f->protocol = IPPROTO_ICMPV6;
	if ((p->has_src_port || p->has_dst_port) && !ip_proto_has_ports(f->protocol))
		return err_set(e, ERR_INVALID, p->has_src_port ? "src_port" : "dst_port",
			       "%s: the protocol has no ports",
			       p->has_src_port ? "src_port" : "dst_port");
	if ((p->has_icmp_type || p->has_icmp_code) && !ip_proto_is_icmp(f->protocol))
		return err_set(e, ERR_INVALID, "icmp_type", "icmp_type: the protocol is not icmp");
	f->src_port = (uint16_t)p->src_port;
	f->dst_port = (uint16_t)p->dst_port;
	f->icmp_type = (uint8_t)(p->has_icmp_type ? p->icmp_type : f->src.is_v6 ? 128 : 8);
	f->icmp_code = (uint8_t)p->icmp_code;
	return 0;
}

static int parse_fields(const struct rpc_packet_trace *p, const struct port *port, uint8_t *to,
			uint32_t *length, struct err *e)
{
	struct pkt_fields f = {.tcp_flags = 2 /* SYN */, .length = (uint32_t)p->length};

	if (!p->dst_mac)
		return err_set(e, ERR_INVALID, "dst_mac",
			       "dst_mac: required parameter is missing (or hex)");
	if (!p->src_mac && !port->sources.mac[0])
		return err_set(e, ERR_INVALID, "src_mac",
			       "src_mac: required, for port '%s' has no mac", port->name);
	put_mac(port->sources.mac[0], f.src_mac);
	if (p->src_mac)
		read_mac(p->src_mac, f.src_mac);
	read_mac(p->dst_mac, f.dst_mac);
	if (parse_addresses(p, &f, e) < 0 || parse_l4(p, &f, e) < 0)
		return -1;
	*length = pkt_compose(&f, to);
	return 0;
}

static int read_packet(const struct rpc_packet_trace *p, const struct port *port, uint8_t *to,
		       uint32_t *length, struct err *e)
{
	if (p->hex && (p->dst_mac || p->src_mac || p->src_ip || p->dst_ip || p->protocol))
		return err_set(e, ERR_INVALID, "hex", "hex: there are fields as well");
	return p->hex ? parse_hex(p->hex, to, length, e) : parse_fields(p, port, to, length, e);
}

/* Makes packets of the bytes as the datapath has them: a head, and the rest. */
static void attach(struct rte_mbuf m[2], uint8_t *bytes, uint32_t length)
{
	uint32_t head = RTE_MIN(length, (uint32_t)NET_LENT_BYTES);

	memset(m, 0, 2 * sizeof(m[0]));
	m[0].buf_addr = bytes;
	m[0].data_len = (uint16_t)head;
	m[0].pkt_len = length;
	m[0].nb_segs = length > head ? 2 : 1;
	m[0].next = length > head ? &m[1] : NULL;
	m[1].buf_addr = bytes + head;
	m[1].data_len = (uint16_t)(length - head);
	m[1].nb_segs = 1;
}

json_t *rpc_handle_packet_trace(struct rpc_ctx *ctx, const struct rpc_packet_trace *p,
				struct err *e)
{
	struct port *port = port_find(ctx->sw, p->port);
	struct rte_mbuf m[2];
	json_t *result = NULL;
	uint32_t length = 0;
	uint8_t *bytes;

	if (!port) {
		err_set(e, ERR_NOT_FOUND, "port", "port '%s' does not exist", p->port);
		return NULL;
	}
	bytes = malloc(PKT_MAX_COMPOSED);
	if (!bytes)
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	if (bytes && read_packet(p, port, bytes, &length, e) == 0) {
		attach(m, bytes, RTE_MIN(length, (uint32_t)UINT16_MAX));
		result = packet_tell(ctx->sw, port, &m[0]);
	}
	free(bytes);
	return result;
}
