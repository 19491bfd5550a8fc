/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's life: how it comes up and goes, and misdeeds of front ends. */
#include "tests/unit/vhost/vdev_fixture.h"

/* --- bringing up, and down -----------------------------------------------------------------------
 */

static void a_front_end_comes_and_goes(void **state)
{
	uint32_t base;
	int files = open_files();

	(void)state;
	assert_int_equal(status().state, VDEV_WAITING);
	for (int i = 0; i < 3; i++) {
		open_fe(&split);
		assert_int_equal(n_pairs, 1);
		assert_true(pair()->rx_on && pair()->tx_on && !pair()->tx_discard);
		assert_int_equal(status().usable, 1);
		assert_int_equal(status().connects, i + 1);
		assert_int_equal(vhost_fe_ring_stop(&fe, 0, &base), 0);
		assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
		expect_text("down: the guest is paused, or its driver stopped the rings");
		assert_int_equal(n_pairs, 0);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		expect_state(VDEV_WAITING);
		expect_text("front end disconnected");
		assert_int_equal(library_devices, 0);
	}
	assert_int_equal(open_files(), files);
}

/* The ring's place in the worker's hands is the one that the guest sees next. */
static void a_stopped_ring_says_where_it_is(void **state)
{
	uint32_t base;

	(void)state;
	open_fe(&split);
	serve_up_to(7, 7, true);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	assert_int_equal(base, 7);
	assert_true(pair()->rx_on && !pair()->tx_on);
	/* And goes on there. */
	fe.ring[1].used->idx = 7;
	assert_int_equal(vhost_fe_ring_start(&fe, 1), 0);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(pair()->tx_on);
	assert_int_equal(pair()->tx.q.avail_at, 7);
}

static void a_packed_ring_says_both_places(void **state)
{
	struct fe_config conf = split;
	uint32_t base;

	(void)state;
	conf.features |= FE_F(FE_PACKED);
	open_fe(&conf);
	serve_up_to(9, 5, false);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	assert_int_equal(base, 9 | (5 | 0x8000u) << 16);
}

static void without_protocol_features_rings_start_enabled(void **state)
{
	(void)state;
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	assert_int_equal(vhost_fe_negotiate(&fe, FE_F(FE_VERSION_1), 0), 0);
	assert_int_equal(vhost_fe_map(&fe, MEM_BYTES, false), 0);
	assert_int_equal(vhost_fe_set_mem_table(&fe, 1), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vhost_fe_ring_init(&fe, i, SIZE), 0);
		assert_int_equal(vhost_fe_ring_start(&fe, i), 0);
	}
	expect_state(VDEV_UP);
}

/* Its status is agreed on: then nothing is used before DRIVER_OK (virtio 1.1, 3.1.1). */
static void a_driver_that_is_not_ok_is_not_served(void **state)
{
	struct fe_config conf = split;
	uint64_t bits = 0;

	(void)state;
	conf.protocol_features |= FE_F(FE_P_STATUS);
	assert_int_equal(vhost_fe_open(&fe, path, &conf), 0);
	assert_int_equal(status().state, VDEV_NEGOTIATING);
	assert_int_equal(n_pairs, 0);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_STATUS, 15), 0);
	assert_int_equal(status().state, VDEV_UP);
	assert_int_equal(vhost_fe_get_u64(&fe, FE_GET_STATUS, &bits), 0);
	assert_int_equal(bits, 15);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_STATUS, 0), 0);
	assert_int_equal(status().state, VDEV_DOWN);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_STATUS, 256), -EPROTO);
}

static void queue_pairs_are_as_many_as_configured(void **state)
{
	struct fe_config conf = split;
	uint64_t n = 0;

	(void)state;
	conf.pairs = 2;
	open_fe(&conf);
	assert_int_equal(vhost_fe_get_u64(&fe, FE_GET_QUEUE_NUM, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(n_pairs, 2);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 4, 1), -EPROTO);
	expect_text("refused SET_VRING_ENABLE: ring 4, of 4");
	assert_int_equal(status().state, VDEV_UP);
}

/* Several pairs are a feature that has to be agreed on (virtio 1.1, 5.1.5). */
static void without_mq_one_pair_is_used(void **state)
{
	struct fe_config conf = split;

	(void)state;
	conf.pairs = 2;
	conf.features &= ~FE_F(FE_NET_MQ);
	open_fe(&conf);
	assert_int_equal(n_pairs, 1);
}

/* vhost-user, ring states: a started ring that is disabled is processed without effects. */
static void disabled_rings_are_kept_but_discarded(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 1, 0), 0);
	assert_true(pair()->tx_on && pair()->tx_discard && pair()->rx_on);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 0, 0), 0);
	assert_false(pair()->rx_on);
	assert_int_equal(status().state, VDEV_DOWN);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 0, 1), 0);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(pair()->tx_on && !pair()->tx_discard && pair()->rx_on);
	assert_int_equal(vhost_fe_send(&fe, FE_RESET_OWNER, NULL, 0, NULL, 0), 0);
	assert_true(pair()->tx_discard && !pair()->rx_on);
}

