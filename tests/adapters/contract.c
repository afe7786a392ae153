/* SPDX-License-Identifier: ISC */
/*
 * Runs the adapter contract: every point, in every version a library speaks.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

#define POINTS_MAX 64
#define NAME_LEN   160

static int
start(void **state)
{
	return farm_start(*state);
}

static int
stop(void **state)
{
	farm_stop(*state);
	return 0;
}

/* "an_old_ticket" becomes "OpenSSL, TLS 1.3: an old ticket". */
static char *
sentence(const struct farm *farm, const char *says)
{
	char *name = malloc(NAME_LEN), *p;

	if (name == NULL)
		abort();
	(void)snprintf(name, NAME_LEN, "%s, TLS 1.%c: %s", farm->library->name,
	    farm->version == CONTRACT_TLS12 ? '2' : '3', says);
	for (p = name; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return name;
}

static size_t
list(struct farm *farm, struct CMUnitTest *tests)
{
	static const struct point *const lists[] = {
	    ticket_points,
	    refusal_points,
	    time_points,
	    host_points,
	    storm_points,
	};
	const struct point *p;
	size_t i, n = 0;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (p = lists[i]; p->says != NULL; p++) {
			if (n == POINTS_MAX)
				abort();
			tests[n].name = sentence(farm, p->says);
			tests[n].test_func = p->test;
			tests[n].setup_func = start;
			tests[n].teardown_func = stop;
			tests[n++].initial_state = farm;
		}
	return n;
}

static int
run(const struct contract_library *library)
{
	struct CMUnitTest tests[2 * POINTS_MAX] = {0};
	struct farm farms[2];
	size_t i, n = 0;
	int failed = 1;

	if (farm_open(&farms[0], library, CONTRACT_TLS12) < 0 ||
	    farm_open(&farms[1], library, CONTRACT_TLS13) < 0)
		abort();
	if (!(library->cannot & CONTRACT_NO_TLS12))
		n += list(&farms[0], tests);
	if (!(library->cannot & CONTRACT_NO_TLS13))
		n += list(&farms[1], tests + n);
	failed = _cmocka_run_group_tests(library->name, tests, n, NULL, NULL);
	for (i = 0; i < n; i++)
		free((void *)(uintptr_t)tests[i].name);
	farm_close(&farms[0]);
	farm_close(&farms[1]);
	return failed;
}

int
contract_main(const struct contract_library *library, int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc == 7 && strcmp(argv[1], "--serve") == 0)
		farm_serve(library, argv + 2);
	return run(library);
}
