/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters of captures. */
#include "control/capture_filter.h"

#include <errno.h>
#include <nss.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#define SNAPLEN 65535

/* The most that an index register adds to an offset, where it is the length of an IPv4 header.
 * Other indexes are not known before. */
#define MAX_IPV4_HEADER 60

void capture_filter_init(void)
{
	static const char *const databases[] = {"hosts", "networks", "services", "protocols",
						"ethers"};

	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++)
		__nss_configure_lookup(databases[i], "files");
}

/* Whether every jump leads forward, to an instruction of the program. In programs of users,
 * bpf_validate() accepts loops, which libpcap makes for "protochain". */
static bool is_loopless(const struct bpf_insn *insn, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (insn[i].code == (BPF_JMP | BPF_JA) && insn[i].k >= n - i)
			return false;
	return true;
}

static uint32_t size_of_load(uint16_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	default:
		return 4;
	}
}

/* How far into a packet one instruction looks. */
static uint64_t reach_of(const struct bpf_insn *insn)
{
	bool is_load = BPF_CLASS(insn->code) == BPF_LD || BPF_CLASS(insn->code) == BPF_LDX;
	uint64_t reach = (uint64_t)insn->k + size_of_load(insn->code);

	if (!is_load)
		return 0;
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		return reach;
	case BPF_MSH:
		return (uint64_t)insn->k + 1;
	case BPF_IND:
		return reach + MAX_IPV4_HEADER;
	default:
		return 0;
	}
}

static int check(const struct bpf_program *p, uint32_t *reach, struct err *e)
{
	uint64_t most = 0;

	if (p->bf_len > CAPTURE_FILTER_MAX)
		return err_set(e, ERR_INVALID, "filter",
			       "filter: it takes %u instructions, of which there may be %d",
			       p->bf_len, CAPTURE_FILTER_MAX);
	if (!is_loopless(p->bf_insns, p->bf_len))
		return err_set(e, ERR_INVALID, "filter",
			       "filter: it loops, as 'protochain' does, which is not supported");
	if (!bpf_validate(p->bf_insns, (int)p->bf_len))
		return err_set(e, ERR_INVALID, "filter", "filter: libpcap made no valid program");
	for (uint32_t i = 0; i < p->bf_len; i++)
		most = reach_of(&p->bf_insns[i]) > most ? reach_of(&p->bf_insns[i]) : most;
	/* The kernel has what is not in packets at such offsets: their direction, for one. */
	if (most > SNAPLEN + MAX_IPV4_HEADER)
		return err_set(e, ERR_INVALID, "filter",
			       "filter: it looks beyond the longest packet, or for what is not in "
			       "packets, as 'inbound' does");
	*reach = (uint32_t)most;
	return 0;
}

int capture_filter_compile(const char *text, struct bpf_insn **program, uint32_t *reach,
			   struct err *e)
{
	struct bpf_program p = {0};
	pcap_t *pcap;
	int ret;

	*program = NULL;
	*reach = 0;
	if (text[strspn(text, " \t\n")] == '\0')
		return 0;
	if (strlen(text) >= CAPTURE_FILTER_SIZE)
		return err_set(e, ERR_INVALID, "filter", "filter: has more than %d bytes",
			       CAPTURE_FILTER_SIZE - 1);
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (!pcap)
		return err_set(e, ERR_NO_SPACE, "filter", "filter: out of memory");
	if (pcap_compile(pcap, &p, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		ret = err_set(e, ERR_INVALID, "filter", "filter: %.200s", pcap_geterr(pcap));
		pcap_close(pcap);
		return ret;
	}
	pcap_close(pcap);
	ret = check(&p, reach, e);
	if (ret == 0) {
		*program = malloc(p.bf_len * sizeof(**program));
		if (*program)
			memcpy(*program, p.bf_insns, p.bf_len * sizeof(**program));
		else
			ret = err_set(e, ERR_NO_SPACE, "filter", "filter: out of memory");
	}
	pcap_freecode(&p);
	return ret;
}