static void notifications_move_without_the_rings(void **state)
{
	uint64_t ring = 1, none = 1 | FE_VRING_NOFD;
	int fd = eventfd(0, EFD_NONBLOCK), old;
	struct virtq before;

	(void)state;
	open_fe(&split);
	before = pair()->tx.q;
	old = before.call_fd;
	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_CALL, &ring, 8, &fd, 1), 0);
	assert_int_not_equal(pair()->tx.q.call_fd, -1);
	assert_ptr_equal(pair()->tx.q.desc, before.desc);
	assert_int_equal(fcntl(old, F_GETFD), -1); /* the old one is closed */
	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_CALL, &none, 8, NULL, 0), 0);
	assert_int_equal(pair()->tx.q.call_fd, -1);
	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_KICK, &none, 8, NULL, 0), 0);
	assert_int_equal(pair()->tx_kick_fd, -1);
	assert_int_equal(status().state, VDEV_UP);
	close(fd);
}

/* --- misdeeds ------------------------------------------------------------------------------------
 */

static void refused_without_an_answer_is_hung_up(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(vhost_fe_send_raw(&fe, FE_SET_INFLIGHT_FD, FE_FLAG_VERSION, 20, fe.mem, 20,
					   NULL, 0),
			 0);
	expect_text(
		"waiting for front end (listening); last: refused SET_INFLIGHT_FD, which is not "
		"offered");
	assert_int_equal(n_pairs, 0);
}

/* Whatever comes with a message that is refused, or that takes none, is closed. */
static void descriptors_are_not_kept(void **state)
{
	static const uint32_t requests[] = {
		FE_GET_QUEUE_NUM,   FE_GET_FEATURES,    FE_SET_VRING_ENABLE, FE_SET_MEM_TABLE,
		FE_SET_VRING_KICK,  FE_SET_INFLIGHT_FD, FE_SET_VRING_CALL,   FE_SET_VRING_ERR,
		FE_GET_INFLIGHT_FD, FE_SET_LOG_BASE,    FE_SET_STATUS,       99};
	int fds[8], files;
	struct fe_msg answer;

	(void)state;
	open_fe(&split);
	for (int i = 0; i < 8; i++)
		fds[i] = fe.mem_fd;
	files = open_files();
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
			assert_int_equal(vhost_fe_send_raw(&fe, requests[i],
							   FE_FLAG_VERSION | FE_FLAG_NEED_REPLY, 8,
							   fe.mem, 8, fds, 8),
					 0);
			assert_int_equal(vhost_fe_recv(&fe, &answer, 5000), 0);
			assert_int_equal(answer.payload.u64, 1);
		}
	}
	assert_int_equal(open_files(), files);
	assert_int_equal(status().state, VDEV_UP);
}

static void half_a_message_is_given_up(void **state)
{
	static const uint32_t header[3] = {FE_SET_MEM_TABLE, FE_FLAG_VERSION, 200};

	(void)state;
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	assert_int_equal(send(fe.fd, header, 5, MSG_NOSIGNAL), 5);
	expect_text("negotiating");
	vhost_fe_disconnect(&fe);
	expect_text("last: front end hung up in the middle of a message");
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	assert_int_equal(send(fe.fd, header, 12, MSG_NOSIGNAL), 12);
	expect_text("last: front end sent half a message and no more");
	assert_true(vhost_fe_hung_up(&fe));
}

static void a_message_may_come_in_pieces(void **state)
{
	uint32_t message[5] = {FE_SET_VRING_ENABLE, FE_FLAG_VERSION | FE_FLAG_NEED_REPLY, 8, 1, 0};
	struct fe_msg answer;

	(void)state;
	open_fe(&split);
	for (size_t i = 0; i < sizeof(message); i++) {
		assert_int_equal(send(fe.fd, (uint8_t *)message + i, 1, MSG_NOSIGNAL), 1);
		if (i % 5 == 0)
			poll(NULL, 0, 1);
	}
	assert_int_equal(vhost_fe_recv(&fe, &answer, 5000), 0);
	assert_int_equal(answer.payload.u64, 0);
	assert_true(pair()->tx_discard);
}

static void too_long_messages_end_the_connection(void **state)
{
	static const uint32_t sizes[] = {513, 4096, 0x7fffffff, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(vhost_fe_connect(&fe, path), 0);
		vhost_fe_send_raw(&fe, FE_SET_OWNER, FE_FLAG_VERSION, sizes[i], NULL, 0, NULL, 0);
		expect_text("last: front end sent a message of ");
	}
}

/* Nothing is kept for who does not read: the socket's own buffer is all there is. */
static void who_does_not_read_is_hung_up(void **state)
{
	(void)state;
	open_fe(&split);
	for (int i = 0; i < 1000000; i++)
		if (vhost_fe_send_raw(&fe, FE_GET_FEATURES, FE_FLAG_VERSION, 0, NULL, 0, NULL, 0) <
		    0)
			break;
	expect_text("last: front end does not read its answers");
}

