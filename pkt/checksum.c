/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum over packets.
 *
 * A sum of longer words, folded, equals the sum of 16-bit words (RFC 1071, 2 C), so whole vectors
 * are added. The function that copies is compiled twice, for any CPU and for those with AVX2. */
#include "pkt/checksum.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cpuflags.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

/* Four words of 64 bits, unaligned. Their halves of 32 bits are added, so that no carry is lost. */
typedef uint64_t vec __attribute__((vector_size(32)));

#define LOW_HALF 0xffffffffULL

static __rte_always_inline uint64_t fold_vec(const vec *v)
{
	uint64_t sum = 0;

	for (int i = 0; i < 4; i++)
		sum += ((*v)[i] & LOW_HALF) + ((*v)[i] >> 32);
	return sum;
}

static __rte_always_inline void add_vec(vec *sum, const vec *v)
{
	*sum += (*v & LOW_HALF) + (*v >> 32);
}

/* The 64-bit words of the sum cannot overflow: packets are too short for that. */
static __rte_always_inline uint64_t copy_and_add(uint8_t *to, const uint8_t *from, uint32_t len)
{
	vec a, b, sum = {0}, more = {0};

	for (; len >= 2 * sizeof(vec); len -= 2 * sizeof(vec)) {
		memcpy(&a, from, sizeof(a));
		memcpy(&b, from + sizeof(a), sizeof(b));
		memcpy(to, &a, sizeof(a));
		memcpy(to + sizeof(a), &b, sizeof(b));
		add_vec(&sum, &a);
		add_vec(&more, &b);
		from += 2 * sizeof(vec);
		to += 2 * sizeof(vec);
	}
	while (len > 0) {
		uint32_t n = RTE_MIN(len, (uint32_t)sizeof(a));

		a = (vec){0};
		memcpy(&a, from, n);
		memcpy(to, &a, n);
		add_vec(&sum, &a);
		from += n;
		to += n;
		len -= n;
	}
	sum += more;
	return fold_vec(&sum);
}

__attribute__((target("avx2"))) static uint64_t copy_avx2(uint8_t *to, const uint8_t *from,
							  uint32_t len)
{
	return copy_and_add(to, from, len);
}

static uint64_t copy_any(uint8_t *to, const uint8_t *from, uint32_t len)
{
	return copy_and_add(to, from, len);
}

static uint64_t (*copy)(uint8_t *to, const uint8_t *from, uint32_t len) = copy_any;

RTE_INIT(choose_copy)
{
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		copy = copy_avx2;
}

/* Of parts as long as this, vectors are added: shorter ones take longer to set up than to sum up.
 */
#define LEAST_VECTORS (4 * sizeof(vec))

/* The sum of `len` bytes, a multiple of two vectors. The halves of words are added apart, so that
 * no carry is lost: the lower ones are what is left when the higher ones are taken out. */
static uint64_t add_vectors(const uint8_t *from, uint32_t len)
{
	vec words = {0}, more = {0}, high = {0}, more_high = {0}, a, b, sum;

	for (; len > 0; len -= 2 * sizeof(vec), from += 2 * sizeof(vec)) {
		memcpy(&a, from, sizeof(a));
		memcpy(&b, from + sizeof(a), sizeof(b));
		words += a;
		high += a >> 32;
		more += b;
		more_high += b >> 32;
	}
	high += more_high;
	sum = words + more - (high << 32) + high;
	return fold_vec(&sum);
}

static uint16_t fold(uint64_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* Adds the sum of `len` bytes. If they begin at an odd offset, its two bytes are swapped (RFC 1071,
 * 2 B). */
static void add_part(struct checksum *c, uint64_t sum, uint32_t len)
{
	c->sum += c->is_odd ? rte_bswap16(fold(sum)) : fold(sum);
	c->is_odd ^= len & 1;
}

void checksum_add(struct checksum *c, const void *from, uint32_t len)
{
	uint32_t rest = len % (2 * sizeof(vec));
	uint64_t sum = 0;

	if (len < LEAST_VECTORS)
		rest = len;
	else
		sum = add_vectors(from, len - rest);
	add_part(c, sum + rte_raw_cksum((const uint8_t *)from + len - rest, rest), len);
}

void checksum_copy(struct checksum *c, void *to, const void *from, uint32_t len)
{
	add_part(c, copy(to, from, len), len);
}

uint16_t checksum_fold(const struct checksum *c)
{
	return fold(c->sum);
}

uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t start)
{
	struct checksum c = {0};

	for (; m; m = m->next) {
		uint32_t len = rte_pktmbuf_data_len(m);

		if (start >= len) {
			start -= len;
			continue;
		}
		checksum_add(&c, rte_pktmbuf_mtod_offset(m, const void *, start), len - start);
		start = 0;
	}
	return checksum_fold(&c);
}
