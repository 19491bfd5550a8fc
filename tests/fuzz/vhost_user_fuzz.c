/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes what a front end sends: messages to a device whose rings are live, through the real gate
 * and the real vhost library, with the ring engine at work in between. Each message begins as the
 * one that a good front end would send, and is then changed in a few places. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_log.h>
#include <rte_mbuf.h>

#include "base/log.h"
#include "pkt/pkt.h"
#include "tests/fake/eal.h"
#include "tests/fake/vhost_fe.h"
#include "tests/fuzz/input.h"
#include "ring/guest_fd.h"
#include "vhost/message.h"
#include "ring/sigbus.h"
#include "vhost/vdev_net.h"
#include "vhost/vhost_lib.h"
#include "vhost/net_lent.h"

#define RING     64
#define MEMORY   (1u << 18)
#define PAIRS    2
#define STEPS    64
#define PATIENCE 5000 /* ms */

static char folder[64], path[96];
static struct rte_mempool *pool;
static struct gate *gate;
static struct vdev *dev;
static struct vhost_fe fe;
static struct vdev_pair *pairs;
static uint16_t n_pairs;

/* --- the device's side, on the gate's thread -----------------------------------------------------
 */

static void on_change(void *ctx, void (*fn)(void *arg), void *arg, struct vdev_pair *p, uint16_t n)
{
	(void)ctx;
	fn(arg);
	pairs = p;
	n_pairs = n;
}

static void on_changed(void *ctx, enum vdev_state state, const char *text)
{
	(void)ctx;
	MUST(state < VDEV_STATE_COUNT && strlen(text) < VDEV_TEXT_SIZE);
}

static const struct vdev_net_ops ops = {.change = on_change, .changed = on_changed};

/* Whether these bytes lie in one region of the memory that the ring goes by. */
static bool is_inside(const struct guest_mem *mem, const void *at, size_t bytes)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const uint8_t *start = mem->r[i].hva, *p = at;

		if (p >= start && p < start + mem->r[i].size)
			return bytes <= (size_t)(start + mem->r[i].size - p);
	}
	return false;
}

/* The extents are those of virtio 1.1, 2.6 and 2.7, with the event index. */
static void check_ring(const struct virtq *q)
{
	MUST(q->size > 0 && is_inside(q->mem, q->desc, 16u * q->size));
	MUST(is_inside(q->mem, q->avail, q->packed ? 4u : 4u + 2u * q->size));
	MUST(is_inside(q->mem, q->used, q->packed ? 4u : 4u + 8u * q->size));
}

static void serve_tx(struct net_ring *r, struct net_lent *lent)
{
	struct net_limits limits = {NET_MAX_BURST, UINT32_MAX, UINT32_MAX, NULL};
	struct pkt p[NET_MAX_BURST];
	struct net_taken taken = {0};
	uint16_t n = net_dequeue(r, pool, lent, p, &limits, &taken);

	for (uint16_t i = 0; i < n; i++)
		pkt_free(p[i].m);
	net_give_back(r, lent);
	virtq_complete(&r->q);
}

static void serve_rx(struct net_ring *r)
{
	static const uint8_t frame[1500];
	struct rte_mbuf *m = fake_eal_packet(pool, frame, sizeof(frame), 0);
	uint8_t result;

	net_enqueue(r, &m, 1, &result, NULL);
	virtq_complete(&r->q);
	rte_pktmbuf_free(m);
}

static void serve(void *arg)
{
	for (uint16_t i = 0; i < n_pairs; i++) {
		if (pairs[i].tx_on) {
			check_ring(&pairs[i].tx.q);
			serve_tx(&pairs[i].tx, arg);
		}
		if (pairs[i].rx_on) {
			check_ring(&pairs[i].rx.q);
			serve_rx(&pairs[i].rx);
		}
	}
}

/* --- messages ------------------------------------------------------------------------------------
 */