static void a_second_front_end_is_turned_away(void **state)
{
	struct vhost_fe second;

	(void)state;
	open_fe(&split);
	vhost_fe_init(&second);
	assert_int_equal(vhost_fe_connect(&second, path), 0);
	for (int i = 0; i < PATIENCE && !vhost_fe_hung_up(&second); i++)
		poll(NULL, 0, 1);
	assert_true(vhost_fe_hung_up(&second));
	vhost_fe_close(&second);
	assert_int_equal(status().turned_away, 1);
	assert_int_equal(status().state, VDEV_UP);
}

/* A front end that hung up is gone before its successor is looked at. */
static void a_front_end_comes_back_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		open_fe(&split);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	assert_int_equal(status().turned_away, 0);
	assert_int_equal(status().connects, 5);
}

static void a_removed_socket_comes_back(void **state)
{
	(void)state;
	assert_int_equal(unlink(path), 0);
	for (int i = 0; i < PATIENCE && access(path, F_OK) < 0; i++)
		poll(NULL, 0, 1);
	open_fe(&split);
	/* And is not forced on who put something else there. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	vhost_fe_close(&fe);
	vhost_fe_init(&fe);
	expect_text("its file was removed, and cannot be made");
	assert_int_equal(rmdir(path), 0);
	for (int i = 0; i < PATIENCE && access(path, F_OK) < 0; i++)
		poll(NULL, 0, 1);
	open_fe(&split);
}

/* Features are settled before rings are: what a ring's parts are depends on them. */
static void features_are_settled_by_started_rings(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_FEATURES, fe.features), 0);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_FEATURES, fe.features | FE_F(FE_PACKED)),
			 -EPROTO);
	expect_text("refused SET_FEATURES: other features than before, while rings are started");
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_FEATURES, FE_F(33)), -EPROTO);
	expect_text("refused SET_FEATURES: features 0x200000000 are not offered");
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_PROTOCOL_FEATURES, FE_F(FE_P_INFLIGHT)),
			 -EPROTO);
	expect_text("refused SET_PROTOCOL_FEATURES: protocol features 0x1000 are not offered");
}

static void offloads_may_be_withheld(void **state)
{
	static const uint64_t tso = FE_F(FE_NET_HOST_TSO4) | FE_F(FE_NET_GUEST_TSO4),
			      csum = FE_F(FE_NET_CSUM) | FE_F(FE_NET_GUEST_CSUM);
	static const uint64_t offered[] = {[VDEV_NET_OFFLOADS_ALL] = tso | csum,
					   [VDEV_NET_OFFLOADS_CHECKSUM] = csum,
					   [VDEV_NET_OFFLOADS_NONE] = 0};

	for (unsigned i = 0; i < 3; i++) {
		uint64_t features;

		teardown(state);
		offloads = (enum vdev_net_offloads)i;
		setup(state);
		assert_int_equal(vhost_fe_connect(&fe, path), 0);
		assert_int_equal(vhost_fe_get_u64(&fe, FE_GET_FEATURES, &features), 0);
		assert_int_equal(features & (tso | csum), offered[i]);
		assert_true(features & FE_F(FE_NET_MRG_RXBUF));
	}
	offloads = VDEV_NET_OFFLOADS_ALL;
	/* What is not offered is refused. */
	(void)vhost_fe_set_u64(&fe, FE_SET_FEATURES, FE_F(FE_VERSION_1) | csum);
	expect_text("refused SET_FEATURES: features 0x3 are not offered");
}

static void mtus_are_noted(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(status().mtu, 0);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 1400), 0);
	assert_int_equal(status().mtu, 1400);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 67), -EPROTO);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 65536), -EPROTO);
	assert_int_equal(status().mtu, 1400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_front_end_comes_and_goes),
		TEST(a_stopped_ring_says_where_it_is),
		TEST(a_packed_ring_says_both_places),
		TEST(without_protocol_features_rings_start_enabled),
		TEST(a_driver_that_is_not_ok_is_not_served),
		TEST(queue_pairs_are_as_many_as_configured),
		TEST(without_mq_one_pair_is_used),
		TEST(disabled_rings_are_kept_but_discarded),
		TEST(notifications_move_without_the_rings),
		TEST(refused_without_an_answer_is_hung_up),
		TEST(descriptors_are_not_kept),
		TEST(half_a_message_is_given_up),
		TEST(a_message_may_come_in_pieces),
		TEST(too_long_messages_end_the_connection),
		TEST(who_does_not_read_is_hung_up),
		TEST(a_second_front_end_is_turned_away),
		TEST(a_front_end_comes_back_at_once),
		TEST(a_removed_socket_comes_back),
		TEST(features_are_settled_by_started_rings),
		TEST(offloads_may_be_withheld),
		TEST(mtus_are_noted),
	};

	return cmocka_run_group_tests_name("vdev", tests, NULL, NULL);
}
