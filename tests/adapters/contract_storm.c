/* SPDX-License-Identifier: ISC */
/*
 * Threads that shake hands while keys are published as fast as it goes.
 *
 * Two sets are published in turn.  One key is in both, one in the first
 * only, and one in neither: so it is known which tickets must resume and
 * which must not, whatever was published at that moment.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

#define STORMERS 4

struct storm {
	const struct farm *farm;
	void *server;
	const char *host;
	struct stek_set *sets[2];
	struct visit always; /* with a ticket of the key that is in both */
	struct visit never; /* and of the key that is in neither */
	atomic_bool over;
	atomic_int broken; /* handshakes that failed */
	atomic_int wrong; /* that resumed, or not, against the rule */
};

static void
storm_visit(struct storm *storm, const struct visit *v, bool resumes)
{
	struct visit w;

	return_visit(storm->farm, storm->server, storm->host, v, &w);
	if (!w.connected || w.alert != -1 ||
	    (w.tickets == 0 && !resumes &&
	        !cannot(storm->farm, CONTRACT_NO_REPLACEMENT_12)))
		atomic_fetch_add(&storm->broken, 1);
	if (w.resumed != resumes)
		atomic_fetch_add(&storm->wrong, 1);
	visit_free(&w);
}

static void *
shake_hands(void *arg)
{
	struct storm *storm = arg;
	size_t i, visits = farm_times(40, 6);

	for (i = 0; i < visits; i++) {
		storm_visit(storm, &storm->always, true);
		storm_visit(storm, &storm->never, false);
	}
	return NULL;
}

static void *
publish(void *arg)
{
	struct storm *storm = arg;
	size_t i;

	for (i = 0; !atomic_load(&storm->over); i++)
		if (stek_ring_publish(storm->farm->ring, storm->sets[i % 2]) !=
		    STEK_OK)
			atomic_fetch_add(&storm->broken, 1);
	return NULL;
}

static struct stek_set *
set_of(const struct stek_key *one, const struct stek_key *two)
{
	struct stek_set *set = stek_set_new();

	assert_non_null(set);
	assert_int_equal(stek_set_add(set, one), STEK_OK);
	assert_int_equal(stek_set_add(set, two), STEK_OK);
	return set;
}

static void
run(struct storm *storm)
{
	pthread_t publisher, stormers[STORMERS];
	size_t i;

	assert_int_equal(pthread_create(&publisher, NULL, publish, storm), 0);
	for (i = 0; i < STORMERS; i++)
		assert_int_equal(
		    pthread_create(&stormers[i], NULL, shake_hands, storm), 0);
	for (i = 0; i < STORMERS; i++)
		assert_int_equal(pthread_join(stormers[i], NULL), 0);
	atomic_store(&storm->over, true);
	assert_int_equal(pthread_join(publisher, NULL), 0);
}

static void
storm(const struct farm *farm, bool hosts)
{
	struct stek_key both = farm_key_good(), other = farm_key_good();
	struct stek_key one = farm_key(-30, 3600, 7200);
	struct stek_key two = farm_key(-20, 3600, 7200);
	struct storm s = {.farm = farm};

	s.host = hosts ? "a.example" : NULL;
	s.server = farm_server(farm, farm->ring, hosts);
	s.sets[0] = set_of(&both, &one);
	s.sets[1] = set_of(&both, &two);
	PUBLISH(farm->ring, &other);
	first_visit(farm, s.server, s.host, &s.never);
	PUBLISH(farm->ring, &both);
	first_visit(farm, s.server, s.host, &s.always);
	run(&s);
	visit_free(&s.always);
	visit_free(&s.never);
	stek_set_free(s.sets[0]);
	stek_set_free(s.sets[1]);
	farm->library->server_free(s.server);
	assert_int_equal(s.broken, 0);
	assert_int_equal(s.wrong, 0);
}

static void
in_a_storm_of_publishes_each_ticket_does_what_it_must(void **state)
{
	storm(*state, false);
}

static void
in_a_storm_of_publishes_each_ticket_of_a_host_does_too(void **state)
{
	storm(*state, true);
}

const struct point storm_points[] = {
    POINT(in_a_storm_of_publishes_each_ticket_does_what_it_must),
    POINT_UNLESS(CONTRACT_NO_HOSTS,
        in_a_storm_of_publishes_each_ticket_of_a_host_does_too),
    END_OF_POINTS,
};