/* What a good front end would say. Returns its length. */
static uint32_t fill(uint32_t request, unsigned ring, struct message *m)
{
	const struct driver_ring *r = &fe.ring[ring];

	memset(&m->payload, 0, sizeof(m->payload));
	switch (request) {
	case REQUEST_SET_FEATURES:
	case REQUEST_SET_PROTOCOL_FEATURES:
		m->payload.u64 = request == REQUEST_SET_FEATURES ? fe.features
								 : fe.protocol_features;
		return 8;
	case REQUEST_SET_MEM_TABLE:
		m->payload.memory.n = 2;
		for (unsigned i = 0; i < 2; i++)
			m->payload.memory.region[i] = (struct message_region){
				FE_GPA + i * MEMORY / 2, MEMORY / 2,
				(uintptr_t)fe.mem + i * MEMORY / 2, i * MEMORY / 2};
		return 8 + 2 * sizeof(struct message_region);
	case REQUEST_SET_VRING_ADDR:
		m->payload.addr.index = ring;
		m->payload.addr.desc = (uintptr_t)r->desc;
		m->payload.addr.avail = (uintptr_t)r->avail;
		m->payload.addr.used = (uintptr_t)r->used;
		return sizeof(m->payload.addr);
	case REQUEST_SET_VRING_NUM:
	case REQUEST_SET_VRING_BASE:
	case REQUEST_GET_VRING_BASE:
	case REQUEST_SET_VRING_ENABLE:
		m->payload.state.index = ring;
		m->payload.state.num = request == REQUEST_SET_VRING_NUM
					       ? RING
					       : request == REQUEST_SET_VRING_ENABLE;
		return 8;
	case REQUEST_NET_SET_MTU:
		m->payload.u64 = 1500;
		return 8;
	case REQUEST_SET_STATUS:
		m->payload.u64 = 0xf;
		return 8;
	default:
		m->payload.u64 = ring;
		return 8;
	}
}

static int open_other(uint8_t kind)
{
	int fds[2];

	switch (kind % 6) {
	case 0:
		return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	case 1:
		return memfd_create("empty", MFD_CLOEXEC);
	case 2:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 3:
		return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	case 4:
		return open("/tmp", O_PATH | O_CLOEXEC);
	default:
		if (pipe2(fds, O_CLOEXEC) < 0)
			return -1;
		close(fds[1]);
		return fds[0];
	}
}

/* The descriptors that belong to the request, or so many others. */
static int attach(struct input *in, const struct message *m, uint8_t how, int *fds)
{
	bool is_table = m->request == REQUEST_SET_MEM_TABLE;
	bool takes_eventfd = m->request >= REQUEST_SET_VRING_KICK &&
			     m->request <= REQUEST_SET_VRING_ERR;
	int n = is_table ? 2 : takes_eventfd;

	if (how & 1)
		n = input_u8(in) % (MESSAGE_MAX_FDS + 1);
	for (int i = 0; i < n; i++)
		fds[i] = is_table && !(how & 2) ? dup(fe.mem_fd)
						: open_other(how & 2 ? input_u8(in) : 0);
	return n;
}

static void drain_answers(void)
{
	uint8_t bytes[1024];

	while (recv(fe.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
}

/* Until the gate has taken all that was sent. */
static void settle(void)
{
	int unread = 1;

	for (int i = 0; i < PATIENCE && !vhost_fe_hung_up(&fe); i++) {
		if (ioctl(fe.fd, SIOCOUTQ, &unread) < 0 || unread == 0)
			break;
		poll(NULL, 0, i < 10 ? 0 : 1);
	}
}

static void send_message(struct input *in, uint8_t request)
{
	uint8_t how = input_u8(in), changes = how & 3;
	struct message m = {.request = request % REQUEST_END};
	uint32_t len = fill(m.request, input_u8(in) % (2 * PAIRS), &m), size;
	int fds[MESSAGE_MAX_FDS], n_fds = attach(in, &m, how >> 2 & 3, fds);

	if (message_name(m.request) && m.request != REQUEST_SEND_RARP &&
	    (m.request == REQUEST_GET_FEATURES || m.request == REQUEST_GET_PROTOCOL_FEATURES ||
	     m.request == REQUEST_GET_QUEUE_NUM || m.request == REQUEST_GET_STATUS ||
	     m.request == REQUEST_SET_OWNER || m.request == REQUEST_RESET_OWNER))
		len = 0;
	for (; changes > 0; changes--)
		m.payload.bytes[input_u8(in) % 80] ^= input_u8(in);
	size = len;
	if (how & 0x10)
		size = len = input_u16(in) % (MESSAGE_MAX_PAYLOAD + 1);
	if (how & 0x20)
		size = (uint32_t)input_u16(in) << 4; /* what it claims, whatever follows */
	m.flags = MESSAGE_VERSION | (how & 0x40 ? MESSAGE_NEED_REPLY : 0);
	if (how & 0x80)
		m.flags = input_u8(in);
	vhost_fe_send_raw(&fe, m.request, m.flags, size, &m.payload, len, fds, n_fds);
	for (int i = 0; i < n_fds; i++)
		close(fds[i]);
}

/* --- and what a guest does meanwhile -------------------------------------------------------------
 */

static void scribble(struct input *in)
{
	uint32_t at = ((uint32_t)input_u16(in) << 3) % (MEMORY - 16);
	uint8_t bytes[16];

	input_bytes(in, bytes, sizeof(bytes));
	memcpy(fe.mem + at, bytes, sizeof(bytes));
}

static void add_chain(struct input *in)
{
	struct driver_ring *r = &fe.ring[input_u8(in) % (2 * PAIRS)];
	struct driver_buf b = {FE_GPA + input_u16(in), 2048, input_u8(in) & 1};

	if (r->size > 0 && driver_ring_add(r, &b, 1) >= 0)
		driver_ring_publish(r);
}

static void step(struct input *in)
{
	uint8_t what = input_u8(in);

	if (what < 0xc0)
		send_message(in, what);
	else if (what < 0xe0)
		add_chain(in);
	else if (what < 0xfe)
		scribble(in);
	else if (ftruncate(fe.mem_fd, (off_t)input_u8(in) << 12) == 0) /* pages are gone */
		MUST(ftruncate(fe.mem_fd, MEMORY) == 0);
}

/* --- one run -------------------------------------------------------------------------------------
 */

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void remove_folder(void)
{
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err e = {0};

	(void)argc;
	(void)argv;
	log_set_level((enum log_level)0);
	MUST(fake_eal_init("vhost_user_fuzz") == 0);
	rte_log_set_global_level(RTE_LOG_EMERG);
	MUST(guest_fd_init() == 0 && sigbus_init() == 0);
	pool = fake_eal_pool("fuzz", 511);
	snprintf(folder, sizeof(folder), "/tmp/vhost_user_fuzz.XXXXXX");
	MUST(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/lib", folder);
	MUST(vhost_lib_init(path, &e) == 0);
	snprintf(path, sizeof(path), "%s/s", folder);
	gate = gate_create(&e);
	MUST(gate);
	atexit(remove_folder);
	return 0;
}

static void open_device(uint8_t how)
{
	struct fe_config conf = {
		.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_NET_MQ) |
			    FE_F(FE_INDIRECT) | FE_F(FE_EVENT_IDX) | FE_F(FE_NET_MTU) |
			    (how & 1 ? FE_F(FE_PACKED) : 0),
		.protocol_features = FE_F(FE_P_MQ) | FE_F(FE_P_NET_MTU) |
				     (how & 2 ? FE_F(FE_P_STATUS) : 0) |
				     (how & 4 ? FE_F(FE_P_REPLY_ACK) : 0),
		.pairs = how & 8 ? PAIRS : 1,
		.ring_size = RING,
		.mem_size = MEMORY,
	};
	struct vdev_net_conf device = {.max_pairs = PAIRS,
				       .socket = {.owner = (uid_t)-1, .group = (gid_t)-1}};
	struct err e = {0};
	int rc;

	snprintf(device.socket.path, sizeof(device.socket.path), "%s", path);
	dev = vdev_net_create(gate, &device, &ops, NULL, &e);
	MUST(dev);
	vhost_fe_init(&fe);
	rc = vhost_fe_open(&fe, path, &conf);
	if (rc < 0)
		fprintf(stderr, "a front end that does all right: %s\n", strerror(-rc));
	MUST(rc == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct net_lent *loan;
	struct input in = {data, size};
	int files = open_files(), steps = 0;

	if (!loan)
		loan = net_lent_create();
	open_device(input_u8(&in));
	while (in.left > 0 && steps++ < STEPS && !vhost_fe_hung_up(&fe)) {
		step(&in);
		settle();
		gate_call(gate, serve, loan);
		drain_answers();
	}
	vdev_destroy(dev);
	vhost_fe_close(&fe);
	MUST(n_pairs == 0);
	MUST(rte_mempool_full(pool));
	for (int ms = 0; ms < PATIENCE && open_files() != files; ms++)
		poll(NULL, 0, 1);
	MUST(open_files() == files);
	return 0;
}
